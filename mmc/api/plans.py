"""What both ends hold, and the plan that is made of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.errors import SpecInvalid
from mmc.plan import codec
from mmc.saving import save_text
from mmc.spi import Sample

if TYPE_CHECKING:
    import pyarrow as pa

    from mmc.diagnostics import Diagnostic
    from mmc.events import Emit
    from mmc.facts import Facts, SourceCollection
    from mmc.plan.model import Plan
    from mmc.spec.load import Spec


def inspect(spec: Spec, *, emit: Emit | None = None) -> Facts:
    """Looks at both ends of a spec, without writing.

    Args:
        emit: gets what is tried again: an end that is away is waited for, half a minute.

    Raises:
        SourceError, TargetError, SecretError, PluginMissing.
    """
    from mmc.facts import Facts
    from mmc.plan.places import place_of
    from mmc.registry import main_route, routes
    from mmc.run.inspect import reach_source, reach_target

    model = spec.model
    if any(entry.where or any(field.expr for field in entry.fields) for entry in model.collections):
        from mmc.sql import process as sqlprocess

        sqlprocess.warm()  # it starts while the ends are looked at
    wanted = [entry.from_ for entry in model.collections if entry.from_ is not None]
    sample = Sample(model.sample.rows, model.sample.seed)
    tell = emit or silent
    source = reach_source(spec.source, wanted, sample, tell)
    names = _target_names(spec, source.collections)
    target = reach_target(spec.target, main_route(spec.target.type), names, tell)
    bulk = None
    wanted_bulk = model.load.staging is not None and model.load.route != "insert"
    unable = target.capabilities.embedded or target.no_import is not None
    if wanted_bulk and "bulk" in routes(spec.target.type) and not unable:
        bulk = reach_target(spec.target, "bulk", (), tell)
    return Facts(
        source=source,
        target=target,
        bulk=bulk,
        source_of=place_of(spec.source),
        target_of=place_of(spec.target),
    )


def compile_plan(spec: Spec, facts: Facts) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
    """Compiles; pure and deterministic.

    Returns:
        The plan, or None when a diagnostic is an error; and all diagnostics.
    """
    from mmc.compile import compile_plan as compile_

    return compile_(spec, facts)


def make_plan(spec: Spec) -> Plan:
    """Inspects and compiles.

    Raises:
        SpecInvalid: the spec does not fit what was seen; and what `inspect` raises.
    """
    made, diagnostics = compile_plan(spec, inspect(spec))
    if made is None:
        raise SpecInvalid(diagnostics)
    return made


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Reads a plan file. Raises SpecInvalid, OSError."""
    return codec.read_plan(Path(path).read_text(encoding="utf-8"), str(path))


def write_plan(plan: Plan, path: str | os.PathLike[str]) -> None:
    """Writes a plan file, whole or not at all. Raises MmcError."""
    save_text(Path(path), codec.write_plan(plan))


def plan_lines(plan: Plan) -> Sequence[str]:
    """A plan as it is drawn, for a comparison of two."""
    from mmc.plan.tree import plan_lines as lines
    from mmc.registry import target_folder

    return lines(plan, folder=target_folder(plan.target))


def preview(plan: Plan, rows: int = 10) -> Sequence[tuple[str, pa.Table]]:
    """The first rows of each collection after the transform: (collection, table). Writes
    nothing.
    """
    from mmc.run.preview import preview_rows

    return preview_rows(plan, rows)


def _target_names(spec: Spec, collections: Sequence[SourceCollection]) -> list[str]:
    from mmc.compile.resolve import milvus_name

    said = [entry.to for entry in spec.model.collections if entry.to]
    return sorted({*said, *(milvus_name(found.name) for found in collections)})


def silent(event: object) -> None:
    """Takes events that nobody wants."""
