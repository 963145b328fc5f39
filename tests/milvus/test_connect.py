"""Opening: addresses, databases in use or broken, servers that are not there, secrets, noise."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mmc.errors import PluginMissing, SecretError, TargetError
from mmc.milvus.connect import address_of
from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from mmc.sinks.milvus.options import MilvusTargetOptions
from tests.servers.milvus_lite import create_step, lite_options, open_lite, options_at
from tests.sinks.milvus.collections import read, same, small, small_rows, write


def test_the_sink_says_what_it_is() -> None:
    sink = MilvusInsertSink()
    assert (sink.type, sink.route) == ("milvus", "insert")


@pytest.mark.parametrize(
    "uri", ["milvus", "./x.txt", "ftp://host/x", "file:///x.db", "s3://b/x.db"]
)
def test_no_address(uri: str) -> None:
    with pytest.raises(TargetError, match="no Milvus address") as caught:
        address_of(options_at(uri))
    assert caught.value.code == "MMC502"


def test_addresses() -> None:
    server = address_of(options_at("http://root:secret@host:19530/x.db", timeout=5))
    assert (server.path, server.timeout) == (None, 5)
    assert (server.shown, server.database) == ("http://host:19530", "x.db")
    both = address_of(options_at("https://host/one/", database="two"))
    assert (both.uri, both.database) == ("https://host", "two")
    lite = address_of(options_at("a/b.db", timeout=5))
    assert lite.path == Path.cwd() / "a" / "b.db"
    assert lite.timeout > 5
    assert address_of(options_at("~/b.db")).path == Path.home() / "b.db"


def test_inspect_makes_nothing(tmp_path: Path) -> None:
    options = lite_options(tmp_path / "not" / "there")
    facts = MilvusInsertSink().inspect(options, ["c"])
    assert list(tmp_path.iterdir()) == []
    assert facts.version.startswith("milvus-lite 3.")
    assert facts.collections == ()
    assert facts.capabilities.embedded
    assert facts.capabilities.varchar_unit == "characters"


@pytest.mark.milvus_lite
def test_open_makes_the_folder_and_its_parents(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    with open_lite(folder) as target:
        target.ensure(create_step(small()))
    assert (folder / "test.db").is_dir()
    same_facts = MilvusInsertSink().inspect(lite_options(folder), ["c"])
    assert same_facts.version == MilvusInsertSink().inspect(lite_options(tmp_path), []).version


def test_a_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "test.db").write_bytes(b"SQLite format 3")
    with pytest.raises(TargetError, match="is a file") as caught, open_lite(tmp_path):
        pass
    assert caught.value.code == "MMC504"
    with pytest.raises(TargetError, match="is a file"):
        inspect(tmp_path)
    assert (tmp_path / "test.db").read_bytes() == b"SQLite format 3"


def inspect(folder: Path) -> object:
    return MilvusInsertSink().inspect(lite_options(folder), [])


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(TargetError, match="cannot open"), open_lite(tmp_path / "f"):
        pass


HOLD = """
import sys
from pathlib import Path
from tests.servers.milvus_lite import open_lite
with open_lite(Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.mark.milvus_lite
def test_a_database_that_another_process_has_open(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"open\n"
        with pytest.raises(TargetError, match="open in another process") as caught:
            inspect(tmp_path)
        assert caught.value.code == "MMC501"
        assert str(tmp_path) in str(caught.value)
        holder.communicate()
    inspect(tmp_path)


@pytest.mark.milvus_lite
def test_the_same_database_twice_in_one_process(tmp_path: Path) -> None:
    collection = small()
    rows = small_rows(collection, [1, 2])
    with open_lite(tmp_path) as one:
        one.ensure(create_step(collection))
        with open_lite(tmp_path) as other:
            write(other, collection, rows)
        # The inner close must not stop the server under the outer one, nor must an inspect.
        assert MilvusInsertSink().inspect(lite_options(tmp_path), ["c"]).collections[0].rows == 2
        same(read(one, collection), rows)
    with open_lite(tmp_path) as again:
        same(read(again, collection), rows)


@pytest.mark.milvus_lite
def test_close_leaves_nothing_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with open_lite(tmp_path) as target:
        target.ensure(create_step(small()))
    left = {thread for thread in set(threading.enumerate()) - before if not thread.daemon}
    for thread in left:
        thread.join(5)
    assert not [thread for thread in left if thread.is_alive()]


def server(**more: object) -> MilvusTargetOptions:
    return options_at("http://u:hunter22@127.0.0.1:1", timeout=0.3, **more)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(TargetError, match=r"cannot connect to http://127\.0\.0\.1:1") as caught:
        MilvusInsertSink().inspect(server(), [])
    assert caught.value.code == "MMC500"
    assert "hunter22" not in str(caught.value)


def test_a_secret_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    with pytest.raises(SecretError, match="NO_SUCH_TOKEN") as caught:
        MilvusInsertSink().inspect(server(token={"secret": "env:NO_SUCH_TOKEN"}), [])
    assert caught.value.code == "MMC645"


def test_without_pymilvus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(PluginMissing, match="pymilvus") as caught, open_lite(tmp_path):
        pass
    assert caught.value.hint == "pip install 'mmc[milvus]'"


QUIET = """
import sys
from pathlib import Path
from mmc.errors import TargetError
from mmc.types import Collection
from tests.servers.milvus_lite import create_step, open_lite
from tests.sinks.milvus.collections import field, small, small_rows, write, read
with open_lite(Path(sys.argv[1])) as target:
    target.ensure(create_step(small()))
    write(target, small(), small_rows(small(), [1, 2]))
    read(target, small())
    for call in (lambda: target.count(Collection("no", small().fields)),
                 lambda: write(target, small(), small_rows(small(), [3], text="x" * 200))):
        try:
            call()
        except TargetError:
            continue
        raise AssertionError("no error")
try:
    with open_lite(Path(sys.argv[1]) / "test.db" / "LOCK"):
        raise AssertionError("no error")
except TargetError:
    pass
"""


@pytest.mark.milvus_lite
def test_nothing_is_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", QUIET, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.milvus_lite
def test_a_call_that_takes_too_long(tmp_path: Path) -> None:
    collection = small()
    rows = small_rows(collection, list(range(20_000)))
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        target._connection.timeout = 0.001
        with pytest.raises(TargetError, match=r"insert c: .*still be running") as caught:
            write(target, collection, rows)
        assert (caught.value.code, caught.value.retryable) == ("MMC526", False)
        target._connection.timeout = 60.0
        # The abandoned call ends by itself; closing the database under it is not the point here.
        patience = time.monotonic() + 3
        while target.count(collection) < 20_000 and time.monotonic() < patience:
            time.sleep(0.05)
