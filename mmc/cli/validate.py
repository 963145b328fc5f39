"""`mmc validate`: Spec is where it stops; never the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from mmc import api
from mmc.cli.options import framed, output_options, report, spec_options
from mmc.diagnostics import Diagnostic, Severity
from mmc.views.out import Out, Output

FORMATS = ["full", "concise", "json", "github", "sarif", "junit", "markdown"]


def spec_files(paths: tuple[Path, ...]) -> list[Path]:
    """The files named, and every .yaml and .yml below the folders named (hidden ones left out)."""
    found: list[Path] = []
    for path in paths or (Path(),):
        if path.is_dir():
            found += sorted(
                file
                for file in path.rglob("*")
                if file.suffix in (".yaml", ".yml")
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
            )
        else:
            found.append(path)
    return found


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--format", "format_", type=click.Choice(FORMATS), default="full")
@spec_options
@output_options
def command(
    paths: tuple[Path, ...],
    format_: str,
    variables: Mapping[str, str],
    env: Mapping[str, str],
    output: Output,
) -> int:
    """Check specs: files, or folders that hold them."""

    def body(out: Out) -> int:
        files = spec_files(paths)
        found: list[Diagnostic] = []
        for file in files:
            found += api.check_spec(file, variables=variables, env=env).diagnostics
        bad = sum(1 for diagnostic in found if diagnostic.severity is Severity.ERROR)
        if format_ in ("full", "json") or out.json:
            report(out, tuple(found))
            if bad == 0:
                out.line(f"{len(files)} valid." if files else "No specs found.")
        else:
            from mmc.views.formats import render

            out.document(render(format_, tuple(found), None))
        return 1 if bad else 0

    return framed("validate", _json_if(output, format_), body)


def _json_if(output: Output, format_: str) -> Output:
    from dataclasses import replace

    return replace(output, json=True) if format_ == "json" else output
