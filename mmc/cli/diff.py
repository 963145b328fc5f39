"""`mmc diff`: what two plans would do differently."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from mmc import api
from mmc.cli.options import framed, output_options, want_plan
from mmc.plan import codec
from mmc.views.out import Out, Output


@click.command()
@click.argument("before", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("after", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@output_options
def command(before: Path, after: Path, output: Output) -> int:
    """Compare two saved plans as they are drawn; exit 1 when they differ."""

    def body(out: Out) -> int:
        one, two = api.read_plan(want_plan(before)), api.read_plan(want_plan(after))
        if codec.digest(one) == codec.digest(two):
            out.line("The plans are the same.")
            return 0
        drawn = difflib.unified_diff(
            api.plan_lines(one),
            api.plan_lines(two),
            str(before),
            str(after),
            lineterm="",
        )
        text = "\n".join(drawn)
        out.document(text or "The plans look the same; they differ in facts, bounds or policies.")
        return 1

    return framed("diff", output, body)
