"""Reading rows back: pages in key order, filters with quoted keys. Knows Milvus, not plans.

pymilvus's own iterators and `get` build filters without escaping: keys with quotes, backslashes or
newlines fail, or silently find nothing. Offsets end at 16,384. So: keyset paging of our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from mmc.errors import BatchTooLarge, TargetBusy, TargetError
from mmc.milvus.connect import Connection
from mmc.milvus.decode import decode
from mmc.types import DENSE_VECTORS, Collection, Field, JsonValue, TypeKind

FIRST_INT64 = -(2**63)
LAST_INT64 = 2**63 - 1

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})

KEYWORDS = frozenset(
    {
        *("and", "or", "not", "in", "like", "is", "null", "exists", "true", "false"),
        *("iso", "interval", "array_contains", "json_contains"),
    }
)
"""Words of the filter language: a key with such a name could not be asked for."""


def quote(text: str) -> str:
    r"""A string literal of the filter language. Only \\ \" \n \r \t are escapes in all versions."""
    return f'"{text.translate(_ESCAPES)}"'


def after(key: Field, last: JsonValue) -> str:
    """The filter for keys greater than `last`.

    For integers `>= last + 1`: the smallest int64 itself cannot be written everywhere (its digits
    without the sign overflow), and nothing is after the largest.
    """
    if key.type.kind is TypeKind.VARCHAR:
        return f"{key.name} > {quote(str(last))}"
    assert isinstance(last, int)
    return f"{key.name} >= {last + 1}"


def among(key: Field, keys: Sequence[Any]) -> str:
    """The filter for rows with one of the given keys."""
    if key.type.kind is TypeKind.VARCHAR:
        return f"{key.name} in [{', '.join(quote(one) for one in keys)}]"
    listed = ", ".join(str(one) for one in keys if one != FIRST_INT64)
    parts = [f"{key.name} in [{listed}]"] if listed else []
    if FIRST_INT64 in keys:
        parts.append(f"{key.name} < {FIRST_INT64 + 1}")
    return " or ".join(parts)


def read_all(
    connection: Connection, collection: Collection, columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Every row exactly once, in key order. Raises TargetError."""
    key = collection.primary
    wanted = list(columns) if key.name in columns else [*columns, key.name]
    size = PageSize(connection, collection, columns)
    embedded = connection.dialect.capabilities.embedded
    condition = ""
    last: Any = None
    while True:
        page, asked = size.fetch(
            lambda rows, condition=condition: query(
                connection, collection, wanted, condition, limit=rows
            )
        )
        if page.num_rows:
            before, last = last, page.column(key.name)[page.num_rows - 1].as_py()
            # Each page lies behind the one before it, so there is an end.
            if before is not None and last <= before:
                raise TargetBusy(
                    f"reading {collection.name}: a page does not lie behind the one before it",
                    hint="does a proxy between answer for the server?",
                    code="MMC506",
                )
            yield from _batches(page.select(list(columns)), batch_rows)
            condition = after(key, last)
        # A server stops a page where one of its segments has no more rows: a short page is not the
        # last one. Seen on 2.3.5: 200 of 238 rows, of two partitions.
        ended = page.num_rows < asked if embedded else not page.num_rows
        if ended or last == LAST_INT64:
            return


def read_keys(
    connection: Connection,
    collection: Collection,
    columns: Sequence[str],
    keys: pa.Array,
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    """The rows with the given keys, in any order; keys that are not there are left out."""
    size = PageSize(connection, collection, columns)
    values = keys.to_pylist()
    at = 0
    while at < len(values):
        page, asked = size.fetch(
            lambda rows, at=at: query(
                connection,
                collection,
                columns,
                among(collection.primary, values[at : at + rows]),
            )
        )
        yield from _batches(page, batch_rows)
        at += asked


class PageSize:
    """How many rows to ask for: by the bytes a row was seen to have, halved when it is too much."""

    def __init__(
        self, connection: Connection, collection: Collection, columns: Sequence[str]
    ) -> None:
        self._most_bytes = connection.dialect.page_bytes
        self._most_rows = connection.dialect.page_rows
        fields = [field for field in collection.fields if field.name in columns]
        self._rows = self._fitting(sum(_expected_bytes(field) for field in fields))

    def _fitting(self, row_bytes: float) -> int:
        return int(max(1, min(self._most_rows, self._most_bytes // max(row_bytes, 1))))

    def fetch(self, ask: Any) -> tuple[pa.RecordBatch, int]:
        """Calls `ask(rows)`; gives the page and how many rows were asked for.

        Raises:
            BatchTooLarge: a single row is more than the server sends.
        """
        while True:
            asked = self._rows
            try:
                page = ask(asked)
            except BatchTooLarge as error:
                if asked == 1:
                    raise TargetError(f"one row is too large: {error}", code="MMC509") from None
                self._most_rows = self._rows = asked // 2
                continue
            if page.num_rows:
                self._rows = self._fitting(page.nbytes / page.num_rows)
            return page, asked


def _expected_bytes(field: Field) -> int:
    """Bytes of one value, before any was seen; few for what varies, since most values are short."""
    if field.type.kind in DENSE_VECTORS:
        return field.type.bytes_per_vector
    match field.type.kind:
        case TypeKind.VARCHAR | TypeKind.ARRAY:
            return 128
        case TypeKind.JSON | TypeKind.SPARSE_FLOAT_VECTOR:
            return 512
        case _:
            return 8


def query(
    connection: Connection,
    collection: Collection,
    columns: Sequence[str],
    condition: str,
    limit: int | None = None,
) -> pa.RecordBatch:
    """One page at strong consistency; with a limit, the first rows in key order."""
    from pymilvus.client.prepare import Prepare

    # An iterator's query is the one that every version answers in key order.
    ordered: dict[str, Any] = (
        {} if limit is None else {"limit": limit, "iterator": "True", "reduce_stop_for_best": True}
    )
    request = Prepare.query_request(
        collection.name,
        condition,
        list(columns),
        [],
        use_default_consistency=False,
        consistency_level=0,
        **ordered,
    )
    answer = connection.call("Query", request)
    return decode(collection, columns, answer.fields_data)


def _batches(page: pa.RecordBatch, batch_rows: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, page.num_rows, batch_rows):
        yield page.slice(start, batch_rows)
