"""mmc with the lowest version of each library that pyproject.toml allows, as pip installs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.storage.urls import open_atomic
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.servers.elasticsearch.rest import bulk
from tests.servers.gcs import gcs_bucket
from tests.servers.mariadb import MariaDB, mariadb, mysql_database
from tests.servers.s3 import s3_bucket
from tests.test_dependencies import ROOT, lowest, requirements

__all__ = ["mariadb", "mysql_database"]

pytestmark = pytest.mark.slow
EXTRAS = "all,oss"
TEST_TOOLS = ("pytest", "hypothesis", "packaging", "psutil")
TESTS = (
    "tests/compile",
    "tests/layouts/test_jsonrows.py",
    "tests/layouts/test_npy.py",
    "tests/layouts/test_parquet.py",
    "tests/sql/test_engine.py",
    "tests/transform/test_casts.py",
    "tests/transform/test_casts_nested.py",
    "tests/transform/test_transform.py",
    "tests/sources/files/test_manifest.py",
    "tests/spec",
    "tests/state/test_store.py",
    "tests/verify",
    "tests/views",
)
"""Tests of values, which differed with lower versions of pyarrow, numpy and pydantic than are said;
none starts a server.
"""
VECTORS = np.random.default_rng(5).normal(size=(50, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The interpreter of a new environment with mmc and the lowest versions."""
    folder = tmp_path_factory.mktemp("lowest")
    found = sorted({f"{it.name}=={lowest(it)}" for group, it in requirements() if group != "build"})
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(found) + "\n")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    made = folder / "venv" / "bin" / "python"
    install = [made, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*install, "--constraint", constraints, f"{ROOT}[{EXTRAS}]", *TEST_TOOLS],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"there is no such set of versions: {done.stdout}{done.stderr}"
    assert "yanked" not in done.stderr, done.stderr
    yield made
    shutil.rmtree(folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    yield tmp_path


def migrate(python: Path, source: Any, target: Any, more: Any = None, state: str = "") -> None:
    """validate, plan, apply and verify; each ends well and says nothing but what it has to say."""
    spec = {"version": 1, "source": source, "target": target, **(more or {})}
    Path("spec.yaml").write_text(json.dumps(spec))
    stored = ["--state", state] if state else []
    for command in (
        ["validate", "spec.yaml"],
        ["plan", "spec.yaml", "-o", "plan.json"],
        ["apply", "plan.json", *stored],
        ["verify", "plan.json", *stored],
    ):
        done = subprocess.run(
            [python, "-m", "mmc.cli.main", *command],
            env={**os.environ, "KEY": "testing", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr and "leak" not in done.stderr, done.stderr


def write(name: str) -> None:
    match name.partition(".")[2]:
        case "npy":
            np.save(name, VECTORS)
        case "h5":
            with h5py.File(name, "w") as file:
                file["vector"], file["id"] = VECTORS, np.arange(len(VECTORS))
        case "index":
            import faiss

            index = faiss.IndexFlatL2(VECTORS.shape[1])
            index.add(VECTORS)
            faiss.write_index(index, name)
        case _:
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.ravel()), 8)
            pq.write_table(pa.table({"id": range(len(VECTORS)), "vector": vectors}), name)


WHERE = {"collections": [{"where": "vector[1] > 0"}]}
EXPRESSION = {"collections": [{"fields": [{"to": "twice", "expr": "id * 2"}]}]}
LITE = {"type": "milvus", "uri": "./words.db"}


@pytest.mark.milvus_lite
@pytest.mark.parametrize("target", [{"type": "files", "url": "out/"}, LITE], ids=["files", "lite"])
@pytest.mark.parametrize(
    ("name", "more"),
    [("a.npy", WHERE), ("a.parquet", EXPRESSION), ("a.h5", None), ("a.index", None)],
)
def test_files(python: Path, folder: Path, name: str, more: Any, target: Any) -> None:
    write(name)
    kind = "faiss" if name.endswith(".index") else "files"
    migrate(python, {"type": kind, "path": name}, target, more)


@pytest.mark.parametrize("start", [s3_bucket, gcs_bucket])
def test_object_stores(python: Path, folder: Path, start: Any) -> None:
    write("a.npy")
    with start() as bucket:
        with open_atomic(f"{bucket.url}/a.npy", bucket.storage) as file:
            file.write(Path("a.npy").read_bytes())
            file.commit()
        storage = {"endpoint_url": bucket.storage["endpoint_url"]}
        if bucket.url.startswith("s3:"):
            storage |= {key: {"secret": "env:KEY"} for key in ("key", "secret")}
        else:
            storage["anon"] = True
        source = {"type": "files", "path": f"{bucket.url}/a.npy", "storage": storage}
        migrate(python, source, {"type": "files", "url": f"{bucket.url}/out/", "storage": storage})


def test_elasticsearch_and_mysql(
    python: Path, folder: Path, elasticsearch: ElasticsearchNode, mysql_database: MariaDB
) -> None:
    vector = {"type": "dense_vector", "dims": 8}
    mapping = {"mappings": {"properties": {"vector": vector, "title": {"type": "keyword"}}}}
    elasticsearch.request("PUT", "/lowest", mapping)
    rows = ({"title": f"t{n}", "vector": list(map(float, it))} for n, it in enumerate(VECTORS))
    bulk(elasticsearch.url, "lowest", rows)
    source = {"type": "elasticsearch", "url": elasticsearch.url, "index": "lowest"}
    migrate(python, source, {"type": "files", "url": "out/"}, state=mysql_database.url)


def test_values(python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *TESTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
