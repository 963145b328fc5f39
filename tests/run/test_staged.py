"""When staging places are tried: all of them, before the first collection is dropped."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from mmc.plan.ddl import DropCollection
from mmc.plan.model import CopySplits, CreateCollection, ImportFiles, Mode, Staging, Step
from mmc.run.staged import StagedCopies
from mmc.types import Collection
from tests.fakes import schema
from tests.servers.milvus_lite import copy_step


def _steps(name: str, mode: Mode) -> tuple[Step, ...]:
    collection: Collection = replace(schema(), name=name)
    copy = replace(copy_step(collection, "file"), id=f"copy.{name}", staging=Staging("s3://b/x"))
    drop = (DropCollection(f"drop.{name}", name),) if mode is Mode.REPLACE else ()
    return (
        *drop,
        CreateCollection(f"create.{name}", collection, mode, exists=True),
        copy,
        ImportFiles(f"import.{name}", copy.id, name, 1, 100),
    )


def test_every_place_is_tried_and_of_those_that_are_dropped_more_is_asked() -> None:
    modes = {"a": Mode.REPLACE, "b": Mode.APPEND, "c": Mode.REPLACE, "d": Mode.REPLACE}
    steps = [step for name, mode in modes.items() for step in _steps(name, mode)]
    asked: list[tuple[str, bool, str]] = []

    def check(copy: CopySplits, *, dropping: bool, manifest: str) -> None:
        asked.append((copy.collection.name, dropping, manifest))

    source = SimpleNamespace(options={"manifest": "s3://b/x/manifest.json"})
    copies = [step for step in steps if isinstance(step, CopySplits)]
    plan: Any = SimpleNamespace(steps=steps, copies=copies, source=source)
    attempt: Any = SimpleNamespace(plan=plan, call=lambda _, function: function())
    targets: Any = SimpleNamespace(by_route=lambda route: SimpleNamespace(check_staging=check))
    StagedCopies(attempt, targets, SimpleNamespace()).check({"drop.d"})  # type: ignore[arg-type]
    assert asked == [
        ("a", True, "manifest.json"),
        ("b", False, "manifest.json"),
        ("c", True, "manifest.json"),
        ("d", False, "manifest.json"),
    ]
