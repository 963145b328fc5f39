"""Files that are rewritten after the plan, or while they are read: in place, of the same size."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.errors import SourceChanged
from mmc.facts import SAMPLED
from mmc.plan.model import Split
from mmc.storage.fingerprints import fingerprint
from tests.servers.http_files import FileServer, file_server
from tests.sources.files.reading import SOURCE, config, look, read

ROWS = 400


def _parquet(path: Path, value: int) -> None:
    pq.write_table(pa.table({"id": range(ROWS), "n": [value] * ROWS}), path, row_group_size=100)


def _npz(path: Path, value: int) -> None:
    np.savez(path, n=np.full(ROWS, value))


def _packed(path: Path, value: int) -> None:
    np.savez_compressed(path, n=np.full(ROWS, value))


def _hdf5(path: Path, value: int) -> None:
    with h5py.File(path, "w") as file:
        file["n"] = np.full(ROWS, value)


def _lines(path: Path, value: int) -> None:
    path.write_text("".join(json.dumps({"id": n, "n": value}) + "\n" for n in range(ROWS)))


def _array(path: Path, value: int) -> None:
    path.write_text(json.dumps([{"id": n, "n": value} for n in range(ROWS)]))


def _csv(path: Path, value: int) -> None:
    path.write_text("id,n\n" + "".join(f"{n},{value}\n" for n in range(ROWS)))


def _vectors(path: Path, value: int) -> None:
    path.write_bytes(struct.pack("<iff", 2, value, value) * ROWS)


FILES: Mapping[str, Callable[[Path, int], None]] = {
    "x.parquet": _parquet,
    "x.npy": lambda path, value: np.save(path, np.full(ROWS, value)),
    "x.npz": _npz,
    "y.npz": _packed,
    "x.h5": _hdf5,
    "x.jsonl": _lines,
    "x.json": _array,
    "x.csv": _csv,
    "x.fvecs": _vectors,
}


def _rewrite(path: Path, content: bytes) -> None:
    """In place: no other file takes its name."""
    time = path.stat().st_mtime_ns
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
    # The clock of a file system may stand still for some milliseconds.
    os.utime(path, ns=(time + 10**7, time + 10**7))


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_a_file_rewritten_while_it_is_read_is_a_changed_one(
    tmp_path: Path, name: str, cut: bool
) -> None:
    """Also where the rest cannot be read any more: it is not called damaged."""
    FILES[name](tmp_path / name, 1)
    FILES[name](tmp_path / f"other-{name}", 2)
    other = (tmp_path / f"other-{name}").read_bytes()
    options = config(tmp_path / name)
    collection = look(options)
    columns = [field.name for field in collection.fields]
    split = Split(id="00000", pieces=collection.extents, rows=ROWS, bytes=0)
    batches = SOURCE.read(options, collection.name, split, columns, 50)
    next(batches)
    _rewrite(tmp_path / name, other[: len(other) // 3] if cut else other)
    with pytest.raises(SourceChanged, match=f"{name} changed since the plan") as caught:
        list(batches)
    assert (caught.value.code, caught.value.exit_code) == ("MMC436", 4)


def _served(server: FileServer, value: int) -> bytes:
    return ("id,n\n" + "".join(f"{n},{value}\n" for n in range(ROWS))).encode()


@pytest.mark.parametrize(
    ("before", "after", "weak"),
    [
        ({}, {}, True),
        ({"ETag": '"1"'}, {"ETag": '"2"'}, False),
        (
            {"Last-Modified": "Tue, 01 Dec 2026 01:00:00 GMT"},
            {"Last-Modified": "Tue, 01 Dec 2026 01:00:01 GMT"},
            False,
        ),
    ],
    ids=["nothing", "etag", "date"],
)
def test_a_server_that_tells_little_of_its_files(
    before: dict[str, str], after: dict[str, str], weak: bool
) -> None:
    with file_server() as server:
        server.files["/x.csv"], server.headers = _served(server, 1), before
        options = config(f"{server.url}/x.csv")
        collection = look(options)
        ((_, mark),) = collection.fingerprint
        assert (SAMPLED in mark) == weak and " " not in mark
        assert read(options, collection)["n"].to_pylist() == [1] * ROWS
        split = Split(id="00000", pieces=collection.extents, rows=ROWS, bytes=0)
        batches = SOURCE.read(options, collection.name, split, ["n"], 50)
        next(batches)
        server.files["/x.csv"], server.headers = _served(server, 2), after
        for attempt in (batches, SOURCE.read(options, collection.name, split, ["n"], 50)):
            with pytest.raises(SourceChanged, match=r"x\.csv changed since the plan"):
                list(attempt)


def test_a_large_file_is_known_by_pieces_from_end_to_end() -> None:
    with file_server() as server:
        data = bytearray(9 << 20)
        marks = set()
        for place in (0, len(data) * 7 // 15, len(data) - 1):
            data[place] ^= 1
            server.files["/x"] = bytes(data)
            marks.add(fingerprint(f"{server.url}/x"))
        assert len(marks) == 3 and {mark.partition(":")[0] for mark in marks} == {str(9 << 20)}
