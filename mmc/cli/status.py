"""`mmc status`: how far a run is, from the state alone."""

from __future__ import annotations

import time

import click

from mmc import api
from mmc.cli.options import framed, output_options, state_option
from mmc.views.out import Out, Output


@click.command()
@click.argument("run", required=False)
@click.option("--watch", is_flag=True, help="Again every 2 seconds until the run ends.")
@state_option
@output_options
def command(run: str | None, watch: bool, state: str, output: Output) -> int:
    """Show how far RUN is, and whether it still runs (default: the latest). Reads the state
    only.
    """

    def body(out: Out) -> int:
        from mmc.views.runs import status_text

        while True:
            # Opened each time: one that this user may not write is read as it is at that moment.
            found = api.run_status(run or "", state=state)
            if found is None:
                out.line("No runs yet.")
                return 0
            out.document(status_text(found, as_json=out.json))
            if not watch or found.over:
                return 0
            time.sleep(2)

    return framed("status", output, body)
