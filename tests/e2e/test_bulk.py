"""Bulk imports into a real Milvus: every source by every format, kills at any moment, and where it
must refuse.
"""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.cli.main import run
from tests.e2e.mmc_command import Result, mmc, start
from tests.generators.milvus1.layout import floats
from tests.generators.milvus1.writer import Server
from tests.servers.milvus_server import MilvusServer

ROWS = 300


def _name() -> str:
    return f"c{uuid.uuid4().hex[:12]}"


def _parquet(folder: Path, name: str) -> dict[str, Any]:
    random = np.random.default_rng(3)
    vectors = random.standard_normal((ROWS, 8), dtype=np.float32)
    table = pa.table(
        {
            "id": pa.array([2**62 + n for n in range(ROWS)]),
            "title": [f"title {n} \u20ac '\"\\" if n % 7 else "" for n in range(ROWS)],
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8),
        }
    )
    pq.write_table(table, folder / f"{name}.parquet", row_group_size=100)
    return {"type": "files", "path": f"{name}.parquet"}


def _faiss(folder: Path, name: str) -> dict[str, Any]:
    import faiss

    index = faiss.IndexIDMap2(faiss.IndexFlatIP(8))
    vectors = np.random.default_rng(4).standard_normal((ROWS, 8), dtype=np.float32)
    index.add_with_ids(vectors, np.arange(ROWS) * 5)
    faiss.write_index(index, str(folder / f"{name}.index"))
    return {"type": "faiss", "path": f"{name}.index"}


def _milvus1(folder: Path, name: str) -> dict[str, Any]:
    server = Server(folder / "milvus")
    made = server.collection(name, 8, 2, ("IVF_FLAT", {"nlist": 16}))
    made.segment(range(ROWS), floats(ROWS, 8), deleted=range(0, ROWS, 3))
    made.partition("a-b").segment(range(1000, 1040), floats(40, 8), deleted=[7, 3, 3])
    server.write()
    return {"type": "milvus1", "data": str(server.tables[0])}


SOURCES: dict[str, tuple[Callable[[Path, str], dict[str, Any]], int]] = {
    "files": (_parquet, ROWS),
    "faiss": (_faiss, ROWS),
    "milvus1": (_milvus1, 200 + 38),
}


def _spec(
    folder: Path,
    server: MilvusServer,
    source: dict[str, Any],
    *,
    load: dict[str, Any] | None = None,
    **staging: Any,
) -> None:
    spec = {
        "version": 1,
        "source": source,
        "target": {"type": "milvus", "uri": server.uri},
        "load": {
            "route": "bulk",
            "staging": {"url": str(folder / "staging"), **staging},
            **(load or {}),
        },
    }
    (folder / "spec.yaml").write_text(json.dumps(spec), encoding="utf-8")


def _filled(folder: Path, server: MilvusServer) -> tuple[str, Path]:
    """A collection of ROWS rows by import; gives its name and the file that they came from."""
    name = _name()
    source = _parquet(folder, name)
    _spec(folder, server, source)
    mmc(folder, "plan", "spec.yaml", "-o", "plan.json")
    mmc(folder, "apply", "plan.json")
    return name, folder / source["path"]


def _files_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def _verified(applied: Result) -> dict[str, Any]:
    (verified,) = [event for event in applied.events if event["type"] == "verified"]
    return verified


FORMATS = ("parquet", "numpy", "json")
PAIRS = [
    # Each source and each format once; the other pairs are slow.
    pytest.param(source, format_, marks=() if at % 3 == number % 3 else pytest.mark.slow)
    for at, source in enumerate(SOURCES)
    for number, format_ in enumerate(FORMATS)
]


@pytest.mark.parametrize(("source", "format_"), PAIRS)
def test_every_source_by_every_format(
    tmp_path: Path, milvus_server: MilvusServer, source: str, format_: str
) -> None:
    make, rows = SOURCES[source]
    name = _name()
    _spec(tmp_path, milvus_server, make(tmp_path, name), format=format_)
    shown = mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    assert "bulk: as the spec says; server 2.3.5" in " ".join(shown.out.split())
    applied = mmc(tmp_path, "apply", "plan.json", "--json")
    verified = _verified(applied)
    assert verified["ok"]
    assert verified["rows_found"] == rows
    assert verified["digest_found"] == verified["digest_expected"] != ""
    assert _files_in(tmp_path / "staging") == []
    again = mmc(tmp_path, "apply", "plan.json")
    assert "Nothing to do" in again.out


@pytest.mark.parametrize(
    "format_", ["parquet", *(pytest.param(it, marks=pytest.mark.slow) for it in FORMATS[1:])]
)
def test_files_that_were_dumped_are_imported_where_they_lie(
    tmp_path: Path, milvus_server: MilvusServer, format_: str
) -> None:
    name = _name()
    dump = {
        "version": 1,
        "source": _milvus1(tmp_path, name),
        "target": {"type": "files", "url": str(tmp_path / "dump"), "format": format_},
    }
    (tmp_path / "dump.yaml").write_text(json.dumps(dump))
    mmc(tmp_path, "plan", "dump.yaml", "-o", "dump.json")
    mmc(tmp_path, "apply", "dump.json")
    before = _files_in(tmp_path / "dump")
    source = {"type": "files", "manifest": str(tmp_path / "dump" / "manifest.json")}
    _spec(tmp_path, milvus_server, source, format=format_, url=str(tmp_path / "dump"))
    shown = mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    assert "the files lie there already" in " ".join(shown.out.split())
    text = json.loads((tmp_path / "spec.yaml").read_text())
    text["collections"] = [{"where": "true"}]
    (tmp_path / "part.yaml").write_text(json.dumps(text))
    shown = mmc(tmp_path, "plan", "part.yaml", "-o", "part.json")
    why = "not the files that lie there: `where` leaves rows out"
    assert why in " ".join(shown.out.split())
    verified = _verified(mmc(tmp_path, "apply", "plan.json", "--json"))
    assert (verified["ok"], verified["rows_found"]) == (True, 238)
    assert _files_in(tmp_path / "dump") == before


def test_a_staging_place_that_cannot_be_written(
    tmp_path: Path, milvus_server: MilvusServer
) -> None:
    _spec(tmp_path, milvus_server, _parquet(tmp_path, _name()), url="/dev/null/staging")
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    failed = mmc(tmp_path, "apply", "plan.json", code=1)
    assert "MMC541" in failed.err


def test_clean_removes_what_a_run_recorded_and_nothing_else(
    tmp_path: Path, milvus_server: MilvusServer
) -> None:
    _spec(tmp_path, milvus_server, _parquet(tmp_path, _name()), keep=True)
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    mmc(tmp_path, "apply", "plan.json")
    (staged,) = _files_in(tmp_path / "staging")
    other = (tmp_path / "staging" / staged).with_name("part-99999.parquet")
    other.write_text("somebody else's")
    run = json.loads((tmp_path / "plan.json").read_text())["digest"][:12]
    assert "Removed 1 staged file" in mmc(tmp_path, "clean", run).out
    assert _files_in(tmp_path / "staging") == [str(other.relative_to(tmp_path / "staging"))]
    assert mmc(tmp_path, "verify", "plan.json").code == 0


def test_clean_keeps_what_a_run_needs_to_go_on(tmp_path: Path, milvus_server: MilvusServer) -> None:
    name = _name()
    _spec(tmp_path, milvus_server, _parquet(tmp_path, name))
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    process = start(tmp_path, "apply", "plan.json")
    deadline = time.monotonic() + 30
    while not _files_in(tmp_path / "staging") and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.kill()
    process.communicate()
    run = json.loads((tmp_path / "plan.json").read_text())["digest"][:12]
    assert "MMC644" in mmc(tmp_path, "clean", run, code=1).err
    assert _verified(mmc(tmp_path, "apply", "plan.json", "--json"))["rows_found"] == ROWS


def test_a_run_is_given_up_only_when_nobody_applies_it(
    tmp_path: Path,
    milvus_server: MilvusServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    _spec(tmp_path, milvus_server, _parquet(tmp_path, _name()))
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    run_id = json.loads((tmp_path / "plan.json").read_text())["digest"][:12]
    process = start(tmp_path, "apply", "plan.json")
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("staging/**/part-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    # In this process: the import goes on for two seconds only.
    for given_up in (["clean", run_id, "--force"], ["state", "forget", run_id]):
        assert run(given_up) == 5
        shown = capsys.readouterr().err
        assert f"is being written by process {process.pid}" in shown
        assert f"`mmc state unlock {run_id}` ends it now" in " ".join(shown.split())
    assert list(tmp_path.glob("staging/**/part-*"))
    process.kill()
    process.communicate()
    assert run(["clean", run_id, "--force"]) == 0
    assert _files_in(tmp_path / "staging") == []
    assert run(["state", "forget", run_id]) == 1
    assert "no run" in capsys.readouterr().err


def test_append_by_import(tmp_path: Path, milvus_server: MilvusServer) -> None:
    _, rows = _filled(tmp_path, milvus_server)
    more = pq.read_table(rows).set_column(0, "id", pa.array(range(ROWS)))
    pq.write_table(more, rows)
    source = {"type": "files", "path": rows.name}
    _spec(tmp_path, milvus_server, source, load={"mode": "append"})
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    verified = _verified(mmc(tmp_path, "apply", "plan.json", "--json"))
    assert (verified["ok"], verified["rows_found"]) == (True, 2 * ROWS)


@pytest.mark.slow
def test_kills_at_any_moment(tmp_path: Path, milvus_server: MilvusServer) -> None:
    """Split into a few files, killed until it is done: no row is lost, none is there twice."""
    name = _name()
    rows = 40_000
    vectors = np.random.default_rng(3).standard_normal((rows, 32), dtype=np.float32)
    table = pa.table(
        {
            "id": pa.array(range(rows)),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 32),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=10_000)
    source = {"type": "files", "path": "rows.parquet"}
    _spec(tmp_path, milvus_server, source, load={"split_bytes": 1_400_000}, format="numpy")
    spec = json.loads((tmp_path / "spec.yaml").read_text())
    spec["collections"] = [{"to": name}]
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    hits = 0
    for number in range(40):
        process = start(tmp_path, "apply", "plan.json")
        try:
            process.communicate(timeout=0.6 + 0.45 * number)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            hits += 1
    result = mmc(tmp_path, "apply", "plan.json")
    assert "Nothing to do" in result.out
    assert mmc(tmp_path, "verify", "plan.json").code == 0
    print(f"{hits} kills")
    assert hits >= 8
