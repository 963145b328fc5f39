"""Files with bytes changed at random: read, or refused with a place. Never a traceback.

The short run has no HDF5 texts of variable length: each try starts a process.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.mutations import refusals
from tests.sources.files.reading import config, look, read

ROWS = 60


def _hdf5(path: Path) -> None:
    chance = np.random.default_rng(3)
    vectors = chance.standard_normal((ROWS, 4)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file["id"] = np.arange(ROWS)
        file["deep/vectors"] = vectors
        file.create_dataset("deep/packed", data=vectors, compression="gzip", chunks=(16, 4))
        file["flag"] = np.arange(ROWS) % 2 == 0
        file["fixed"] = np.array([b"ab%d" % row for row in range(ROWS)])
        file.attrs["distance"] = np.bytes_("angular")


def _hdf5_texts(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["t"] = [f"t\u00e9xt {row}" for row in range(ROWS)]


def _parquet(path: Path) -> None:
    table = pa.table({"id": range(ROWS), "t": [f"t{row}" for row in range(ROWS)]})
    pq.write_table(table, path, row_group_size=20)


def _npy(path: Path) -> None:
    np.save(path, np.arange(ROWS * 4, dtype=np.float32).reshape(ROWS, 4))


def _csv(path: Path) -> None:
    lines = ["id,text,n", *(f'{row},"t\u00e9xt, {row}",{row * 7}' for row in range(ROWS))]
    path.write_text("\n".join(lines), encoding="utf-8")


def _jsonl(path: Path) -> None:
    rows = ({"id": row, "v": [row, 0.5], "o": {"a": "\u00e9"}} for row in range(ROWS))
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def _fvecs(path: Path) -> None:
    path.write_bytes(b"".join(struct.pack("<i4f", 4, *[row] * 4) for row in range(ROWS)))


def _npz(path: Path) -> None:
    np.savez(path, id=np.arange(ROWS), v=np.ones((ROWS, 4), np.float32))


def _packed(path: Path) -> None:
    np.savez_compressed(path, id=np.arange(ROWS), t=np.array([f"t{row}" for row in range(ROWS)]))


def _texts(path: Path) -> None:
    np.save(path, np.array([f"t\u00e9{row}" for row in range(ROWS)]))


def _array(path: Path) -> None:
    rows = [{"id": row, "v": [row, 0.5], "o": [{"a": "[\u00e9\\"}]} for row in range(ROWS)]
    path.write_text(json.dumps({"rows": rows}, indent=1), encoding="utf-8")


def _bvecs(path: Path) -> None:
    path.write_bytes(b"".join(struct.pack("<i4B", 4, *[row] * 4) for row in range(ROWS)))


FILES: Mapping[str, tuple[Callable[[Path], None], int]] = {
    "x.h5": (_hdf5, 300),
    "texts.h5": (_hdf5_texts, 2),
    "x.parquet": (_parquet, 40),
    "x.npy": (_npy, 40),
    "texts.npy": (_texts, 40),
    "x.npz": (_npz, 60),
    "packed.npz": (_packed, 60),
    "x.csv": (_csv, 40),
    "x.jsonl": (_jsonl, 40),
    "x.json": (_array, 60),
    "x.tsv": (_csv, 40),
    "x.fvecs": (_fvecs, 40),
    "x.bvecs": (_bvecs, 40),
}
"""How each is made, and how many are tried in a short run."""


def _try(folder: Path, name: str, seed: int, number: int) -> int:
    """Reads mutated files; gives how many were refused."""
    make, _ = FILES[name]
    make(folder / name)

    def read_all() -> None:
        options = config(folder / name)
        read(options, look(options), batch_rows=25)

    return refusals(folder / name, read_all, named=(folder.name, name), seed=seed, rounds=number)


@pytest.mark.parametrize("name", FILES)
def test_mutated_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    assert _try(tmp_path, name, 1, FILES[name][1]) > 0 or name == "texts.h5"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 104))
@pytest.mark.parametrize("name", FILES)
def test_many_mutated_files_are_read_or_refused(tmp_path: Path, name: str, seed: int) -> None:
    assert _try(tmp_path, name, seed, 100 if name == "texts.h5" else 1_000) > 0
