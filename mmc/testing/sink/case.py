"""What the author of a sink says: where an empty target is, and how it is disturbed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from mmc import registry
from mmc.facts import Capabilities
from mmc.plan.model import CopySplits, CreateCollection, Endpoint, Plan
from mmc.spi import Fence, Sink, unfenced
from mmc.testing.ability import Case
from mmc.testing.bench import Bench
from mmc.testing.client import Client
from mmc.testing.fakes.source import with_role, write_rows
from mmc.testing.installed import FAKES, installed
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
class Job:
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
        fakes: entry points of the plug-ins that are registered while the tests of the class run.
    """

    side = "target"
    stops: ClassVar[int] = 1
    route: ClassVar[str] = "insert"
    fakes: ClassVar[Mapping[str, Mapping[str, str]]] = FAKES

    def make(self, folder: Path) -> Place:
        """Gives a target: `folder` is empty, and of one test. Collections get names of their own,
        so that it may be one server for all tests.
        """
        raise NotImplementedError("say where a target is: override `make`")

    def client(self) -> Client:
        """Where the requests of the plug-in go through."""
        raise NotImplementedError

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

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _fakes(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        with installed(tmp_path_factory.mktemp("fakes"), cls.fakes, "mmc-kit-fakes"):
            yield

    @pytest.fixture(scope="class")
    @classmethod
    def environment(cls) -> Iterator[pytest.MonkeyPatch]:
        with pytest.MonkeyPatch.context() as patch:
            yield patch

    @pytest.fixture
    def data(self, tmp_path: Path, environment: pytest.MonkeyPatch) -> Place:
        """The target of one test."""
        folder = tmp_path / "place"
        folder.mkdir()
        place = self.make(folder)
        for name, value in place.secrets.items():
            environment.setenv(name, value)
        return place

    @pytest.fixture
    def sink(self) -> Sink:
        return registry.sink(self.type, self.route)

    @pytest.fixture
    def job(self, tmp_path: Path, data: Place) -> Job:
        return self.job_in(tmp_path / "job", data)

    def bench(self, folder: Path, data: Place) -> Bench:
        return self._job(folder, data)[0]

    def job_in(self, folder: Path, data: Place, *, batches: int = 7) -> Job:
        bench, rows = self._job(folder, data)
        splits = 3 if self.thorough else 2
        return Job(bench=bench, data=rows, plan=bench.plan(splits=splits, batches=batches))

    def _job(self, folder: Path, data: Place) -> tuple[Bench, Data]:
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

    def endpoint(self, data: Place) -> Endpoint:
        return Endpoint(self.type, tuple(sorted(data.options.items())))

    def opened(self, sink: Sink, job: Job, fence: Fence = unfenced) -> Any:
        """The target of a job, open."""
        return sink.open(registry.options_of("target", job.plan.target), fence)


_FILL: Mapping[str, Any] = {
    "number": 3,
    "real": 0.25,
    "text": "",
    "items": pa.scalar([], pa.list_(pa.int64())),
}
