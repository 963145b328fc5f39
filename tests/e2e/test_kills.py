"""kill -9 at random moments of an apply, applied again until done: each row once, no orphans."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.mmc_command import kill_until_done, mmc, timed

PARTIAL = 3
"""Exit code of every complete apply here: some rows belong in quarantine."""

SPEC = """
version: 1
source: {{type: files, path: rows.parquet}}
target: {target}
load: {{split_bytes: {split_bytes}, workers: {workers}}}
rows: {{on_error: quarantine}}
"""


def _rows(folder: Path, rows: int, dim: int) -> pa.Table:
    """Rows of which every 997th has NaN in its vector and belongs in quarantine."""
    random = np.random.default_rng(11)
    vectors = random.normal(size=(rows, dim)).astype(np.float32)
    vectors[::997, 3] = np.nan
    table = pa.table(
        {
            "id": random.permutation(rows).astype(np.int64) * 7 - 5,
            "text": [f"text {number} \u20ac" for number in range(rows)],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim),
        }
    )
    pq.write_table(table, folder / "rows.parquet", row_group_size=2_000)
    good = np.isfinite(vectors).all(axis=1)
    return table.filter(pa.array(good))


def _plan(folder: Path, target: str, *, split_bytes: int = 65_536, workers: int = 1) -> str:
    spec = SPEC.format(target=target, split_bytes=split_bytes, workers=workers)
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    mmc(folder, "plan", "spec.yaml", "-o", "plan.json")
    return "plan.json"


def _same_rows(found: pa.Table, wanted: pa.Table) -> None:
    assert found.num_rows == wanted.num_rows
    found, wanted = found.sort_by("id"), wanted.sort_by("id")
    for name in ("id", "text"):
        assert found[name].to_pylist() == wanted[name].to_pylist()
    for one, two in zip(found["vector"].to_pylist(), wanted["vector"].to_pylist(), strict=True):
        assert np.array_equal(
            np.array(one, np.float32).view(np.uint32), np.array(two, np.float32).view(np.uint32)
        )


def _read(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.read_table(path)
    return pa.Table.from_pylist(json.loads(path.read_bytes())["rows"])


def _check_folder(out: Path, wanted: pa.Table) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    files = manifest["files"]
    recorded = {file["path"] for file in files}
    there = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert there == recorded | {"manifest.json"}, "an orphan file, or a missing one"
    for file in files:
        content = (out / file["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert len(content) == file["bytes"]
    _same_rows(pa.concat_tables(_read(out / path) for path in sorted(recorded)), wanted)


def _files_kills(
    folder: Path, *, kills: int, seed: int, workers: int, layout: str = "parquet"
) -> None:
    wanted = _rows(folder, 20_000, 24)
    plan = _plan(folder, f"{{type: files, url: out, format: {layout}}}", workers=workers)
    whole = timed(folder, "apply", plan, code=PARTIAL)
    chance, hit = random.Random(seed), 0
    while hit < kills:
        for leftover in ("out", ".mmc"):
            shutil.rmtree(folder / leftover)
        hit += kill_until_done(folder, plan, chance=chance, longest=whole, code=PARTIAL)
        _check_folder(folder / "out", wanted)
    print(f"seed {seed}: one apply takes {whole:.1f} s, {hit} were killed")
    again = mmc(folder, "apply", plan, code=PARTIAL)
    assert "applied" in (again.out + again.err)
    mmc(folder, "verify", plan)


@pytest.mark.parametrize(
    ("seed", "workers", "layout"),
    [(101, 1, "parquet"), (102, 2, "parquet"), (103, 2, "json")],
    ids=["one", "threads", "processes"],
)
def test_files_target_survives_kills(tmp_path: Path, seed: int, workers: int, layout: str) -> None:
    _files_kills(tmp_path, kills=3, seed=seed, workers=workers, layout=layout)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 208))
def test_files_target_survives_many_kills(tmp_path: Path, seed: int) -> None:
    layout = "json" if seed % 4 == 3 else "parquet"
    _files_kills(tmp_path, kills=20, seed=seed, workers=1 + seed % 2, layout=layout)


def _lite_kills(folder: Path, *, kills: int, seed: int) -> None:
    wanted = _rows(folder, 6_000, 24)
    plan = _plan(folder, "{type: milvus, uri: ./rows.db}")
    whole = timed(folder, "apply", plan, code=PARTIAL)
    chance, hit = random.Random(seed), 0
    while hit < kills:
        for leftover in ("rows.db", ".mmc"):
            shutil.rmtree(folder / leftover)
        hit += kill_until_done(folder, plan, chance=chance, longest=whole, code=PARTIAL)
        _check_lite(folder / "rows.db", wanted)
    print(f"seed {seed}: one apply takes {whole:.1f} s, {hit} were killed")


def _check_lite(path: Path, wanted: pa.Table) -> None:
    from pymilvus import MilvusClient

    client = MilvusClient(str(path))
    client.load_collection("rows")
    rows = client.query("rows", filter="", output_fields=["*"], limit=16_384)
    client.close()
    vectors = np.array([row["vector"] for row in rows], np.float32)
    found = pa.table(
        {
            "id": [row["id"] for row in rows],
            "text": [row["text"] for row in rows],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 24),
        }
    )
    _same_rows(found, wanted)


@pytest.mark.milvus_lite
def test_lite_survives_kills(tmp_path: Path) -> None:
    _lite_kills(tmp_path, kills=3, seed=301)


@pytest.mark.slow
@pytest.mark.milvus_lite
@pytest.mark.parametrize("seed", range(400, 404))
def test_lite_survives_many_kills(tmp_path: Path, seed: int) -> None:
    _lite_kills(tmp_path, kills=10, seed=seed)
