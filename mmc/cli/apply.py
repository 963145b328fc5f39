"""`mmc apply`: the whole pipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from mmc import api
from mmc.cli.options import (
    framed,
    is_plan,
    output_options,
    report,
    spec_options,
    state_option,
    want_spec,
)
from mmc.cli.plan import compile_spec, planned
from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import MmcError, Refused
from mmc.plan import codec
from mmc.plan.ddl import DropCollection
from mmc.plan.model import Plan
from mmc.views.out import Out, Output


@dataclass(frozen=True, slots=True)
class Consent:
    """How a person says yes: beforehand by --yes, or at the prompt."""

    yes: bool
    no_input: bool
    allow_replace: bool


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", "--auto-approve", "yes", is_flag=True, help="Do not ask.")
@click.option("--no-input", is_flag=True, help="Never ask: without --yes, a spec is an error.")
@click.option("--allow-replace", is_flag=True, help="With --yes: collections may be replaced.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report here too (.json, .md, .xml).",
)
@state_option
@spec_options
@output_options
def command(
    file: Path,
    yes: bool,
    no_input: bool,
    allow_replace: bool,
    report_file: Path | None,
    state: str,
    variables: Mapping[str, str],
    env: Mapping[str, str],
    output: Output,
) -> int:
    """Apply a saved plan (or a spec: plan, show, ask, apply). Applied again, it continues."""

    def body(out: Out) -> int:
        from mmc.views.report import save_report

        plan = _plan(out, file, variables, env, state)
        _ask(out, plan, file, Consent(yes, no_input, allow_replace))
        with api.stopped_by_signals() as stop:
            out.watch(stop)
            done = api.apply_plan(plan, state=state, emit=out, stop=stop)
        if report_file is not None:
            save_report(done, report_file)
        return done.exit_code

    return framed("apply", output, body)


def _plan(
    out: Out, file: Path, variables: Mapping[str, str], env: Mapping[str, str], state: str
) -> Plan:
    """A saved plan, or that of a spec: one that was begun, before the target is looked at anew."""
    if is_plan(file):
        plan = api.read_plan(file)
    elif begun := api.unfinished_plan(
        api.load_spec(want_spec(file), variables=variables, env=env), state=state
    ):
        plan = begun
        text = f"run {codec.digest(plan)[:12]} of this spec did not end: its plan is continued"
        report(out, (Diagnostic("MMC636", text, severity=Severity.NOTE),))
    else:
        compiled = compile_spec(file, variables, env, emit=out)
        plan = compiled.plan
        report(out, compiled.diagnostics)
        out.plan(plan, codec.digest(plan))
    out(planned(plan, str(file)))
    return plan


def _ask(out: Out, plan: Plan, file: Path, consent: Consent) -> None:
    replaced = [step.collection for step in plan.steps if isinstance(step, DropCollection)]
    if consent.yes:
        if replaced and not consent.allow_replace:
            raise MmcError(
                f"the plan replaces {', '.join(replaced)}, and --yes does not cover that",
                hint="add --allow-replace",
            )
        return
    if is_plan(file) and not replaced:
        return
    if consent.no_input or out.json or not sys.stdin.isatty():
        raise MmcError(
            f"the plan replaces {', '.join(replaced)}, and nobody can be asked here"
            if replaced
            else f"{file} is a spec, not yet a reviewed plan, and nobody can be asked here",
            hint="say --yes --allow-replace"
            if replaced
            else f"apply a saved plan (mmc plan {file} -o FILE), or say --yes",
        )
    wanted = replaced[0] if replaced else "yes"
    what = (
        f"This drops `{wanted}`. Type its name to go on" if replaced else "Apply this plan? (yes)"
    )
    if click.prompt(what, default="", show_default=False, err=True).strip() != wanted:
        raise Refused("nothing was done")
