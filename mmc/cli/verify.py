"""`mmc verify`: the proof alone, again."""

from __future__ import annotations

from pathlib import Path

import click

from mmc import api
from mmc.cli.options import framed, output_options, state_option, want_plan
from mmc.views.out import Out, Output


@click.command()
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report here too (.json, .md, .xml).",
)
@state_option
@output_options
def command(plan: Path, report_file: Path | None, state: str, output: Output) -> int:
    """Count and compare what the applied PLAN wrote with what is in the target now."""

    def body(out: Out) -> int:
        from mmc.views.report import save_report

        wanted = api.read_plan(want_plan(plan))
        with api.stopped_by_signals() as stop:
            done = api.verify_plan(wanted, state=state, emit=out, stop=stop)
        if report_file is not None:
            save_report(done, report_file)
        return 0 if done.ok else 1

    return framed("verify", output, body)
