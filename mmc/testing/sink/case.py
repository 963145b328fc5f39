"""What the author of a sink says: where an empty target is, and how it is disturbed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from mmc import registry
from mmc.facts import Capabilities
from mmc.plan.model import CopySplits, CreateCollection, Plan
from mmc.spi import Fence, Sink, unfenced
from mmc.testing.ability import Case, reveal
from mmc.testing.bench import Bench
from mmc.testing.fakes.source import with_role, write_rows
from mmc.testing.source.case import Data
from mmc.testing.values import awkward_columns
from mmc.types import JsonValue

DIM = 4


@dataclass(frozen=True, kw_only=True)
class Place:
    """A target that may be written to.

    Attributes:
        options: as a spec has them, without `type`; secrets as `{"secret": "env:NAME"}`.
        load: of the spec: a staging place, for one.
        secrets: environment variable -> the secret behind it.
    """

    options: Mapping[str, JsonValue]
    load: Mapping[str, JsonValue] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Fill:
    """A plan that brings rows into a collection of its own, which is not there yet.

    Attributes:
        data: the rows.
    """

    bench: Bench
    data: Data
    plan: Plan

    @property
    def create(self) -> CreateCollection:
        return next(step for step in self.plan.steps if isinstance(step, CreateCollection))

    @property
    def copy(self) -> CopySplits:
        return self.plan.copies[0]


class SinkCase(Case):
    """The part of `SinkSuite` that an author fills in.

    Attributes:
        route: second part of the name in the entry points, `<type>.<route>`.
        stops: applies are stopped at every so many calls: 1 is at each.
    """

    side = "target"
    stops: ClassVar[int] = 1
    route: ClassVar[str] = "insert"

    def make(self, folder: Path) -> Place:
        """Gives a target: `folder` is empty, and of one test. Collections get names of their own,
        so that it may be one server for all tests.
        """
        raise NotImplementedError("say where a target is: override `make`")

    def rows(self, able: Capabilities) -> pa.Table:
        """The rows that are written: awkward values of the types that the target takes. The column
        `id` is the key.
        """
        copies = 4
        count = copies * 6
        made = [with_role("id", pa.array(range(count), pa.int64()), key="1")]
        for name, array in awkward_columns().items():
            column = pa.concat_arrays([array] * copies)
            if not able.nullable or (name == "items" and not able.nullable_arrays):
                column = column.fill_null(_FILL[name])
            if name != "items" or "array" in able.types:
                made.append(with_role(name, column))
        floats = pa.array([float(n) / 7 for n in range(count * DIM)], pa.float32())
        vectors = pa.FixedSizeListArray.from_arrays(floats, DIM)
        made.append(with_role("vector", vectors, vector=f"float_vector({DIM})"))
        return pa.table([array for _, array in made], schema=pa.schema([one for one, _ in made]))

    @pytest.fixture
    def data(self, tmp_path: Path, environment: pytest.MonkeyPatch) -> Place:
        """The target of one test."""
        folder = tmp_path / "place"
        folder.mkdir()
        place = self.make(folder)
        reveal(place.secrets, environment)
        return place

    @pytest.fixture
    def sink(self) -> Sink:
        return registry.sink(self.type, self.route)

    @pytest.fixture
    def fill(self, tmp_path: Path, data: Place) -> Fill:
        return self.fill_in(tmp_path / "fill", data)

    def bench(self, folder: Path, data: Place) -> Bench:
        return self._prepared(folder, data)[0]

    def fill_in(self, folder: Path, data: Place, *, batches: int = 7) -> Fill:
        bench, rows = self._prepared(folder, data)
        splits = 3 if self.thorough else 2
        return Fill(bench=bench, data=rows, plan=bench.plan(splits=splits, batches=batches))

    def _prepared(self, folder: Path, data: Place) -> tuple[Bench, Data]:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"kit_{uuid.uuid4().hex[:10]}"
        options = registry.options_of("target", self.endpoint(data))
        able = registry.sink(self.type, self.route).inspect(options, [name]).capabilities
        table = self.rows(able)
        path = folder / f"{name}.arrow"
        write_rows(path, table)
        bench = Bench(
            folder=folder,
            source={"type": "kit", "path": str(path)},
            target={"type": self.type, **data.options},
            load=data.load,
        )
        return bench, Data(options={"path": str(path)}, tables={name: table})

    def opened(self, sink: Sink, fill: Fill, fence: Fence = unfenced) -> Any:
        """The target of a fill, open."""
        return sink.open(registry.options_of("target", fill.plan.target), fence)


_FILL: Mapping[str, Any] = {
    "number": 3,
    "real": 0.25,
    "text": "",
    "items": pa.scalar([], pa.list_(pa.int64())),
}
