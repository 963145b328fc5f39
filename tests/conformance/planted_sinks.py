"""Targets with one fault each, and the suite over each of them: run by `test_planted`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from mmc.plan.model import CopySplits, CreateCollection, Split
from mmc.spi import ALONE, Claim, Fence, unfenced
from mmc.testing import Ability, Place, SinkSuite
from mmc.testing.fakes.options import KitTargetOptions
from mmc.testing.fakes.target import KitSink, KitTarget, KitWriter
from mmc.testing.installed import FAKES
from mmc.types import Collection


class PlantedTarget(KitSink):
    """A target that is spoilt."""

    target: ClassVar[type[KitTarget]] = KitTarget
    fenced: ClassVar[bool] = True

    @contextmanager
    def open(self, options: KitTargetOptions, fence: Fence = unfenced) -> Iterator[KitTarget]:
        with super().open(options, fence):
            path = Path(options.folder) / "target.db"
            yield self.target(path, fence if self.fenced else unfenced)


class IgnoresTheFence(PlantedTarget):
    fenced = False


class _Forgetful(KitWriter):
    batches = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self.batches += 1
        if self.batches != 2:
            super().write(batch)


class LosesABatch(PlantedTarget):
    class target(KitTarget):  # noqa: N801
        def writer(self, step: CopySplits, split: Split, *, replay: bool) -> KitWriter:
            return _Forgetful(self, step, split, upsert=replay)


class DoublesAtReplay(PlantedTarget):
    class target(KitTarget):  # noqa: N801
        def writer(self, step: CopySplits, split: Split, *, replay: bool) -> KitWriter:
            return super().writer(step, split, replay=False)


class TakesWhatIsThere(PlantedTarget):
    class target(KitTarget):  # noqa: N801
        def ensure(self, step: CreateCollection, claim: Claim = ALONE) -> Mapping[str, str]:
            there = self.described(step.collection.name)
            return {} if there is not None else super().ensure(step, claim)


class RefusesItsOwn(PlantedTarget):
    class target(KitTarget):  # noqa: N801
        def ensure(self, step: CreateCollection, claim: Claim = ALONE) -> Mapping[str, str]:
            return super().ensure(step, Claim(claim.run, begun=False))


class GivesOtherTypes(PlantedTarget):
    class target(KitTarget):  # noqa: N801
        def read_back(
            self,
            collection: Collection,
            columns: Sequence[str],
            keys: pa.Array | None,
            batch_rows: int,
        ) -> Iterator[pa.RecordBatch]:
            for batch in super().read_back(collection, columns, keys, batch_rows):
                if "text" not in columns:
                    yield batch
                    continue
                place = batch.schema.get_field_index("text")
                wide = pa.field("text", pa.large_string())
                yield batch.set_column(place, wide, batch["text"].cast(wide.type))


class CannotDropTwice(PlantedTarget):
    class target(KitTarget):  # noqa: N801
        def drop_collection(self, step: Any) -> None:
            assert self.described(step.collection) is not None
            super().drop_collection(step)


class TargetCase(SinkSuite):
    """The suite over one of these."""

    type = "kit"
    cannot: ClassVar[Mapping[Any, str]] = {
        Ability.FAIL_PASSING: "SQLite has no call that could be spoilt from outside",
        Ability.FAIL_FINAL: "SQLite has no call that could be spoilt from outside",
    }
    thorough = False
    plant: ClassVar[type[KitSink]] = PlantedTarget

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        place = f"{cls.plant.__module__}:{cls.plant.__name__}"
        cls.fakes = {**FAKES, "mmc.sinks": {"kit.insert": place}}

    def make(self, folder: Path) -> Place:
        return Place(options={"folder": str(folder / "target")})


SINKS = (
    CannotDropTwice,
    DoublesAtReplay,
    GivesOtherTypes,
    IgnoresTheFence,
    LosesABatch,
    RefusesItsOwn,
    TakesWhatIsThere,
)
for _sink in (*SINKS, PlantedTarget):
    globals()[f"Test{_sink.__name__}"] = type(
        f"Test{_sink.__name__}", (TargetCase,), {"plant": _sink, "__module__": __name__}
    )
