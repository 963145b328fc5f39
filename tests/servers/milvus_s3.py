"""A real Milvus 2.3.5 whose own storage is a bucket of an S3 server (moto, in its own process).

Most clusters run this way. Files for its bulk import are put into that bucket, and named by key.
A conftest.py takes `milvus_on_s3` by import.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmc.types import JsonValue
from tests.servers import milvus_server as servers
from tests.servers.milvus_server import MilvusServer
from tests.servers.s3 import Bucket, bucket_at, make_bucket, start_s3

BUCKET = "milvus-bucket"
ROOT = "files"


@dataclass(frozen=True, slots=True)
class MilvusOnS3:
    """The server, and its bucket, in which it keeps its own files below `ROOT`."""

    server: MilvusServer
    bucket: Bucket

    @property
    def uri(self) -> str:
        return self.server.uri


@pytest.fixture(scope="session")
def milvus_on_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusOnS3]:
    """One pair of servers for all workers of a test run: give collections and keys names of your
    own, and do not kill it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with shared_milvus_on_s3(folder / "milvus-s3") as pair:
        yield pair


@contextmanager
def shared_milvus_on_s3(folder: Path) -> Iterator[MilvusOnS3]:
    """The first process that asks starts both; they end when the last has left, or has died."""
    servers.require_server()
    store = folder / "s3"
    store.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with (folder / "starting").open("ab") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            stack.enter_context(servers.held(store))
            stack.enter_context(servers.held(folder))
            server = servers._running(folder)
            if server is None:
                server = _start(folder, store)
        port = int((store / "port").read_text())
        yield MilvusOnS3(server, bucket_at(f"http://127.0.0.1:{port}", BUCKET))


def _start(folder: Path, store: Path) -> MilvusServer:
    port = start_s3(store)
    (store / "port").write_text(str(port))
    bucket = make_bucket(f"http://127.0.0.1:{port}", BUCKET)
    server = servers._configured(folder, {})
    _use_s3(folder / "configs" / "milvus.yaml", port, bucket.storage)
    server.start()
    return server


def _use_s3(config: Path, port: int, storage: dict[str, JsonValue]) -> None:
    """Exchanges what the wheel's template says of storage, by its exact lines."""
    text = config.read_text(encoding="utf-8")
    for old, new in (
        ("  storageType: local ", "  storageType: minio "),
        ("  address: localhost # Address of MinIO/S3", "  address: 127.0.0.1"),
        ("  port: 9000 # Port of MinIO/S3", f"  port: {port}"),
        ("  accessKeyID: minioadmin ", f"  accessKeyID: {storage['key']} "),
        ("  secretAccessKey: minioadmin ", f"  secretAccessKey: {storage['secret']} "),
        ("  bucketName: a-bucket ", f"  bucketName: {BUCKET} "),
        ("  rootPath: files ", f"  rootPath: {ROOT} "),
    ):
        assert text.count(old) == 1, f"the template of the wheel has changed: {old}"
        text = text.replace(old, new)
    config.write_text(text, encoding="utf-8")
