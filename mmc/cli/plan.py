"""`mmc plan`: Plan is where it stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click

from mmc import api
from mmc.cli.options import (
    failed,
    format_option,
    framed,
    output_options,
    report,
    spec_options,
    want_spec,
)
from mmc.diagnostics import Diagnostic
from mmc.errors import SpecInvalid
from mmc.events import Emit, Planned
from mmc.plan import codec
from mmc.plan.model import Plan
from mmc.views.out import Out, Output


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan and what was found on the way."""

    plan: Plan
    diagnostics: tuple[Diagnostic, ...]


def compile_spec(
    path: Path,
    variables: Mapping[str, str],
    env: Mapping[str, str],
    facts: Path | None = None,
    *,
    emit: Emit,
    as_new: bool = False,
) -> Compiled:
    """Spec file to plan.

    Args:
        path: the spec.
        variables: values of --var.
        env: the environment for templates.
        facts: a saved inspection; None looks at both ends.
        emit: gets what is tried again meanwhile.
        as_new: as if the target were empty, for looking only.

    Raises:
        SpecInvalid: with everything that was found.
    """
    loaded = api.check_spec(want_spec(path), variables=variables, env=env)
    if loaded.spec is None:
        raise SpecInvalid(loaded.diagnostics)
    if facts is None:
        seen = api.inspect(loaded.spec, emit=emit)
    else:
        seen = codec.read_facts(facts.read_text(encoding="utf-8"), str(facts))
    if as_new:
        seen = replace(seen, target=replace(seen.target, collections=()))
    plan, found = api.compile_plan(loaded.spec, seen)
    if plan is None:
        raise SpecInvalid((*loaded.diagnostics, *found))
    return Compiled(plan, (*loaded.diagnostics, *found))


def planned(plan: Plan, path: str = "") -> Planned:
    """The event that tells a plan's digest and counts."""
    s = plan.summary
    return Planned(
        digest=codec.digest(plan),
        name=plan.name,
        create=s.create,
        change=s.change,
        replace=s.replace,
        rows=s.rows,
        bytes=s.bytes,
        splits=s.splits,
        warnings=s.warnings,
        path=path,
    )


@click.command()
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--out",
    "target",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Save the plan here; - writes it, and nothing else, to stdout.",
)
@click.option(
    "--facts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Facts from `mmc inspect`: plan offline.",
)
@format_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there is something to do.")
@spec_options
@output_options
def command(
    spec: Path,
    target: Path | None,
    facts: Path | None,
    format_: str,
    detailed_exitcode: bool,
    variables: Mapping[str, str],
    env: Mapping[str, str],
    output: Output,
) -> int:
    """Compile SPEC into a plan, show it, and save it with -o."""

    def body(out: Out) -> int:
        try:
            compiled = compile_spec(spec, variables, env, facts, emit=out)
        except SpecInvalid as error:
            if format_ in ("full", "json"):
                raise
            from mmc.views.formats import render

            out.document(render(format_, error.diagnostics, None))
            out(failed(error))
            return error.exit_code
        plan = compiled.plan
        if target == Path("-"):
            report(out, compiled.diagnostics)
            out.document(codec.write_plan(plan))
            return 2 if detailed_exitcode else 0
        if target is not None:
            api.write_plan(plan, target)
        if format_ in ("full", "json"):
            report(out, compiled.diagnostics)
            out.plan(plan, codec.digest(plan), str(target or ""))
        else:
            from mmc.views.formats import render

            out.document(render(format_, compiled.diagnostics, plan))
            out.drawn(codec.digest(plan))
        out(planned(plan, str(target or "")))
        return 2 if detailed_exitcode else 0

    return framed("plan", replace(output, json=output.json or format_ == "json"), body)
