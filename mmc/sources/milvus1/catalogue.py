"""What the metadata of a Milvus 1.x server says, as plain rows, wherever they were read from.

Column names and values: `db/meta/MetaTypes.h` and `db/meta/SqliteMetaImpl.cpp` of Milvus 1.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from mmc.diagnostics import Diagnostic


class FileType(IntEnum):
    """`TableFiles.file_type`."""

    NEW = 0
    RAW = 1
    TO_INDEX = 2
    INDEX = 3
    TO_DELETE = 4
    NEW_MERGE = 5
    NEW_INDEX = 6
    BACKUP = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row of `Tables`: a collection, or a partition of the collection `owner_table`.

    Attributes:
        state: 0 is there, 1 was dropped.
        metric_type: 1 L2, 2 IP, 3 HAMMING, 4 JACCARD, 5 TANIMOTO, 6 SUBSTRUCTURE, 7 SUPERSTRUCTURE.
        engine_type: kind of index; 0 when the metadata does not tell (an old tool's meta.json).
        index_params: JSON text.
        flag: bit 1: ids made by the server; bit 2: ids given by the user.
        flush_lsn: log records up to here are in the segments; None when the metadata does not tell.
    """

    id: int
    table_id: str
    state: int
    dimension: int
    metric_type: int
    engine_type: int = 0
    index_params: str = "{}"
    flag: int = 0
    owner_table: str = ""
    partition_tag: str = ""
    version: str = ""
    flush_lsn: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A row of `TableFiles`. `row_count` may be stale: for estimates and warnings only."""

    id: int
    table_id: str
    segment_id: str
    file_type: int
    row_count: int
    file_size: int
    engine_type: int = 0
    file_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All of it. Two are equal when they say the same, wherever they were read from.

    Attributes:
        where: file or URL it was read from, for messages, without a password.
        global_lsn: of `Environment`; 0 when there is none.
        hybrid: collections with rows in `Fields` (attributes that are not vectors).
        problems: what was odd about reading it; they concern all collections.
    """

    where: str = field(compare=False)
    tables: tuple[TableRow, ...]
    files: tuple[FileRow, ...]
    global_lsn: int = 0
    hybrid: frozenset[str] = frozenset()
    problems: tuple[Diagnostic, ...] = field(default=(), compare=False)
