"""A source and a target in a folder with a State of its own: what a person does with a spec, as
calls of `mmc.api`. Waits between two attempts of one call are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from mmc import api
from mmc.compile.splits import split_extents
from mmc.errors import SpecInvalid
from mmc.events import Event
from mmc.facts import Extent, SourceFacts, TargetFacts
from mmc.plan.model import CopySplits, ExecutorKind, Plan, Write
from mmc.registry import MODELS
from mmc.report.report import Report
from mmc.run import pace
from mmc.run.inspect import inspect_source, inspect_target, route_of
from mmc.spec.load import Spec
from mmc.spi import Sample
from mmc.types import JsonValue


@dataclass(kw_only=True)
class Bench:
    """A spec that is planned and applied.

    Attributes:
        source, target: the endpoints as in a spec, with their `type`.
        collections, load: of the spec.
        events: those of all applies.
    """

    folder: Path
    source: Mapping[str, JsonValue]
    target: Mapping[str, JsonValue]
    collections: Sequence[Mapping[str, JsonValue]] = ()
    load: Mapping[str, JsonValue] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def spec(self) -> Spec:
        """Raises SpecInvalid."""
        said: dict[str, Any] = {
            "version": 1,
            "name": "kit",
            "source": dict(self.source),
            "target": dict(self.target),
            "load": dict(self.load),
            "rows": {"on_error": "quarantine", "max_errors": None},
        }
        if self.collections:
            said["collections"] = [dict(one) for one in self.collections]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "spec.yaml"
        path.write_text(json.dumps(said), encoding="utf-8")  # JSON is YAML
        return api.load_spec(path, env={})

    def source_facts(self, *names: str, sample: Sample | None = None) -> SourceFacts:
        return inspect_source(self.spec().source, names, sample or Sample())

    def target_facts(self, plan: Plan) -> TargetFacts:
        names = [copy.collection.name for copy in plan.copies]
        return inspect_target(plan.target, route_of(plan), names)

    def plan(self, *, splits: int = 3, batches: int = 7, workers: int = 1) -> Plan:
        """The plan of the spec, cut into some splits and small batches: decisions that stand in a
        plan may be others.

        Args:
            batches: how many there are in all, about.
        """
        spec = self.spec()
        plan, diagnostics = api.compile_plan(spec, api.inspect(spec))
        if plan is None:
            raise SpecInvalid(diagnostics)
        steps = tuple(
            _cut(step, splits, batches) if isinstance(step, CopySplits) else step
            for step in plan.steps
        )
        count = sum(len(step.splits) for step in steps if isinstance(step, CopySplits))
        executor = ExecutorKind.PROCESSES if workers > 1 else plan.executor
        made = replace(
            plan,
            steps=steps,
            workers=workers,
            executor=executor,
            summary=replace(plan.summary, splits=count),
        )
        api.write_plan(made, self.folder / "plan.json")
        return api.read_plan(self.folder / "plan.json")

    @property
    def state(self) -> str:
        return f"sqlite:///{self.folder}/state.db"

    def apply(self, plan: Plan) -> Report:
        """Raises what an apply raises."""
        with no_waits():
            return api.apply_plan(
                plan, state=self.state, emit=self.events.append, directory=self.folder / "mmc"
            )


def _cut(step: CopySplits, splits: int, batches: int) -> CopySplits:
    extents = _whole(step)
    rows = sum(extent.rows or 0 for extent in extents) or 1
    wanted = max(1, -(-sum(extent.bytes for extent in extents) // splits))
    if step.write is not Write.IN_PLACE:
        step = replace(step, splits=split_extents(extents, wanted, None))
    most = min(step.batches.rows, max(1, rows // batches))
    return replace(step, batches=replace(step.batches, rows=most))


def _whole(step: CopySplits) -> tuple[Extent, ...]:
    return tuple(piece for split in step.splits for piece in split.pieces)


@contextmanager
def no_waits() -> Iterator[None]:
    """Tries again at once what is tried again."""

    def at_once(seconds: float, should_stop: Callable[[], bool], sleep: object) -> bool:
        return not should_stop()

    with mock.patch.object(pace, "wait", at_once):
        yield


def secret_fields(kind: str, type_: str) -> bool:
    """Whether the options of a plug-in have a place for a secret."""
    model = MODELS.model("source" if kind == "source" else "target", type_)
    return model is not None and '"Secret"' in json.dumps(model.model_json_schema())
