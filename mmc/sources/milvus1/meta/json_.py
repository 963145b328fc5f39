"""meta.json <-> Catalogue: metadata as a file, for where the database is out of reach.

The format is that of zilliztech/milvus-migration (`core/type/milvustype/type.go`), so that it reads
ours, with one key more: `mmc`, which holds everything. Theirs knows neither partitions nor indexes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from mmc.errors import SourceError
from mmc.sources.milvus1.catalogue import Catalogue, FileRow, FileType, TableRow
from mmc.sources.milvus1.live import LiveCollection

FORMAT: Final = 1
"""Version in the `mmc` key. A newer one is refused."""


def write_meta_json(catalogue: Catalogue, live: Sequence[LiveCollection]) -> str:
    """The catalogue as text.

    Their keys list what is live, a partition as a collection of its own under its number, as their
    export does. `rows` are those of the metadata, 0 where its rows disagree.
    """
    collections = [entry for collection in live for entry in _entries(collection)]
    document = {
        "collections": collections,
        "rows": sum(entry["rows"] for entry in collections),
        "mmc": {
            "format": FORMAT,
            "global_lsn": catalogue.global_lsn,
            "hybrid": sorted(catalogue.hybrid),
            "tables": [asdict(row) for row in catalogue.tables],
            "files": [asdict(row) for row in catalogue.files],
        },
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _entries(collection: LiveCollection) -> Iterable[dict[str, Any]]:
    for partition in collection.partitions:
        segments: list[dict[str, Any]] = [
            {
                "collection": partition.table_id,
                "segment": segment.segment_id,
                "dim": collection.dimension,
                "rows": segment.row_count or 0,
                "fileSize": segment.file_size,
            }
            for segment in partition.segments
        ]
        if segments:
            yield {
                "collection": partition.table_id,
                "metric": collection.metric_type,
                "rows": sum(segment["rows"] for segment in segments),
                "dim": collection.dimension,
                "segments": segments,
            }


def read_meta_json(text: str, where: str) -> Catalogue:
    """A catalogue from ours or theirs.

    From theirs, `flush_lsn` is None, `engine_type` 0, and a partition is a collection with a number
    for a name.

    Args:
        text: of the file.
        where: its place, for messages.

    Raises:
        SourceError: MMC424, with the place in the JSON.
    """
    try:
        data = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{where}:{error.lineno}:{error.colno}: is not JSON: {error.msg}",
            hint="write it again:  mmc export-meta META -o meta.json",
            code="MMC424",
        ) from None
    except RecursionError:
        raise _malformed(where, "", "is nested too deep") from None
    document = _Node(data, where, "")
    if document.has("mmc"):
        return _read_ours(document["mmc"], where)
    if document.has("indexs") and not document.has("collections"):
        raise _malformed(where, "", "describes Elasticsearch indexes, not Milvus 1.x collections")
    return _read_theirs(document, where)


def _read_ours(node: _Node, where: str) -> Catalogue:
    number = node["format"].number()
    if number != FORMAT:
        raise SourceError(
            f"{where}: `mmc.format` is {number}; this mmc reads {FORMAT}",
            hint="use the mmc that wrote it, or write it again:  mmc export-meta META -o meta.json",
            code="MMC424",
        )
    return Catalogue(
        where=where,
        tables=tuple(TableRow(**_values(row, TableRow)) for row in node["tables"].items()),
        files=tuple(FileRow(**_values(row, FileRow)) for row in node["files"].items()),
        global_lsn=node["global_lsn"].number(),
        hybrid=frozenset(name.text() for name in node["hybrid"].items()),
    )


def _values(node: _Node, row: type[TableRow] | type[FileRow]) -> dict[str, Any]:
    """One value a field of the row, each of the field's kind."""
    values: dict[str, Any] = {}
    for field in fields(row):
        value = node[field.name]
        if field.type == "str":
            values[field.name] = value.text()
        elif field.type == "int | None" and value.value is None:
            values[field.name] = None
        else:
            values[field.name] = value.number()
    return values


def _read_theirs(document: _Node, where: str) -> Catalogue:
    tables: list[TableRow] = []
    files: list[FileRow] = []
    for number, entry in enumerate(document["collections"].items(), 1):
        name, dimension = entry["collection"].text(), entry["dim"].number()
        tables.append(
            TableRow(
                id=number,
                table_id=name,
                state=0,
                dimension=dimension,
                metric_type=entry["metric"].number(),
            )
        )
        for segment in entry["segments"].items():
            _must_be_equal(segment, "collection", name)
            _must_be_equal(segment, "dim", dimension)
            size = segment["fileSize"].number() if segment.has("fileSize") else 0
            files.append(
                FileRow(
                    id=len(files) + 1,
                    table_id=name,
                    segment_id=segment["segment"].text(),
                    file_type=int(FileType.RAW),
                    row_count=segment["rows"].number(),
                    file_size=size,
                )
            )
    return Catalogue(where=where, tables=tuple(tables), files=tuple(files))


def _must_be_equal(segment: _Node, key: str, wanted: str | int) -> None:
    if segment.has(key) and segment[key].value != wanted:
        raise segment[key].wrong(f"is not that of its collection, {wanted!r}")


class _Node:
    """A value of the document, and its place, such as `collections[0].dim`."""

    def __init__(self, value: object, where: str, place: str) -> None:
        self.value = value
        self.where = where
        self.place = place

    def has(self, key: str) -> bool:
        if not isinstance(self.value, dict):
            raise self.wrong("is not an object")
        return key in self.value

    def __getitem__(self, key: str) -> _Node:
        if not self.has(key):
            raise self.wrong(f"has no `{key}`")
        assert isinstance(self.value, dict)
        return _Node(self.value[key], self.where, f"{self.place}.{key}" if self.place else key)

    def items(self) -> Iterator[_Node]:
        """The items of a list; Go writes an empty one as null."""
        if self.value is not None and not isinstance(self.value, list):
            raise self.wrong("is not a list")
        for number, value in enumerate(self.value or ()):
            yield _Node(value, self.where, f"{self.place}[{number}]")

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.wrong("is not text")
        try:
            self.value.encode()
        except UnicodeEncodeError:
            raise self.wrong("has half of a surrogate pair") from None
        return self.value

    def number(self) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.wrong("is not a whole number")
        return self.value

    def wrong(self, what: str) -> SourceError:
        return _malformed(self.where, self.place, what)


def _malformed(where: str, place: str, what: str) -> SourceError:
    return SourceError(
        f"{where}: {f'`{place}`' if place else 'the document'} {what}",
        hint="write it again:  mmc export-meta META -o meta.json",
        code="MMC424",
    )
