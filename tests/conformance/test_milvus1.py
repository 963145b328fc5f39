"""A Milvus 1.x data folder passes the suite of sources."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from mmc.testing import Ability, Awkward, Client, Data, SourceSuite
from tests.generators.milvus1.writer import Server

DIM = 4


class TestMilvus1(SourceSuite):
    """Segments with deleted rows, in partitions too."""

    type = "milvus1"
    cannot: ClassVar[Mapping[Any, str]] = {
        Ability.FAIL_PASSING: "a file system of this machine has no faults that pass",
        Ability.KEEP_SECRETS: "the metadata is a local file",
        Ability.EVIDENCE: "a row is an id and a vector: there is nothing to infer",
        **dict.fromkeys(
            set(Awkward) - {Awkward.NEGATIVE_ZERO}, "a row of Milvus 1 is an id and a vector"
        ),
    }
    thorough = False
    plan_requests = 40

    def make(self, folder: Path) -> Data:
        return self._write(folder / "server", 0.0)

    def change(self, data: Data) -> None:
        root = Path(str(data.options["data"])).parents[1]
        self._write(root.with_name("new"), 100.0)
        tables = Path("db") / "tables"
        for path in sorted((root.with_name("new") / tables).rglob("*.rv")):
            path.replace(root / tables / path.relative_to(root.with_name("new") / tables))
        shutil.rmtree(root.with_name("new"))

    def _write(self, root: Path, base: float) -> Data:
        server = Server(root)
        words = server.collection("words", DIM)
        other = words.partition("other")
        ids = np.arange(40)
        vectors = np.stack([np.full(40, base), -0.0 * ids, ids, ids / 7], 1).astype("<f4")
        words.segment(ids[:12], vectors[:12], deleted=[3, 11, 0])
        words.segment(ids[12:24], vectors[12:24])
        other.segment(ids[24:], vectors[24:], deleted=[5])
        server.write()
        rows = server.truth()["words"].rows
        flat = np.frombuffer(b"".join(row.vector for row in rows), "<f4")
        table = pa.table(
            {
                "id": pa.array([row.id for row in rows], pa.int64()),
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), DIM),
            }
        )
        return Data(options={"data": str(server.tables[0])}, tables={"words": table})

    def client(self) -> Client:
        return Client(
            owner=os,
            name="pread",
            final=lambda: OSError(errno.EIO, "Input/output error"),
            loses=lambda answer: answer[: len(answer) // 2],
        )
