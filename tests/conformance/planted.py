"""Sources with one fault each, and the suite over each of them: run by `test_planted`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from mmc.errors import MmcError
from mmc.facts import SourceCollection, SourceFacts
from mmc.plan.model import Split
from mmc.spi import Options, Origin, Sample, Secret, resolve, with_origin
from mmc.testing import Ability, Client, Data, SourceSuite
from mmc.testing.fakes.options import KitSourceOptions
from mmc.testing.fakes.source import EXTENT_ROWS, KitSource, write_rows
from mmc.testing.installed import FAKES
from tests.conformance.tables import awkward, changed, replace_file
from tests.conformance.test_fakes import with_roles


class SecretOptions(Options):
    """Rows of one Arrow file, behind a token."""

    type: Literal["kit"]
    path: str
    """The file."""
    token: Secret | None = None
    """Opens it."""

    @property
    def shown_places(self) -> tuple[str, ...]:
        return (self.path,)


class Planted(KitSource):
    """A source whose batches or facts are spoilt."""

    def inspect(self, options: Any, collections: Sequence[str], sample: Sample) -> SourceFacts:
        resolve(options.token)
        facts = super().inspect(options, collections, sample)
        return replace(facts, collections=tuple(map(self.told, facts.collections)))

    def told(self, found: SourceCollection) -> SourceCollection:
        return found

    def read(
        self,
        options: KitSourceOptions,
        collection: str,
        split: Split,
        columns: Sequence[str],
        batch_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        batches = super().read(options, collection, split, columns, batch_rows)
        yield from self.given(batches)

    def given(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from batches


class LosesAPage(Planted):
    def given(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches):
            if number != 1:
                yield batch


class DoublesARow(Planted):
    def given(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        last = None
        for batch in batches:
            yield batch if last is None else _joined(last, batch)
            last = batch.slice(batch.num_rows - 1)


def _joined(first: pa.RecordBatch, second: pa.RecordBatch) -> pa.RecordBatch:
    whole = pa.Table.from_batches([first.replace_schema_metadata(second.schema.metadata), second])
    return whole.combine_chunks().to_batches()[0]


class ChangesTypes(Planted):
    def given(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches):
            place = batch.schema.get_field_index("text")
            if number and place >= 0:
                field = pa.field("text", pa.large_string())
                batch = batch.set_column(place, field, batch["text"].cast(pa.large_string()))
            yield batch


class RederivesBounds(Planted):
    """Reads the extent in which a piece begins, as it would cut it today."""

    def read(self, options: Any, collection: str, split: Split, *args: Any) -> Any:
        pieces = []
        for piece in split.pieces:
            start = piece.start // EXTENT_ROWS * EXTENT_ROWS
            pieces.append(replace(piece, start=start, stop=start + EXTENT_ROWS))
        yield from super().read(options, collection, replace(split, pieces=tuple(pieces)), *args)


class IgnoresBatchRows(Planted):
    def read(
        self, options: Any, collection: str, split: Split, columns: Any, batch_rows: int
    ) -> Any:
        yield from super().read(options, collection, split, columns, 1 << 20)


class IgnoresColumns(Planted):
    def read(
        self, options: Any, collection: str, split: Split, columns: Any, batch_rows: int
    ) -> Any:
        names = [name for name in self._file(options.path)[0].schema.names if name in columns]
        yield from super().read(options, collection, split, names, batch_rows)


class IgnoresTheFingerprint(Planted):
    """Reads whatever is there now."""

    def read(
        self, options: Any, collection: str, split: Split, columns: Any, batch_rows: int
    ) -> Any:
        for piece in split.pieces:
            rows = self._file(options.path)[0].select(columns)
            some = rows.slice(piece.start, piece.stop - piece.start).combine_chunks()
            for batch in some.to_batches(max_chunksize=batch_rows):
                yield with_origin(batch, Origin(options.path, piece.start))


class SeesNoChange(IgnoresTheFingerprint):
    def told(self, found: SourceCollection) -> SourceCollection:
        same = tuple((name, "same") for name, _ in found.fingerprint)
        extents = tuple(
            replace(extent, locator=(("fingerprint", "same"), *extent.locator[1:]))
            for extent in found.extents
        )
        return replace(found, fingerprint=same, extents=extents)


class KeepsState(Planted):
    """Its place in the file is its own, not that of the read."""

    def __init__(self) -> None:
        self.file = ""

    def inspect(self, options: Any, collections: Sequence[str], sample: Sample) -> SourceFacts:
        self.file = options.path
        return super().inspect(options, collections, sample)

    def read(self, options: Any, *args: Any) -> Any:
        path = self.file or options.path
        yield from super().read(options.model_copy(update={"path": path}), *args)


class CountsWrong(Planted):
    def told(self, found: SourceCollection) -> SourceCollection:
        first, *rest = found.extents
        return replace(found, extents=(replace(first, rows=(first.rows or 0) + 1), *rest))


class SwallowsErrors(Planted):
    def read(self, *args: Any) -> Any:
        try:
            yield from super().read(*args)
        except MmcError:
            return

    def told(self, found: SourceCollection) -> SourceCollection:
        unknown = tuple(replace(extent, rows=None) for extent in found.extents)
        return replace(found, extents=unknown, rows=None)


class LetsErrorsThrough(Planted):
    def _file(self, path: str) -> Any:
        content = Path(path).read_bytes()
        return super()._file(path) if content else None


class ShowsNoEvidence(Planted):
    def told(self, found: SourceCollection) -> SourceCollection:
        fields = tuple(replace(field, evidence=type(field.evidence)()) for field in found.fields)
        return replace(found, fields=fields)


class LeaksASecret(Planted):
    def inspect(self, options: Any, collections: Sequence[str], sample: Sample) -> SourceFacts:
        facts = super().inspect(options, collections, sample)
        (found,) = facts.collections
        note = f"signed in with {resolve(options.token)}"
        return replace(facts, collections=(replace(found, notes=(note,)),))


class Suite(SourceSuite):
    """The suite over the fake source, or over one of these in its place."""

    type = "kit"
    cannot: ClassVar[Mapping[Any, str]] = {
        Ability.LOSE: "a file without its end is no Arrow file",
        Ability.FAIL_PASSING: "what a file says stays said",
    }
    thorough = False
    plant: ClassVar[type[KitSource]] = KitSource

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        place = f"{cls.plant.__module__}:{cls.plant.__name__}"
        options = {**FAKES["mmc.options"], "source.kit": f"{__name__}:SecretOptions"}
        cls.fakes = {**FAKES, "mmc.sources": {"kit": place}, "mmc.options": options}

    def make(self, folder: Path) -> Data:
        table = with_roles(awkward())
        write_rows(folder / "rows.arrow", table)
        return Data(
            options={"path": str(folder / "rows.arrow"), "token": {"secret": "env:KIT_TOKEN"}},
            tables={"rows": table},
            secrets={"KIT_TOKEN": "hunter2-hunter2"},
        )

    def change(self, data: Data) -> None:
        table = changed(data.tables["rows"])
        replace_file(Path(str(data.options["path"])), lambda path: write_rows(path, table))

    def client(self) -> Client:
        return Client(owner=Path, name="read_bytes", final=lambda: PermissionError(13, "no"))


def suite_of(source: type[KitSource]) -> type[Suite]:
    return type(f"Test{source.__name__}", (Suite,), {"plant": source, "__module__": __name__})


SOURCES = (
    ChangesTypes,
    CountsWrong,
    DoublesARow,
    IgnoresBatchRows,
    IgnoresColumns,
    IgnoresTheFingerprint,
    KeepsState,
    LeaksASecret,
    LetsErrorsThrough,
    LosesAPage,
    RederivesBounds,
    SeesNoChange,
    ShowsNoEvidence,
    SwallowsErrors,
)
for _source in (*SOURCES, Planted):
    globals()[f"Test{_source.__name__}"] = suite_of(_source)
