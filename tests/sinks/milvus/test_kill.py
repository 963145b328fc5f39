"""What is acknowledged survives `kill -9` of the process that holds the embedded database."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.milvus_lite import create_step, open_lite
from tests.sinks.milvus.collections import read, same, small, small_rows, write

pytestmark = pytest.mark.milvus_lite

WRITE = """
import sys
from pathlib import Path
from tests.servers.milvus_lite import a_split, copy_step, create_step, open_lite
from tests.sinks.milvus.collections import small, small_rows
collection = small()
with open_lite(Path(sys.argv[1])) as target:
    target.ensure(create_step(collection))
    for part in range(10_000):
        writer = target.writer(copy_step(collection), a_split(), replay=False)
        writer.write(small_rows(collection, list(range(part * 100, part * 100 + 100))))
        writer.commit()
        print(part, flush=True)
"""

CREATE = """
import sys
from pathlib import Path
from mmc.plan.ddl import DropCollection
from mmc.plan.model import Mode
from tests.servers.milvus_lite import create_step, open_lite
from tests.sinks.milvus.collections import small
with open_lite(Path(sys.argv[1])) as target:
    print("open", flush=True)
    for _ in range(10_000):
        target.drop_collection(DropCollection(id="drop", collection="c"))
        target.ensure(create_step(small(partitions=("p", "q")), Mode.REPLACE))
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_committed_rows_survive(tmp_path: Path, seed: int) -> None:
    commits = random.Random(seed).randint(3, 25)
    command = [sys.executable, "-c", WRITE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout
        for _ in range(commits):
            done = int(child.stdout.readline())
        child.kill()
    keys = list(range(done * 100 + 100))
    collection = small()
    with open_lite(tmp_path) as target:
        found = read(target, collection)["id"].to_pylist()
        assert found[: len(keys)] == keys, f"seed {seed}"
        assert target.count(collection) == len(found)
        # The next attempt writes all of it again, over what is there.
        rows = small_rows(collection, list(range(len(found) + 50)))
        write(target, collection, rows, replay=True)
        same(read(target, collection), rows)


@pytest.mark.parametrize("seed", range(3))
def test_a_create_or_drop_that_was_killed_can_be_done_again(tmp_path: Path, seed: int) -> None:
    command = [sys.executable, "-c", CREATE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout and child.stdout.readline() == b"open\n"
        wait = random.Random(seed).uniform(0.0, 0.3)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(wait)
        child.kill()
    collection = small(partitions=("p", "q"))
    rows = small_rows(collection, [1, 2])
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows, partition="q")
        same(read(target, collection), rows)
