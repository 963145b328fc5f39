"""`mmc clean RUN`: removes the staged files of a run."""

from __future__ import annotations

import click

from mmc import api
from mmc.cli.options import framed, output_options, state_option
from mmc.text import many
from mmc.views.out import Out, Output


@click.command()
@click.argument("run")
@click.option(
    "--force", is_flag=True, help="Also of a run that is not complete; it is forgotten then."
)
@state_option
@output_options
def command(run: str, force: bool, state: str, output: Output) -> int:
    """Remove the staged files of RUN: exactly those that it recorded."""

    def body(out: Out) -> int:
        removed = api.clean_run(run, state=state, force=force, emit=out)
        out.line(f"Removed {many(len(removed), 'staged file')} of run {run}.")
        return 0

    return framed("clean", output, body)
