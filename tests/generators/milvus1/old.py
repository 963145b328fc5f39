"""Data directories of versions whose layout is another: a reader says so and stops."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from tests.generators.milvus1.layout import counted

TABLES_0_6 = (
    "id table_id state dimension created_on flag index_file_size engine_type nlist metric_type "
    "owner_table partition_tag version"
)
FILES_0_6 = (
    "id table_id engine_type file_id file_type file_size row_count updated_time created_on date"
)
SNAPSHOT_TABLES = [
    "Collection",
    "CollectionCommit",
    "Partitions",
    "PartitionCommit",
    "Segment",
    "SegmentCommit",
    "SegmentFile",
    "SchemaCommit",
    "Field",
    "FieldCommit",
    "FieldElement",
]


def write_0_6(root: Path) -> Path:
    """No segments: one Faiss file a row of `TableFiles`, `nlist` for the index parameters."""
    folder = root / "db" / "tables" / "words"
    folder.mkdir(parents=True)
    (folder / "1580000000000001000").write_bytes(b"IxFI" + struct.pack("<iq", 4, 0))
    now = 1_580_000_000_000_000
    tables = (1, "words", 0, 4, now, 0, 2**30, 1, 16384, 1, "", "", "0.6.0")
    files = (1, "words", 1, "1580000000000001000", 1, 16, 0, now, now, 1200026)
    return _sqlite(
        root,
        {"Tables": TABLES_0_6.split(), "TableFiles": FILES_0_6.split()},
        {"Tables": tables, "TableFiles": files},
    )


def write_0_11(root: Path) -> Path:
    """The snapshot store: other tables, other folders, files with a long header and a checksum."""
    segment = root / "db" / "collections" / "C_1" / "P_1" / "S_1"
    segment.mkdir(parents=True)
    content = b"Milvus".ljust(6 + 4090, b"\0") + counted(struct.pack("<4f", 1, 2, 3, 4))
    (segment / "F_1").write_bytes(content + struct.pack("<I", crc32c(content)))
    columns = {name: ["id", "status", "created_on"] for name in SNAPSHOT_TABLES}
    columns["Collection"].append("name")
    rows: dict[str, Sequence[int | str]] = dict.fromkeys(SNAPSHOT_TABLES, (1, 2, 0))
    rows["Collection"] = (1, 2, 0, "words")
    return _sqlite(root, columns, rows)


def crc32c(content: bytes) -> int:
    """Castagnoli's checksum, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _sqlite(
    root: Path, columns: Mapping[str, Sequence[str]], rows: Mapping[str, Sequence[int | str]]
) -> Path:
    path = root / "db" / "meta.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        for name, names in columns.items():
            connection.execute(f"CREATE TABLE {name} ({', '.join(names)})")
            marks = ", ".join("?" for _ in names)
            connection.execute(f"INSERT INTO {name} VALUES ({marks})", tuple(rows[name]))
        connection.commit()
    return path
