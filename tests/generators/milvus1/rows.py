"""Rows of the meta database that go with the parts of a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.generators.milvus1.codes import IdFlag
from tests.generators.milvus1.meta import Meta, Row

if TYPE_CHECKING:
    from tests.generators.milvus1.writer import File, Segment, Server, Table


def meta_rows(server: Server) -> Meta:
    environment: list[Row] = []
    if server.global_lsn is not None:
        environment.append({"global_lsn": server.global_lsn})
    tables = [_table_row(table) for table in server.every_table() if not table.purged]
    files = [_file_row(s, file) for s in server.segments() for file in s.files]
    made = {
        "Environment": environment,
        "Tables": sorted(tables, key=lambda row: row["id"]),
        "TableFiles": sorted(files, key=lambda row: row["id"]),
    }
    if server.release >= (0, 9):
        made["Fields"] = [
            {
                "collection_id": c.name,
                "field_name": name,
                "field_type": kind,
                "field_params": "{}",
            }
            for c in server.collections
            for name, kind in c.attributes.items()
        ]
    return Meta(made)


def _table_row(table: Table) -> Row:
    root = table.root
    return {
        "id": table.row_id,
        "table_id": table.table_id,
        "state": table.state,
        "dimension": root.dim,
        "created_on": table.created,
        "flag": root.flag if table is root else IdFlag.NOTHING,
        "index_file_size": root.file_mib * 2**20,
        "engine_type": root.engine,
        "index_params": json.dumps(root.params, separators=(",", ":")),
        "metric_type": root.metric,
        "owner_table": "" if table is root else root.name,
        "partition_tag": table.label,
        "version": table.server.version,
        "flush_lsn": table.flush_lsn,
    }


def _file_row(segment: Segment, file: File) -> Row:
    day = datetime.fromtimestamp(file.created / 1e6, UTC)
    return {
        "id": file.id,
        "table_id": segment.table.table_id,
        "segment_id": segment.id,
        "engine_type": file.engine,
        "file_id": file.file_id,
        "file_type": file.type,
        "file_size": file.size,
        "row_count": segment.row_count,
        "updated_time": file.created,
        "created_on": file.created,
        "date": (day.year - 1900) * 10_000 + (day.month - 1) * 100 + day.day,
        "flush_lsn": segment.table.flush_lsn,
    }
