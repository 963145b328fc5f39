"""What was there before an apply is there after it, unless the plan said otherwise."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.mmc_command import mmc, start


def _rows(path: Path, start: int, stop: int, text: str = "old") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = range(start, stop)
    vectors = pa.array([[float(n), 1.0, -1.0, 0.5] for n in ids], pa.list_(pa.float32(), 4))
    pq.write_table(pa.table({"id": list(ids), "text": [text] * len(ids), "vector": vectors}), path)


def _plan(folder: Path, name: str, source: str, target: str, mode: str) -> str:
    (folder / f"{name}.yaml").write_text(
        f"version: 1\nsource: {source}\ntarget: {target}\n"
        f"collections: [{{to: docs}}]\nload: {{mode: {mode}}}\n",
        encoding="utf-8",
    )
    mmc(folder, "plan", f"{name}.yaml", "-o", f"{name}.json")
    return f"{name}.json"


def _content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("mode", ["fail", "replace"])
@pytest.mark.parametrize(
    "source",
    ['{type: files, path: "out/docs/part-0000[01].parquet"}', "{type: files, manifest: MANIFEST}"],
)
def test_a_source_inside_the_target_is_never_written_over(
    tmp_path: Path, source: str, mode: str
) -> None:
    if "MANIFEST" in source:
        _rows(tmp_path / "rows.parquet", 0, 50)
        first = _plan(tmp_path, "first", "{type: files, path: rows.parquet}", _FILES, "fail")
        mmc(tmp_path, "apply", first)
        source = source.replace("MANIFEST", f"{tmp_path}/out/manifest.json")
        mode = "replace"
    else:
        for number in (0, 1, 7):
            _rows(tmp_path / f"out/docs/part-0000{number}.parquet", number * 50, number * 50 + 50)
    before = _content(tmp_path / "out")
    plan = _plan(tmp_path, "second", source, _FILES, mode)
    result = mmc(tmp_path, "apply", plan, "--yes", "--allow-replace", code=1)
    assert "MMC540" in result.err
    assert _content(tmp_path / "out") == before


_FILES = "{type: files, url: out}"
_LITE = "{type: milvus, uri: ./rows.db}"


@pytest.mark.milvus_lite
def test_append_leaves_rows_of_the_same_key_alone(tmp_path: Path) -> None:
    _rows(tmp_path / "old.parquet", 0, 30)
    _rows(tmp_path / "new.parquet", 25, 60, "new")
    mmc(tmp_path, "apply", _plan(tmp_path, "first", _source("old"), _LITE, "fail"))
    second = _plan(tmp_path, "second", _source("new"), _LITE, "append")
    result = mmc(tmp_path, "apply", second, code=1)
    assert "MMC651" in result.err and "already: 25, 26, 27, 28, 29" in result.err
    mmc(tmp_path, "verify", "first.json")


@pytest.mark.milvus_lite
def test_a_spec_that_was_begun_is_continued(tmp_path: Path) -> None:
    folder = tmp_path
    _rows(folder / "rows.parquet", 0, 3_000)
    (folder / "spec.yaml").write_text(
        f"version: 1\nsource: {_source('rows')}\ntarget: {_LITE}\n"
        "rows: {on_error: quarantine, max_errors: 0}\n"
        "collections: [{to: docs, fields: [{from: text, type: varchar(3)}]}]\n"
        "load: {split_bytes: 65536}\n",
        encoding="utf-8",
    )
    process = start(folder, "apply", "spec.yaml", "--yes", "--json")
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["type"] == "split_started":
            process.kill()
            break
    process.communicate()
    result = mmc(folder, "apply", "spec.yaml", "--yes")
    assert "MMC636" in result.err and "3,000 rows" in result.out + result.err
    assert "MMC636" not in mmc(folder, "apply", "spec.yaml", "--yes", code=1).err


def _source(name: str) -> str:
    return f"{{type: files, path: {name}.parquet}}"
