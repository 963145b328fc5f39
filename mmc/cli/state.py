"""`mmc state list|show|unlock|forget`: the run store."""

from __future__ import annotations

import click

from mmc import api
from mmc.cli.options import framed, output_options, state_option
from mmc.views.out import Out, Output


@click.group()
def command() -> None:
    """List, show, unlock or forget runs."""


@command.command("list")
@state_option
@output_options
def list_(state: str, output: Output) -> int:
    """List all runs, the latest first."""

    def body(out: Out) -> int:
        from mmc.views.runs import runs_text

        out.document(runs_text(api.list_runs(state=state), as_json=out.json))
        return 0

    return framed("state list", output, body)


@command.command()
@click.argument("run")
@click.option("--events", is_flag=True, help="What it said, instead of its splits.")
@state_option
@output_options
def show(run: str, events: bool, state: str, output: Output) -> int:
    """Show every split of RUN, or every event."""

    def body(out: Out) -> int:
        from mmc.views.runs import events_text, splits_text

        if events:
            out.document(events_text(api.run_events(run, state=state), as_json=out.json))
        else:
            out.document(splits_text(api.run_splits(run, state=state), as_json=out.json))
        return 0

    return framed("state show", output, body)


@command.command()
@click.argument("run")
@state_option
@output_options
def unlock(run: str, state: str, output: Output) -> int:
    """Remove the lease on RUN's target. Only when you know that its holder is gone."""

    def body(out: Out) -> int:
        holder = api.unlock_run(run, state=state)
        out.line(f"Removed the lease of {holder}." if holder else "There was no lease.")
        return 0

    return framed("state unlock", output, body)


@command.command()
@click.argument("run")
@state_option
@output_options
def forget(run: str, state: str, output: Output) -> int:
    """Remove what is recorded of RUN. The target and staged files are not touched."""

    def body(out: Out) -> int:
        from mmc.views.runs import staged_line

        found = api.forget_run(run, state=state, emit=out)
        name = f" ({found.plan_name})" if found.plan_name else ""
        out.line(f"Forgot run {found.run}{name}. What it made in the target stays.")
        for one in found.staged:
            out.line(staged_line(one.folder, one.files, one.begun))
        if found.unread:
            out.line(f"Whether files of it are staged cannot be told: {found.unread}")
        return 0

    return framed("state forget", output, body)
