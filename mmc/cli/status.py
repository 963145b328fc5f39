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
    """Show how far RUN is, and whether it still runs (default: the latest). Reads the state
    only.
    """

    def body(out: Out) -> int:
        from mmc.state.eventlog import read_progress
        from mmc.state.living import Life, standings
        from mmc.state.store import Access, Store
        from mmc.views.runs import status_text

        while True:
            # Opened each time: one that this user may not write is read as it is at that moment.
            with Store.open(state, Access.READ) as store:
                known = [store.run(run)] if run else store.list_runs()[:1]
                if not known:
                    out.line("No runs yet.")
                    return 0
                (found,), id_ = standings(store, known), known[0].id
                out.document(
                    status_text(
                        found,
                        store.plan_of(id_),
                        store.steps(id_),
                        store.splits(id_),
                        read_progress(store.database, id_, found.run.attempt),
                        as_json=out.json,
                    )
                )
            if not watch or found.life in (None, Life.GONE):
                return 0
            time.sleep(2)

    return framed("status", output, body)
