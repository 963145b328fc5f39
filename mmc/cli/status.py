"""`mmc status`: how far a run is, from the state alone."""

from __future__ import annotations

import time

import click

from mmc.cli.options import framed, output_options, state_option
from mmc.views.out import Out, Output


@click.command()
@click.argument("run", required=False)
@click.option("--watch", is_flag=True, help="Again every 2 seconds until the run ends.")
@state_option
@output_options
def command(run: str | None, watch: bool, state: str, output: Output) -> int:
    """Show how far RUN is (default: the latest run). Reads the state only."""

    def body(out: Out) -> int:
        from mmc.state.store import Store
        from mmc.views.runs import status_text

        with Store.open(state, make=False) as store:
            while True:
                known = [store.run(run)] if run else store.list_runs()[:1]
                if not known:
                    out.line("No runs yet.")
                    return 0
                found = known[0]
                plan, splits = store.plan_of(found.run), store.splits(found.run)
                out.document(
                    status_text(found, plan, store.steps(found.run), splits, as_json=out.json)
                )
                if not watch or found.finished_at is not None:
                    return 0
                time.sleep(2)

    return framed("status", output, body)
