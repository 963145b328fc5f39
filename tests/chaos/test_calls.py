"""An apply that is cut off at any single call that changes something, and applied again: every row
is there once, and nothing else. `MMC_CHAOS_KILLS` sets how many calls a case tries.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.chaos.calls import Calls, build, compiler
from tests.e2e.mmc_command import mmc
from tests.e2e.test_kills import PARTIAL, _check_folder, _check_lite, _rows, _same_rows
from tests.servers.mariadb import MariaDB
from tests.servers.milvus_s3 import ROOT, MilvusOnS3
from tests.servers.s3 import Bucket, s3_bucket

KILLS = int(os.environ.get("MMC_CHAOS_KILLS", "12"))
SEED = int(os.environ.get("MMC_CHAOS_SEED", "7"))

REQUIRED = os.environ.get("MMC_REQUIRE_SERVERS") == "1"
pytestmark = pytest.mark.skipif(compiler() is None and not REQUIRED, reason="no C compiler")

SPEC = """
version: 1
source: {{type: files, path: rows.parquet}}
target: {target}
load: {{split_bytes: 65536, workers: {workers}{load}}}
rows: {{on_error: quarantine}}
"""


@dataclass
class Bench:
    """One case: a plan, and how to see what its target has."""

    folder: Path
    calls: Calls
    wanted: pa.Table
    check: Callable[[], None]
    reset: Callable[[], None]
    state: list[str] = field(default_factory=list)
    may_fail: str = ""
    """What an apply may end with, to be applied again: after a drop, 2.3.5 still looks for a while
    for the old collection of a name.
    """

    def plan(self, target: str, workers: int = 1, load: str = "") -> None:
        text = SPEC.format(target=target, workers=workers, load=load)
        (self.folder / "spec.yaml").write_text(text, encoding="utf-8")
        mmc(self.folder, "plan", "spec.yaml", "-o", "plan.json")

    @property
    def apply(self) -> list[str]:
        return ["apply", "plan.json", *self.state]

    def finish(self) -> None:
        """Applies until done, and looks."""
        mmc(self.folder, *self.apply, code=PARTIAL)
        self.check()
        mmc(self.folder, "verify", "plan.json", *self.state)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("calls"))


def _folder_bench(folder: Path, library: Path, layout: str, workers: int = 1) -> Bench:
    wanted = _rows(folder, 3_000, 24)
    out = folder / "out"

    def check() -> None:
        if layout == "numpy":
            _check_numpy(out, wanted)
        else:
            _check_folder(out, wanted)

    def reset() -> None:
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(folder / ".mmc", ignore_errors=True)

    bench = Bench(folder, Calls(library, folder, ["out", ".mmc"]), wanted, check, reset)
    bench.plan(f"{{type: files, url: out, format: {layout}}}", workers)
    return bench


def _check_numpy(out: Path, wanted: pa.Table) -> None:
    files = json.loads((out / "manifest.json").read_text())["files"]
    there = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    parts = sorted(file["path"] for file in files)
    names = ("id", "text", "vector")
    assert there == {f"{part}/{name}.npy" for part in parts for name in names} | {"manifest.json"}
    read = {
        name: np.concatenate([np.load(out / part / f"{name}.npy") for part in parts])
        for name in names
    }
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(read["vector"].ravel()), 24)
    found = pa.table(
        {"id": read["id"], "text": [it.decode() for it in read["text"].tolist()], "vector": vectors}
    )
    _same_rows(found, wanted)


def _kill(bench: Bench, kills: int, seed: int) -> int:
    """Cuts applies off at calls chosen at random, some twice; returns how many were killed."""
    bench.reset()
    whole = bench.calls.run(*bench.apply)
    assert whole.code == PARTIAL, whole.err
    bench.check()
    chance, killed = random.Random(seed), 0
    chosen = range(1, whole.calls + 1)
    for at in chance.sample(chosen, min(kills, len(chosen))):
        bench.reset()
        again = at
        for _ in range(chance.choice((1, 1, 2))):
            ended = bench.calls.run(*bench.apply, at=again, after=chance.random() < 0.5)
            again_later = ended.code == 1 and bench.may_fail and bench.may_fail in ended.err
            assert ended.code in (-signal.SIGKILL, PARTIAL) or again_later, ended.err
            killed += ended.code == -signal.SIGKILL
            again = chance.randint(1, whole.calls)
        bench.finish()
    print(f"seed {seed}: {whole.calls} calls, {killed} applies killed")
    return killed


def _break(bench: Bench, number: int, seed: int) -> int:
    """Has calls fail from a random one on, as on a full or broken disk; returns how many applies
    ended with an error.
    """
    bench.reset()
    whole = bench.calls.run(*bench.apply)
    chance, broken = random.Random(seed), 0
    for _ in range(number):
        bench.reset()
        why = chance.choice((errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT))
        ended = bench.calls.run(*bench.apply, at=chance.randint(1, whole.calls), errno=why)
        assert "Traceback" not in ended.err, ended.err
        assert ended.code in (1, PARTIAL), ended.err
        if ended.code == 1:
            assert "error" in ended.err
            broken += 1
        bench.finish()
    return broken


@pytest.mark.parametrize("layout", ["parquet"])
def test_a_few_calls(tmp_path: Path, library: Path, layout: str) -> None:
    bench = _folder_bench(tmp_path, library, layout)
    assert _kill(bench, 2, SEED) >= 1
    assert _break(bench, 1, SEED) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "workers"), [("parquet", 1), ("parquet", 2), ("json", 2), ("numpy", 1)]
)
def test_files_at_any_call(tmp_path: Path, library: Path, layout: str, workers: int) -> None:
    bench = _folder_bench(tmp_path, library, layout, workers)
    assert _kill(bench, KILLS, SEED) >= KILLS // 2
    assert _break(bench, max(1, KILLS // 3), SEED) >= 1


@pytest.mark.slow
@pytest.mark.milvus_lite
def test_lite_at_any_call(tmp_path: Path, library: Path) -> None:
    wanted = _rows(tmp_path, 2_000, 24)

    def reset() -> None:
        shutil.rmtree(tmp_path / "rows.db", ignore_errors=True)
        shutil.rmtree(tmp_path / ".mmc", ignore_errors=True)

    bench = Bench(
        tmp_path,
        Calls(library, tmp_path, ["rows.db", ".mmc"]),
        wanted,
        lambda: _check_lite(tmp_path / "rows.db", wanted),
        reset,
    )
    bench.plan("{type: milvus, uri: ./rows.db}")
    assert _kill(bench, KILLS, SEED) >= KILLS // 2


@pytest.mark.slow
def test_state_on_mysql_at_any_call(tmp_path: Path, library: Path, mysql_database: MariaDB) -> None:
    bench = _folder_bench(tmp_path, library, "parquet")
    bench.calls = Calls(library, tmp_path, ["out"], sockets=True)
    bench.state = ["--state", mysql_database.url]
    empty = bench.reset

    def reset() -> None:
        empty()
        run = json.loads((tmp_path / "plan.json").read_text())["digest"][:12]
        known = mmc(tmp_path, "state", "list", "--json", *bench.state).events
        if any(event.get("run") == run for event in known):
            mmc(tmp_path, "state", "unlock", run, *bench.state)
            mmc(tmp_path, "state", "forget", run, *bench.state)

    bench.reset = reset
    bench.calls.run(*bench.apply)  # makes the tables
    assert _kill(bench, KILLS, SEED) >= KILLS // 2


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with s3_bucket() as made:
        yield made


@pytest.mark.slow
def test_a_bucket_at_any_call(
    tmp_path: Path, library: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3fs import S3FileSystem

    monkeypatch.setenv("MMC_TEST_KEY", "testing")
    files = S3FileSystem(**bucket.storage, use_listings_cache=False)
    wanted, root = _rows(tmp_path, 3_000, 24), bucket.url.removeprefix("s3://") + "/out"
    copy = tmp_path / "copy"

    def check() -> None:
        shutil.rmtree(copy, ignore_errors=True)
        files.get(root, str(copy), recursive=True)
        _check_folder(copy, wanted)

    def reset() -> None:
        shutil.rmtree(tmp_path / ".mmc", ignore_errors=True)
        if files.exists(root):
            files.rm(root, recursive=True)

    storage = {name: value for name, value in bucket.storage.items() if name == "endpoint_url"}
    secret = {"secret": "env:MMC_TEST_KEY"}
    target = {
        "type": "files",
        "url": f"{bucket.url}/out",
        "storage": {**storage, "key": secret, "secret": secret},
    }
    calls = Calls(library, tmp_path, [".mmc"], sockets=True)
    bench = Bench(tmp_path, calls, wanted, check, reset)
    bench.plan(json.dumps(target))
    assert _kill(bench, KILLS, SEED) >= KILLS // 2


@pytest.mark.slow
@pytest.mark.parametrize("route", ["insert", "bulk"])
def test_milvus_at_any_call(
    tmp_path: Path,
    library: Path,
    milvus_on_s3: MilvusOnS3,
    route: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pymilvus import MilvusClient
    from s3fs import S3FileSystem

    bucket = milvus_on_s3.bucket
    monkeypatch.setenv("MMC_TEST_KEY", str(bucket.storage["key"]))
    monkeypatch.setenv("MMC_TEST_SECRET", str(bucket.storage["secret"]))
    files = S3FileSystem(**bucket.storage, use_listings_cache=False)
    wanted, staged = _rows(tmp_path, 1_500, 24), f"{ROOT}-chaos"
    client = MilvusClient(milvus_on_s3.uri)

    def check() -> None:
        rows = client.query(
            "rows", filter="id >= -5", output_fields=["*"], consistency_level="Strong", limit=9_999
        )
        vectors = pa.array(np.array([row["vector"] for row in rows], np.float32).ravel())
        found = pa.table(
            {
                "id": [row["id"] for row in rows],
                "text": [row["text"] for row in rows],
                "vector": pa.FixedSizeListArray.from_arrays(vectors, 24),
            }
        )
        _same_rows(found, wanted)
        assert not files.exists(f"{bucket.url.removeprefix('s3://')}/{staged}")

    def reset() -> None:
        shutil.rmtree(tmp_path / ".mmc", ignore_errors=True)
        client.drop_collection("rows")
        if files.exists(f"{bucket.url.removeprefix('s3://')}/{staged}"):
            files.rm(f"{bucket.url.removeprefix('s3://')}/{staged}", recursive=True)

    reset()
    calls = Calls(library, tmp_path, [".mmc"], sockets=True)
    bench = Bench(tmp_path, calls, wanted, check, reset, may_fail="collection not found")
    load = ""
    if route == "bulk":
        storage = {
            **bucket.storage,
            "key": {"secret": "env:MMC_TEST_KEY"},
            "secret": {"secret": "env:MMC_TEST_SECRET"},
        }
        staging = {"url": f"{bucket.url}/{staged}", "storage": storage}
        load = f", route: bulk, staging: {json.dumps(staging)}"
    bench.plan(json.dumps({"type": "milvus", "uri": milvus_on_s3.uri}), load=load)
    assert _kill(bench, KILLS, SEED) >= KILLS // 2
