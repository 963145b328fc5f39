"""Faiss indexes with a side file pass the suite of sources."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmc.testing import Ability, Client, Data, SourceSuite
from tests.conformance.tables import awkward, replace_file
from tests.sources.faiss.build import factory, save, vectors

ROWS, D = 48, 8
IDS = np.arange(ROWS) * 3 - 7


class TestFaiss(SourceSuite):
    """Vectors in inverted lists, payload beside them."""

    type = "faiss"
    cannot: ClassVar[Mapping[Any, str]] = {
        Ability.FAIL_PASSING: "a file system of this machine has no faults that pass",
        Ability.KEEP_SECRETS: "local files need none",
    }
    thorough = False
    kind: ClassVar[str] = "IVF4,Flat"
    seed: ClassVar[int] = 1

    def make(self, folder: Path) -> Data:
        found = vectors(ROWS, D, self.seed)
        save(factory(self.kind, found, ids=IDS), folder / "a.index")
        payload = awkward(ROWS // 6).drop_columns(["id", "vector"])
        side = payload.add_column(0, "key", pa.array(IDS))
        pq.write_table(side, folder / "side.parquet")
        flat = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), D)
        table = payload.add_column(0, "id", pa.array(IDS)).add_column(1, "vector", flat)
        return Data(
            options={
                "path": str(folder / "a.index"),
                "join": {"path": str(folder / "side.parquet"), "key": "key"},
            },
            tables={"a": table},
        )

    def change(self, data: Data) -> None:
        path, index = (
            Path(str(data.options["path"])),
            factory(self.kind, vectors(ROWS, D, self.seed + 1), ids=IDS),
        )
        replace_file(path, lambda new: save(index, new))

    def client(self) -> Client:
        return Client(
            owner=os,
            name="pread",
            final=lambda: OSError(errno.EIO, "Input/output error"),
            loses=lambda answer: answer[: len(answer) // 2],
        )


class TestFlat(TestFaiss):
    """Rows of an index without lists."""

    kind = "IDMap,Flat"
