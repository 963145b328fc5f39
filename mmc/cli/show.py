"""`mmc show`: a saved plan, also when it is stale or applied."""

from __future__ import annotations

from pathlib import Path

import click

from mmc import api
from mmc.cli.options import framed, output_options, report, want_plan
from mmc.cli.plan import planned
from mmc.plan import codec
from mmc.views.out import Out, Output


@click.command()
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "format_", type=click.Choice(["full", "markdown"]), default="full")
@output_options
def command(plan: Path, format_: str, output: Output) -> int:
    """Show the saved PLAN."""

    def body(out: Out) -> int:
        made = api.read_plan(want_plan(plan))
        if format_ == "markdown":
            from mmc.views.formats import render

            out.document(render("markdown", made.diagnostics, made))
            return 0
        report(out, made.diagnostics)
        out.plan(made, codec.digest(made), str(plan), saved=False)
        out(planned(made, str(plan)))
        return 0

    return framed("show", output, body)
