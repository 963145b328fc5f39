"""`mmc validate`: Spec is where it stops; never the network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from mmc import api
from mmc.cli.options import (
    format_option,
    framed,
    output_options,
    report,
    spec_options,
    want_spec,
)
from mmc.diagnostics import Diagnostic
from mmc.events import Failed
from mmc.text import many
from mmc.views.out import Out, Output

_SPEC = re.compile(r"\A\s*\{|^[\"']?(?:source|target)[\"']?\s*:", re.MULTILINE)
"""What a spec has and other YAML seldom: a top-level key `source` or `target`."""


@dataclass(frozen=True, slots=True)
class Found:
    """Files to look at. `others` is the number of YAML files in the folders that are no specs."""

    files: tuple[Path, ...]
    others: int

    @property
    def note(self) -> str:
        """What is said of the others, to be appended to a line."""
        if not self.others:
            return ""
        return f" Left alone: {many(self.others, 'YAML file')} without `source:` or `target:`."


def spec_files(paths: tuple[Path, ...]) -> Found:
    """The files named, and every .yaml and .yml below the folders named that looks like a spec
    (hidden ones are left out): a folder may hold the YAML of other tools.
    """
    found: list[Path] = []
    others = 0
    for path in paths or (Path(),):
        if path.is_dir():
            walked = sorted(
                file
                for file in path.rglob("*")
                if file.suffix in (".yaml", ".yml")
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
            )
            specs = [file for file in walked if _SPEC.search(_text(file))]
            others += len(walked) - len(specs)
            found += specs
        else:
            found.append(path)
    return Found(tuple(found), others)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@format_option
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
        seen = spec_files(paths)
        found: list[Diagnostic] = []
        bad = 0
        for file in seen.files:
            checked = api.check_spec(want_spec(file), variables=variables, env=env)
            found += checked.diagnostics
            bad += checked.spec is None
        if format_ in ("full", "json") or out.json:
            report(out, tuple(found))
            if bad == 0:
                out.line(_valid(len(seen.files)) + seen.note)
        else:
            from mmc.views.formats import render

            out.document(render(format_, tuple(found), None))
        if bad:
            errors = sum(1 for diagnostic in found if diagnostic.is_error)
            of = f" in {bad} of {many(len(seen.files), 'spec')}." if len(seen.files) > 1 else ""
            out(
                Failed(
                    error="SpecInvalid",
                    message=many(errors, "error") + of + seen.note,
                    hint="",
                    exit_code=1,
                )
            )
        return 1 if bad else 0

    return framed("validate", _json_if(output, format_), body)


def _valid(number: int) -> str:
    if not number:
        return "No specs found."
    return "1 spec is valid." if number == 1 else f"{number} specs are valid."


def _json_if(output: Output, format_: str) -> Output:
    from dataclasses import replace

    return replace(output, json=True) if format_ == "json" else output
