"""An apply that is cut off from its state stops writing before another may take over."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.mmc_command import TIMEOUT, mmc
from tests.servers.cuttable import cuttable
from tests.servers.mariadb import MariaDB
from tests.servers.milvus_server import MilvusServer
from tests.zygote.client import Command

ROWS = 8_000
SLOW = """
import sys, time
from mmc.sinks.milvus.insert.writer import InsertWriter
send = InsertWriter._send_once
def slow(writer, batch):
    time.sleep(1.5)
    send(writer, batch)
InsertWriter._send_once = slow
from mmc.cli.main import main
main(["apply", "plan.json", "--state", sys.stdin.read()])
"""


def _count(server: MilvusServer, name: str) -> int:
    from pymilvus import MilvusClient

    client = MilvusClient(server.uri)
    try:
        found = client.query(name, output_fields=["count(*)"], consistency_level="Strong")
        return int(found[0]["count(*)"])
    finally:
        client.close()


@pytest.mark.slow
def test_an_apply_without_its_state_is_no_match_for_the_next(
    tmp_path: Path, milvus_server: MilvusServer, mysql_database: MariaDB
) -> None:
    """Not a row is there twice, also while the first apply still lives."""
    np.save(tmp_path / "rows.npy", np.random.default_rng(5).normal(size=(ROWS, 16)).astype("f4"))
    name = f"fence_{os.getpid()}"
    (tmp_path / "spec.yaml").write_text(
        "version: 1\nsource: {type: files, path: rows.npy}\n"
        f"target: {{type: milvus, uri: '{milvus_server.uri}'}}\n"
        f"collections: [{{to: {name}}}]\nload: {{batch_bytes: 16384}}\n"
    )
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    with cuttable(mysql_database.port) as way:
        read_end, write_end = os.pipe()
        os.write(write_end, replace(mysql_database, port=way.port).url.encode())
        os.close(write_end)
        env = {**os.environ, "NO_COLOR": "1"}
        first = Command(tmp_path, program=SLOW, env=env, stdin=read_end)
        os.close(read_end)
        time.sleep(10)
        assert first.poll() is None
        way.cut()
        deadline = time.monotonic() + 120
        while True:
            second = Command(
                tmp_path, ["apply", "plan.json", "--state", mysql_database.url], env=env
            )
            out, err = second.communicate(TIMEOUT)
            if second.wait() != 5:
                break
            assert time.monotonic() < deadline, "the lease was never free"
            time.sleep(1)
        assert second.returncode == 0, out + err
        assert "MMC621" in err and f"verified, {ROWS:,} rows" in out + err
        assert _count(milvus_server, name) == ROWS
        way.mend()
        _, err = first.communicate(TIMEOUT)
        assert first.returncode == 5 and "MMC623" in err
    assert _count(milvus_server, name) == ROWS
    mmc(tmp_path, "verify", "plan.json", "--state", mysql_database.url)
