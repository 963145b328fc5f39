"""A collection that an import is to replace: it is dropped only when its rows can come in."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from mmc.cli.main import run
from mmc.layouts.staging import NO_ROWS
from tests.e2e.mmc_command import mmc
from tests.e2e.test_bulk import ROWS, _filled, _spec, _verified
from tests.servers.milvus_server import MilvusServer
from tests.servers.s3 import s3_bucket

REPLACE = ("--yes", "--allow-replace")


@pytest.fixture
def name(tmp_path: Path, milvus_server: MilvusServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """An old collection of ROWS rows; the source has the same rows and one less."""
    import pyarrow.parquet as pq

    monkeypatch.chdir(tmp_path)
    name, rows = _filled(tmp_path, milvus_server)
    pq.write_table(pq.read_table(rows).slice(1), rows)
    return name


def _replace(folder: Path, server: MilvusServer, name: str, **staging: Any) -> None:
    source = {"type": "files", "path": f"{name}.parquet"}
    _spec(folder, server, source, load={"mode": "replace"}, **staging)
    mmc(folder, "plan", "spec.yaml", "-o", "plan.json")


def _count(server: MilvusServer, name: str) -> int:
    from pymilvus import MilvusClient

    with closing(MilvusClient(server.uri, dedicated=True)) as client:
        found = client.query(
            name, filter="", output_fields=["count(*)"], consistency_level="Strong"
        )
        return int(found[0]["count(*)"])


def _keep_busy(server: MilvusServer, name: str, folder: Path) -> None:
    """Asks for imports without rows; 2.3 begins one every two seconds."""
    from pymilvus import MilvusClient

    (folder / "busy.json").write_text(NO_ROWS)
    with closing(MilvusClient(server.uri, dedicated=True)) as client:
        for _ in range(4):
            client._get_connection().do_bulk_insert(
                name, "", [str(folder / "busy.json")], context=client._generate_call_context()
            )


def test_staging_that_the_server_does_not_see(
    tmp_path: Path,
    milvus_server: MilvusServer,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """While it has other imports to do, which come first, and long after."""
    monkeypatch.setattr("mmc.sinks.milvus.bulk.grpcimports.VERDICT_SECONDS", 0.2)
    with s3_bucket() as bucket:
        storage = {**bucket.storage}
        for option in ("key", "secret"):
            monkeypatch.setenv(f"MMC_TEST_{option.upper()}", str(storage[option]))
            storage[option] = {"secret": f"env:MMC_TEST_{option.upper()}"}
        _replace(tmp_path, milvus_server, name, url=f"{bucket.url}/files", storage=storage)
        _keep_busy(milvus_server, name, tmp_path)
        assert run(["apply", *REPLACE, "plan.json"]) == 1
    told = capsys.readouterr().err
    assert "MMC542" in told and "is not dropped before" in told
    assert _count(milvus_server, name) == ROWS


def test_staging_that_cannot_be_written(
    tmp_path: Path, milvus_server: MilvusServer, name: str
) -> None:
    (tmp_path / "taken").touch()
    _replace(tmp_path, milvus_server, name, url=str(tmp_path / "taken"))
    assert "MMC541" in mmc(tmp_path, "apply", *REPLACE, "plan.json", code=1).err
    assert _count(milvus_server, name) == ROWS
    # Nothing was begun: another plan may go on from here.
    _replace(tmp_path, milvus_server, name)
    verified = _verified(mmc(tmp_path, "apply", *REPLACE, "plan.json", "--json"))
    assert (verified["ok"], verified["rows_found"]) == (True, ROWS - 1)
    assert not list((tmp_path / "staging").iterdir())


@pytest.mark.parametrize("seen", [True, False])
def test_files_that_are_imported_where_they_lie(
    tmp_path: Path,
    milvus_server: MilvusServer,
    name: str,
    seen: bool,
) -> None:
    """Their manifest is what the server is asked for."""
    with ExitStack() as stack:
        url, storage, env = str(tmp_path / "dump"), {}, {}
        if not seen:
            bucket = stack.enter_context(s3_bucket())
            url, storage = f"{bucket.url}/dump", {**bucket.storage}
            for option in ("key", "secret"):
                env[f"MMC_TEST_{option.upper()}"] = str(storage[option])
                storage[option] = {"secret": f"env:MMC_TEST_{option.upper()}"}
        dump = {
            "version": 1,
            "source": {"type": "files", "path": f"{name}.parquet"},
            "target": {"type": "files", "url": url, "storage": storage},
        }
        (tmp_path / "dump.yaml").write_text(json.dumps(dump))
        mmc(tmp_path, "plan", "dump.yaml", "-o", "dump.json", env=env)
        mmc(tmp_path, "apply", "dump.json", env=env)
        source = {"type": "files", "manifest": f"{url}/manifest.json", "storage": storage}
        _spec(tmp_path, milvus_server, source, load={"mode": "replace"}, url=url, storage=storage)
        shown = mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json", env=env)
        assert "the files lie there already" in " ".join(shown.out.split())
        applied = mmc(tmp_path, "apply", *REPLACE, "plan.json", env=env, code=0 if seen else 1)
        assert seen or "MMC542" in applied.err
    assert _count(milvus_server, name) == ROWS - seen
