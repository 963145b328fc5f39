"""A state store that this user may not write: what only reads works, with what is in SQLite's log,
and leaves nothing behind; what writes says what it may not.

Root may write everything, so there the commands run without that privilege.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc import api
from mmc.errors import StateError
from mmc.plan import codec
from mmc.plan.model import Plan
from mmc.state import snapshot as module
from mmc.state import sql
from mmc.state.snapshot import snapshot
from mmc.state.store import Access, Store

UNPRIVILEGED = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
    if hasattr(os, "geteuid") and os.geteuid() == 0
    else []
)
COMMANDS = """
import contextlib, io, json, os, sys
from mmc.cli.main import run
for folder, *command in json.load(sys.stdin):
    os.chdir(folder)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = run(command)
    print(json.dumps([code, " ".join(out.getvalue().split())]), flush=True)
"""

Make = Callable[[Path, Plan], None]


def _closed(state: Path, other: Plan) -> None:
    with Store.open(f"sqlite:///{state}") as store:
        store.begin_run(other)


def _killed(state: Path, other: Plan) -> None:
    """What a killed process leaves: the run of the other plan is in the log only."""
    live = state.with_name("live.db")
    state.rename(live)
    with Store.open(f"sqlite:///{live}") as store:
        store.begin_run(other)
        for end in ("", "-wal", "-shm"):
            shutil.copyfile(f"{live}{end}", f"{state}{end}")
    live.unlink()


def _no_index(state: Path, other: Plan) -> None:
    _killed(state, other)
    Path(f"{state}-shm").unlink()


def _no_readable_index(state: Path, other: Plan) -> None:
    _killed(state, other)
    Path(f"{state}-shm").chmod(0)


def _old(state: Path, other: Plan) -> None:
    """Of version 1, which had a table less."""
    _closed(state, other)
    database = sql.Database(f"sqlite:///{state}")
    with database.writing() as connection:
        connection.execute(sql.versions.update().values(version=1))
        connection.exec_driver_sql("DROP TABLE mmc_imports")
    database.close()


STORES: tuple[Make, ...] = (_closed, _killed, _no_index, _no_readable_index, _old)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """For each store a folder where a plan was applied and another begun, which are read-only."""
    root = tmp_path_factory.mktemp("stores")
    pq.write_table(pa.table({"id": [1, 2], "n": [3, 4]}), root / "rows.parquet")
    made = {}
    for make in STORES:
        folder = root / make.__name__
        folder.mkdir()
        spec = {
            "version": 1,
            "source": {"type": "files", "path": str(root / "rows.parquet")},
            "target": {"type": "files", "url": str(folder / "out")},
        }
        (folder / "spec.yaml").write_text(json.dumps(spec))
        plan = api.make_plan(api.load_spec(folder / "spec.yaml"))
        api.write_plan(plan, folder / "plan.json")
        state = folder / ".mmc" / "state.db"
        api.apply_plan(plan, state=f"sqlite:///{state}", directory=folder / ".mmc")
        make(state, replace(plan, name="other"))
        made[make.__name__] = folder
    everything = [root, *root.rglob("*")]
    for path in everything:
        path.chmod(path.stat().st_mode & ~0o222)
    yield made
    for path in everything:
        path.chmod(0o755)


def _run(commands: list[list[str]], before: list[str] = UNPRIVILEGED) -> list[tuple[int, str]]:
    done = subprocess.run(
        [*before, sys.executable, "-c", COMMANDS],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    return [(code, said) for code, said in map(json.loads, done.stdout.splitlines())]


def _content(folder: Path) -> dict[str, Any]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


def test_what_reads_and_what_writes(folders: dict[str, Path]) -> None:
    root = folders["_closed"].parent
    before = _content(root)
    digests = {name: codec.digest(api.read_plan(folders[name] / "plan.json")) for name in folders}
    reads = [["status"], ["state", "list"], ["verify", "plan.json"]]
    commands = [
        [str(folder), *command]
        for name, folder in folders.items()
        for command in (*reads, ["state", "show", digests[name][:12]])
    ]
    run = digests["_closed"][:12]
    writes = [
        ["state", "forget", run],
        ["state", "unlock", run],
        ["clean", run],
        ["apply", "plan.json"],
    ]
    commands += [[str(folders["_closed"]), *command] for command in writes]
    done = _run(commands)
    assert _content(root) == before
    for command, (code, said) in zip(commands, done, strict=True):
        if command[1:] in writes:
            assert code == 1, said
            assert "this user cannot write to state.db" in said and "only read" in said
            continue
        assert code == 0, f"{command}: {said}"
        if command[1:] == ["state", "list"]:
            assert said.count("other") == 1 and digests[Path(command[0]).name][:12] in said
        if command[1] == "verify":
            assert "verified" in said.lower()


def test_only_the_folder_may_not_be_written_or_nothing_be_read(folders: dict[str, Path]) -> None:
    """SQLite makes files beside it."""
    state = folders["_closed"] / ".mmc" / "state.db"
    state.chmod(0o644)
    try:
        folder = str(folders["_closed"])
        (apply, said), (status, _) = _run([[folder, "apply", "plan.json"], [folder, "status"]])
        assert apply == 1 and "this user cannot write to its folder" in said
        assert status == 0
        state.chmod(0)
        ((status, said),) = _run([[folder, "status"]])
        assert status == 1 and "for the permission to read it" in said
    finally:
        state.chmod(0o444)


MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
"""Nobody outside of it sees the mount, and it ends with the process."""


@pytest.mark.skipif(not UNPRIVILEGED, reason="mounting needs root")
def test_a_disk_that_is_mounted_read_only(folders: dict[str, Path]) -> None:
    """With the privilege to write everything."""
    root = folders["_closed"].parent
    mounted = ["unshare", "--mount", "sh", "-c", MOUNTED, str(root)]
    if subprocess.run([*mounted, "true"], capture_output=True, timeout=60).returncode:
        pytest.skip("this machine lets nobody mount")
    commands = [[str(folder), "state", "list"] for folder in folders.values()]
    done = _run([*commands, [str(folders["_closed"]), "apply", "plan.json"]], mounted)
    assert [code for code, _ in done] == [0] * len(folders) + [1]
    assert all("other" in said for _, said in done[:-1])
    assert "this user cannot write to state.db" in done[-1][1]


def test_a_store_that_is_open_elsewhere(tmp_path: Path, folders: dict[str, Path]) -> None:
    plan = api.read_plan(folders["_closed"] / "plan.json")
    state = tmp_path / "state.db"
    with Store.open(f"sqlite:///{state}") as store:
        for number in range(3):
            store.begin_run(replace(plan, name=f"run {number}"))
            with closing(snapshot(state)) as found:
                assert found.execute("SELECT count(*) FROM mmc_runs").fetchone() == (number + 1,)


def test_a_store_that_is_written_meanwhile(
    tmp_path: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its index there is no lock that would tell: the files are compared."""
    state = tmp_path / "state.db"
    shutil.copyfile(folders["_closed"] / ".mmc" / "state.db", state)
    copied = 0

    def copy(source: Path, target: Path) -> None:
        nonlocal copied
        copied += 1
        target.write_bytes(source.read_bytes())
        if copied < rounds:
            with closing(module.sqlite3.connect(state)) as writer:
                writer.execute("PRAGMA journal_mode=DELETE")
                writer.execute("UPDATE mmc_runs SET error = error || 'x'")
                writer.commit()

    monkeypatch.setattr(module.shutil, "copyfile", copy)
    rounds = 3
    with closing(snapshot(state)) as found:
        assert found.execute("SELECT DISTINCT error FROM mmc_runs").fetchall() == [("xx",)]
    rounds = 100
    with pytest.raises(StateError, match="it is being written") as caught:
        snapshot(state)
    assert "permission to read" in caught.value.hint


@pytest.mark.parametrize("make", STORES, ids=lambda make: make.__name__.strip("_"))
def test_a_snapshot_is_whole(folders: dict[str, Path], make: Make) -> None:
    with closing(snapshot(folders[make.__name__] / ".mmc" / "state.db")) as found:
        assert found.execute("SELECT count(*) FROM mmc_runs").fetchone() == (2,)


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    for access in (Access.READ, Access.CHANGE):
        with (
            pytest.raises(StateError, match="no state store"),
            Store.open(f"sqlite:///{tmp_path}/state.db", access),
        ):
            pass
    assert not list(tmp_path.iterdir())
