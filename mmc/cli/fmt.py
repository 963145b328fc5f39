"""`mmc fmt`: specs in canonical form."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

from mmc import api
from mmc.cli.options import framed, output_options, want_spec
from mmc.cli.validate import spec_files
from mmc.errors import SpecInvalid
from mmc.saving import save_text
from mmc.views.out import Out, Output


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path, allow_dash=True))
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a file would change.")
@click.option("--diff", "diff", is_flag=True, help="Show what changes.")
@output_options
def command(paths: tuple[Path, ...], check: bool, diff: bool, output: Output) -> int:
    """Rewrite specs in canonical form; `-` reads stdin and writes stdout."""

    def body(out: Out) -> int:
        if paths == (Path("-"),):
            out.document(api.format_spec(sys.stdin.read()))
            return 0
        changed = 0
        seen = spec_files(paths)
        for file in seen.files:
            before = _read(want_spec(file))
            after = api.format_spec(before, str(file))
            if after == before:
                continue
            changed += 1
            if diff:
                out.document("".join(_diff(file, before, after)))
            if check:
                out.line(f"{file}: would change")
            elif not diff:
                save_text(file, after)
                out.line(f"{file}: formatted")
        if seen.note:
            out.line(seen.note.strip())
        return 1 if check and changed else 0

    return framed("fmt", output, body)


def _diff(file: Path, before: str, after: str) -> list[str]:
    return list(
        difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), str(file), str(file)
        )
    )


def _read(file: Path) -> str:
    """Raises SpecInvalid, OSError."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SpecInvalid(api.check_spec(file).diagnostics) from None
