"""What the author of a source says: how a small data set is made, changed and disturbed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from mmc import registry
from mmc.facts import Extent, SourceCollection
from mmc.plan.model import Split
from mmc.spec.options import Options
from mmc.spi import Sample, Source
from mmc.testing.ability import Case, reveal
from mmc.testing.bench import Bench
from mmc.testing.values import rows_of
from mmc.types import JsonValue


@dataclass(frozen=True, kw_only=True)
class Data:
    """A small data set in the system of a source.

    Attributes:
        options: as a spec has them, without `type`; secrets as `{"secret": "env:NAME"}`.
        tables: collection -> the rows that it has, with the columns of `inspect`, in any order. A
            few dozen rows, in several extents.
        secrets: environment variable -> the secret behind it.
        collections: of the spec, where mmc cannot tell by itself: a key, for one.
    """

    options: Mapping[str, JsonValue]
    tables: Mapping[str, pa.Table]
    secrets: Mapping[str, str] = field(default_factory=dict)
    collections: Sequence[Mapping[str, JsonValue]] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A collection of a data set, as the source tells of it."""

    found: SourceCollection
    expected: pa.Table
    read: Callable[..., list[pa.RecordBatch]]

    @property
    def columns(self) -> list[str]:
        """Those that a plan reads by itself, and those that the data set has besides."""
        names = set(self.expected.column_names)
        return [one.name for one in self.found.fields if not one.on_request or one.name in names]

    def rows(self, *pieces: Extent, batch_rows: int = 1000) -> list[str]:
        """What the source gives for these pieces, in order."""
        return rows_of(self.read(pieces, self.columns, batch_rows), self.columns)


FIXTURES = frozenset({"data", "environment", "fresh", "said", "seen", "source"})


class SourceCase(Case):
    """The part of `SourceSuite` that an author fills in.

    Attributes:
        plan_requests: most requests of the client for the plan of one data set.
        split_requests: most requests for one split that is read in one batch.
        wrong_options: options that each fit alone and not together, with the code of the problem.
    """

    plan_requests: ClassVar[int] = 20
    split_requests: ClassVar[int] = 10
    wrong_options: ClassVar[Sequence[tuple[Mapping[str, JsonValue], str]]] = ()

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for name in FIXTURES & set(vars(cls)):
            if isinstance(vars(cls)[name], FunctionType):
                raise TypeError(f"{cls.__name__}.{name} hides a fixture of the suite: rename it")

    def make(self, folder: Path) -> Data:
        """Makes a data set: `folder` is empty and its own. Called several times: each data set has
        the same rows, and none disturbs another.
        """
        raise NotImplementedError("say how a small data set is made: override `make`")

    def change(self, data: Data) -> None:
        """Changes a value in each collection, and leaves the number of rows as it is."""

    @pytest.fixture(scope="class")
    @classmethod
    def data(
        cls, tmp_path_factory: pytest.TempPathFactory, environment: pytest.MonkeyPatch
    ) -> Data:
        """A data set that no test changes."""
        return cls()._made(tmp_path_factory.mktemp(cls.type), environment)

    @pytest.fixture
    def fresh(self, tmp_path: Path, environment: pytest.MonkeyPatch) -> Data:
        """A data set of one test."""
        folder = tmp_path / "data"
        folder.mkdir()
        return self._made(folder, environment)

    def _made(self, folder: Path, environment: pytest.MonkeyPatch) -> Data:
        data = self.make(folder)
        reveal(data.secrets, environment)
        return data

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> Source:
        """The plug-in, by its entry point."""
        return registry.source(cls.type)

    @pytest.fixture(scope="class")
    @classmethod
    def seen(cls, source: Source, data: Data) -> list[Seen]:
        """Every collection of `data`."""
        return cls().look(source, data)

    def look(self, source: Source, data: Data, sample: Sample | None = None) -> list[Seen]:
        options = self.options(data)
        facts = source.inspect(options, [], sample or Sample())
        found = {one.name: one for one in facts.collections}
        assert set(found) == set(data.tables), (
            f"inspect finds the collections {sorted(found)}, the data set has {sorted(data.tables)}"
        )
        return [
            Seen(one, data.tables[name], _reader(source, options, name))
            for name, one in found.items()
        ]

    def options(self, data: Data) -> Options:
        """The options as a source gets them."""
        return registry.options_of("source", self.endpoint(data))

    def bench(self, folder: Path, data: Data) -> Bench:
        """The source beside the fake target, which takes every type."""
        return Bench(
            folder=folder,
            source={"type": self.type, **data.options},
            target={"type": "kit", "folder": str(folder / "target")},
            collections=data.collections,
        )


def _reader(source: Source, options: Any, name: str) -> Callable[..., list[pa.RecordBatch]]:
    def read(
        pieces: Sequence[Extent], columns: Sequence[str], batch_rows: int
    ) -> list[pa.RecordBatch]:
        return list(source.read(options, name, split_of(pieces), columns, batch_rows))

    return read


def split_of(pieces: Sequence[Extent]) -> Split:
    """A split of these pieces."""
    rows = [piece.rows for piece in pieces]
    known = None if None in rows else sum(count or 0 for count in rows)
    return Split(
        id="00000",
        pieces=tuple(pieces),
        rows=known,
        bytes=sum(piece.bytes for piece in pieces),
    )
