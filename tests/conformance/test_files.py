"""Each format of files passes the suite of sources."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmc.testing import Ability, Awkward, Client, Data, SourceSuite
from tests.conformance.tables import awkward, changed, replace_file, vectors

PASSING = "a file system of this machine has no faults that pass"
NO_SECRET = "local files need none"
NUMBERS_ONLY = "the format holds numbers"
NO_TEXTS = dict.fromkeys(
    (Awkward.NULL, Awkward.EMPTY_TEXT, Awkward.UNICODE, Awkward.LONG_TEXT), NUMBERS_ONLY
)


class Files(SourceSuite):
    """A folder of files of one format, named `rows`."""

    type = "files"
    cannot: ClassVar[Mapping[Any, str]] = {
        Ability.FAIL_PASSING: PASSING,
        Ability.KEEP_SECRETS: NO_SECRET,
    }
    thorough = False
    plan_requests = 40
    wrong_options = (({"manifest": "out/manifest.json"}, "MMC240"),)
    suffix: ClassVar[str] = ""

    def table(self, first: int) -> pa.Table:
        return awkward(2, first=first)

    def write(self, path: Path, table: pa.Table) -> None:
        raise NotImplementedError

    def make(self, folder: Path) -> Data:
        rows = folder / "rows"
        rows.mkdir()
        parts = [self.table(first) for first in (0, 12, 24)]
        for number, part in enumerate(parts):
            self.write(rows / f"{number}.{self.suffix}", part)
        return Data(
            options={"path": str(rows)}, tables={"rows": self.as_read(pa.concat_tables(parts))}
        )

    def as_read(self, table: pa.Table) -> pa.Table:
        """What the source makes of it."""
        return table

    def change(self, data: Data) -> None:
        for number, first in enumerate((0, 12, 24)):
            path = Path(str(data.options["path"])) / f"{number}.{self.suffix}"
            table = self.other(self.table(first))
            replace_file(path, lambda new, table=table: self.write(new, table))

    def other(self, table: pa.Table) -> pa.Table:
        return changed(table)

    def client(self) -> Client:
        return Client(
            owner=os,
            name="pread",
            final=lambda: OSError(errno.EIO, "Input/output error"),
            loses=lambda answer: answer[: len(answer) // 2],
        )


class TestParquet(Files):
    suffix = "parquet"

    def write(self, path: Path, table: pa.Table) -> None:
        pq.write_table(table, path, row_group_size=5)

    def client(self) -> Client:
        return Client(
            owner=pq.ParquetFile,
            name="iter_batches",
            final=lambda: OSError(errno.EIO, "Input/output error"),
            loses=lambda batches: list(batches)[:-1],
        )


class TestJsonLines(Files):
    suffix = "jsonl"
    cannot: ClassVar[Mapping[Any, str]] = {**Files.cannot, Awkward.NAN: "JSON has no NaN"}

    def table(self, first: int) -> pa.Table:
        table = awkward(2, first=first)
        real = [None if x is None or math.isnan(x) else x for x in table["real"].to_pylist()]
        return table.set_column(2, "real", pa.array(real, pa.float64()))

    def write(self, path: Path, table: pa.Table) -> None:
        lines = (json.dumps(row, ensure_ascii=False) for row in table.to_pylist())
        path.write_text("\n".join(lines), encoding="utf-8")


class TestCsv(TestJsonLines):
    suffix = "csv"
    cannot: ClassVar[Mapping[Any, str]] = {
        **Files.cannot,
        Awkward.NAN: "a column with the text nan is one of texts",
        Awkward.EMPTY_LIST: "a field of CSV is one value",
    }

    def table(self, first: int) -> pa.Table:
        return super().table(first).select(["id", "number", "real", "text"])

    def write(self, path: Path, table: pa.Table) -> None:
        def field(value: Any) -> str:
            match value:
                case None:
                    return ""
                case str():
                    return '"' + value.replace('"', '""') + '"'
                case _:
                    return repr(value)

        lines = [",".join(table.schema.names)]
        lines += [",".join(map(field, row.values())) for row in table.to_pylist()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class Arrays(Files):
    """Formats of vectors alone; a row has the number that it has in all files."""

    cannot: ClassVar[Mapping[Any, str]] = {
        **Files.cannot,
        **NO_TEXTS,
        Awkward.INT64_BOUNDS: "there is one column, of vectors",
        Awkward.EMPTY_LIST: "a vector has its dimension",
        Awkward.NAN: "a vector with NaN is a bad row",
    }
    column: ClassVar[str] = "vector"

    def table(self, first: int) -> pa.Table:
        floats = np.arange(48, dtype=np.float32) + first
        floats[5] = -0.0
        array = pa.FixedSizeListArray.from_arrays(pa.array(floats), 4)
        return pa.table({self.column: array})

    def other(self, table: pa.Table) -> pa.Table:
        return pa.table({self.column: vectors(len(table), 500)})

    def as_read(self, table: pa.Table) -> pa.Table:
        return table.add_column(0, "id", pa.array(range(len(table)), pa.int64()))

    def matrix(self, table: pa.Table) -> np.ndarray[Any, Any]:
        return np.array(table[self.column].to_pylist(), np.float32)


class TestFvecs(Arrays):
    suffix = "fvecs"

    def write(self, path: Path, table: pa.Table) -> None:
        dims = np.full((len(table), 1), 4, "<i4").view("<f4")
        np.hstack([dims, self.matrix(table)]).astype("<f4").tofile(path)


class TestNpy(Arrays):
    suffix = "npy"

    def make(self, folder: Path) -> Data:
        """One file is one column."""
        table = pa.concat_tables([self.table(first) for first in (0, 12, 24)])
        self.write(folder / "rows.npy", table)
        options = {"path": str(folder / "rows.npy")}
        return Data(options=options, tables={"rows": self.as_read(table)})

    def change(self, data: Data) -> None:
        path, table = Path(str(data.options["path"])), self.other(data.tables["rows"])
        replace_file(path, lambda new: self.write(new, table))

    def write(self, path: Path, table: pa.Table) -> None:
        np.save(path, self.matrix(table))


class TestHdf5(TestNpy):
    cannot: ClassVar[Mapping[Any, str]] = {
        **Arrays.cannot,
        Ability.LOSE: "HDF5 reads its file by itself",
    }

    def client(self) -> Client:
        return Client(owner=h5py, name="File", final=lambda: OSError(errno.EIO, "no"))

    def make(self, folder: Path) -> Data:
        data = super().make(folder)
        return Data(options={**data.options, "path": self.path(folder)}, tables=data.tables)

    def path(self, folder: Path) -> str:
        (folder / "rows.npy").rename(folder / "rows.h5")
        return str(folder / "rows.h5")

    def write(self, path: Path, table: pa.Table) -> None:
        with h5py.File(path, "w") as file:
            file["vector"] = self.matrix(table)
