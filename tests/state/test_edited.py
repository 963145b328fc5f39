"""Values of the state database that somebody edited: named with their place in every command that
reads them, never a traceback, and nothing outside of a target is touched.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from mmc.cli.main import run as command
from mmc.errors import StateDamaged
from mmc.state.lease import Lease
from mmc.state.ledger import Ledger
from mmc.state.store import Store
from tests.mutations import VALUES, paths
from tests.state.edited import SECONDS, Edited, make, no_longer_than, restore

COMMANDS: dict[str, list[str]] = {
    "latest": ["status"],
    "status": ["status", "RUN"],
    "list": ["state", "list"],
    "events": ["state", "show", "RUN", "--events"],
    "show": ["state", "show", "RUN"],
    "apply": ["apply", "PLAN"],
    "verify": ["verify", "PLAN"],
    "clean": ["clean", "RUN", "--force"],
    "unlock": ["state", "unlock", "RUN"],
    "forget": ["state", "forget", "RUN"],
}
NAMED = re.compile(r"MMC586|MMC587|MMC12\d|MMC64\d|MMC634|MMC635|MMC633")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Edited, Path]:
    folder = tmp_path_factory.mktemp("edited")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        base = make(folder)
    kept = tmp_path_factory.mktemp("kept")
    for name in ("out", "half", ".mmc"):
        shutil.copytree(folder / name, kept / name)
    return base, kept


@pytest.fixture
def edited(made: tuple[Edited, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Edited]:
    base, kept = made
    monkeypatch.chdir(base.folder)
    restore(base, kept)
    yield base
    base.check_outside()


def _run(args: list[str], name: str, edited: Edited, read: Callable[[], str]) -> tuple[int, str]:
    """A command, and what it said."""
    words = {"RUN": edited.runs[name], "PLAN": f"{name}.json"}
    with no_longer_than(SECONDS):
        code = command([words.get(word, word) for word in args])
    return code, read()


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    def read() -> str:
        captured = capsys.readouterr()
        return captured.out + captured.err

    return read


ALL = ["latest", "status", "list", "show", "apply", "verify", "clean"]
SPLIT = ["status", "show", "apply", "verify"]
STEP = ["status", "apply", "verify"]
READ = ["apply", "verify"]
RUNS, STEPS, SPLITS, LEASES = "mmc_runs", "mmc_steps", "mmc_splits", "mmc_leases"
ATTEMPTS, EVENTS, PROGRESS = "mmc_attempts", "mmc_events", "mmc_progress"
EDITS: list[tuple[str, str, Any, str, list[str]]] = [
    (RUNS, "status", "exploded", "is not one of running, applied", ALL),
    (RUNS, "status", b"\xff", "is not text", ALL),
    (RUNS, "started_at", "yesterday", "started_at is not a time, but yesterday", ALL),
    (RUNS, "started_at", 7, "started_at is not a time, but 7", ALL),
    (RUNS, "finished_at", "", "finished_at is not a time, but ''", ALL),
    (RUNS, "attempt", -1, "attempt is not a whole number from 1, but -1", ALL),
    (RUNS, "attempt", 2**62, "attempt is not a whole number from 1", ALL),
    (RUNS, "attempt", "x", "attempt is not a whole number from 1, but x", ALL),
    (RUNS, "target_key", "../../up", "target_key is not what mmc writes there", ALL),
    (RUNS, "plan_name", b"\xff\xfe", "plan_name is not text", ALL),
    (RUNS, "plan", "{", "plan cannot be read: not JSON", ["status", "clean"]),
    (RUNS, "plan", 5.5, "plan cannot be read: ", ["status", "clean"]),
    (RUNS, "plan", "[" * 100_000, "plan cannot be read: ", ["status", "clean"]),
    (STEPS, "status", "skipped", "status is not one of begun, done", STEP),
    (STEPS, "started_at", "soon", "started_at is not a time", STEP),
    (STEPS, "result", "{", "result is not as mmc writes it", STEP),
    (STEPS, "result", '{"rows": -1}', "result", STEP),
    (STEPS, "result", '{"own_properties": {"a": 1}}', "", STEP),
    (STEPS, "result", b"\x00", "result is not text", STEP),
    (STEPS, "kind", "verify", "result", STEP),
    (SPLITS, "status", "copied", "status is not one of begun, done", SPLIT),
    (SPLITS, "attempt", "one", "attempt is not a whole number from 1", SPLIT),
    (SPLITS, "rows_read", -4, "rows_read is not a whole number from 0, but -4", SPLIT),
    (SPLITS, "rows_written", 9.5, "rows_written is not a whole number", SPLIT),
    (SPLITS, "bytes_read", "many", "bytes_read is not a whole number", SPLIT),
    (SPLITS, "rows_written", 3, "digest is not that of 3 rows", READ),
    (SPLITS, "rows_filtered", 3, "its count is not right: 300 rows of split 0000", READ),
    (SPLITS, "digest", "ab:cd", "digest is not what mmc writes there", SPLIT),
    (SPLITS, "digest", "", "digest is not that of ", READ),
    (SPLITS, "split", "99999", "split 99999: split is not one of the ", READ),
    (SPLITS, "split", "../..", "split ../..: split is not one of the ", READ),
    (SPLITS, "files", "", "files is not as mmc writes it", SPLIT),
    (SPLITS, "files", "{}", "files is not as mmc writes it", SPLIT),
    (SPLITS, "files", '[{"path": "x"}]', "files[0]['bytes'] is not as", SPLIT),
    (SPLITS, "files", "[]", "files is not what it writes: rows/part-0000", READ),
    (SPLITS, "quarantine", b"\xff", "quarantine is not text", SPLIT),
    (SPLITS, "unmapped", "[]", "unmapped is not as mmc writes it", SPLIT),
    (SPLITS, "unmapped", '{"rows": -1, "names": []}', "unmapped['rows'] is not as", SPLIT),
    (SPLITS, "unmapped", '{"rows": 1, "names": [["a"]]}', "unmapped['names'][0]", SPLIT),
    (SPLITS, "unmapped", '{"rows": 999, "names": []}', "999 of them with values that no", READ),
    (SPLITS, "reasons", "[[1]]", "reasons[0][0] is not as mmc writes it", SPLIT),
    (SPLITS, "reasons", '[["a", "b", "c", -1]]', "reasons[0][3] is not as", SPLIT),
    (SPLITS, "reasons", '[["a", "b", "\\ud800", 1]]', "reasons is not as", SPLIT),
    (SPLITS, "reasons", '[["a", "b", "c", 7]]', "quarantined, but 7 with a reason", READ),
]
"""Table, column, value, what is said, and commands of the half-done run (of the complete one for
`apply`, where that reads no more) that say it.
"""


def _file(path: str) -> str:
    return json.dumps([{"path": path, "bytes": 1, "sha256": "", "rows": 10}])


EDITS += [
    (SPLITS, "files", _file(path), "files is not ", READ)
    for path in (
        "../victim/part-00000.parquet",
        "/etc/passwd",
        "rows/../../victim.parquet",
        "",
        "rows/part-00003.parquet",
        "s3://b/x",
    )
]


def _row(edited: Edited, table: str, name: str) -> int:
    """The first row of a run; of its steps one that is done and has a result, where one is."""
    if table == LEASES:
        edited.add_lease(name)
        return 1
    rows = [row for row in edited.rows(table) if row["run"] == edited.runs[name]]
    of_run = [row for row in rows if row.get("status") == "done"] or rows
    return int(of_run[0]["rowid"])


EDITS += [
    (LEASES, "owner", "nodashes", "owner is not what mmc writes there, but nodashes", ["apply"]),
    (LEASES, "pid", 0, "pid is not a whole number from 1, but 0", ["apply"]),
    (LEASES, "expires_at", "later", "expires_at is not a time, but later", ["apply"]),
    (LEASES, "host", b"\xff", "host is not text", ["apply"]),
    (ATTEMPTS, "pid", -1, "pid is not a whole number from 0, but -1", ["status", "list"]),
    (ATTEMPTS, "status", "odd", "status is not one of running,", ["status", "list"]),
    (ATTEMPTS, "started_at", 5, "started_at is not a time, but 5", ["status", "list"]),
    (ATTEMPTS, "owner", b"\xff", "owner is not text", ["status", "list"]),
    (EVENTS, "kind", "odd", "kind is not that of an event, but odd", ["events"]),
    (EVENTS, "fields", "{}", "fields['", ["events"]),
    (EVENTS, "at", "noon", "at is not a time, but noon", ["events"]),
    (PROGRESS, "seconds", float("inf"), "seconds is not a number from 0", ["status"]),
    (PROGRESS, "rows", -1, "rows is not a whole number from 0", ["status"]),
    (PROGRESS, "total_rows", "x", "total_rows is not a whole number from 0", ["status"]),
    (PROGRESS, "updated_at", "x", "updated_at is not a time", ["status"]),
]


def _names(value: Any) -> str:
    return repr(value)[:20]


@pytest.mark.parametrize(
    ("name", "table", "column", "value", "text", "by"),
    [
        ("half" if number % 2 or edit[0] == LEASES else "out", *edit)
        for number, edit in enumerate(EDITS)
    ],
    ids=_names,
)
def test_an_edited_value_is_named(
    edited: Edited,
    said: Callable[[], str],
    name: str,
    table: str,
    column: str,
    value: Any,
    text: str,
    by: list[str],
) -> None:
    edited.edit(table, column, value, _row(edited, table, name))
    said()
    for word in by:
        code, answer = _run(COMMANDS[word], name, edited, said)
        assert code == 1 and NAMED.search(answer), (word, answer)
        assert text in answer and edited.runs[name] in answer, (word, answer)
        assert "hint: " in answer
    code, answer = _run(COMMANDS["unlock"], name, edited, said)
    assert code == 0 and ("a process that cannot be told" in answer) == (table == LEASES)
    code, answer = _run(COMMANDS["forget"], name, edited, said)
    assert code == 0 and f"Forgot run {edited.runs[name]}" in answer
    left = [row for it in (RUNS, STEPS, SPLITS) for row in edited.rows(it)]
    assert edited.runs[name] not in {row["run"] for row in left}


def test_no_recorded_text_drives_the_terminal(edited: Edited, said: Callable[[], str]) -> None:
    for column in ("error", "plan_name"):
        edited.edit(RUNS, column, "a\x1b[2Jb\u202e", _row(edited, RUNS, "half"))
    said()
    for word in ("status", "list", "forget"):
        _, answer = _run(COMMANDS[word], "half", edited, said)
        assert "a?[2Jb?" in answer and "\x1b" not in answer and "\u202e" not in answer


def test_a_lease_of_a_target_without_a_run_names_its_row(
    edited: Edited, said: Callable[[], str]
) -> None:
    edited.add_lease("half")
    edited.edit(LEASES, "pid", "x", 1)
    with closing(sqlite3.connect(edited.database)) as base, base:
        base.execute("DELETE FROM mmc_runs WHERE run = ?", (edited.runs["half"],))
    _, answer = _run(COMMANDS["apply"], "half", edited, said)
    assert "then delete this row of the database" in answer


@pytest.mark.parametrize("value", ["two", 0, -3, 2.5, b"\xff"])
def test_an_edited_version_is_named(edited: Edited, said: Callable[[], str], value: Any) -> None:
    edited.edit("mmc_version", "version", value, 1)
    for word in COMMANDS:
        code, answer = _run(COMMANDS[word], "half", edited, said)
        assert code == 1 and "mmc_version: version is not a whole number" in answer
        assert "error[MMC586]" in answer and "hint: put the right value back" in answer
    (row,) = edited.rows("mmc_version")
    assert row["version"] == value


IMPORTS: list[tuple[dict[str, Any], str]] = [
    ({"status": "lost"}, "status is not one of intended, submitted, completed, but lost"),
    ({"splits": "00000"}, "splits is not as mmc writes it"),
    ({"splits": "[]"}, "splits is not a list of splits of which the first is the request"),
    ({"splits": '["00001", "00000"]'}, "of which the first is the request"),
    ({"splits": '["00000", "00000"]'}, "of which the first is the request"),
    ({"earlier": "{}"}, "earlier is not as mmc writes it"),
    ({"attempt": 0}, "attempt is not a whole number from 1, but 0"),
    ({"rows": -1}, "rows is not a whole number from 0, but -1"),
    ({"rows": "all"}, "rows is not a whole number"),
    ({"asked_at": "then"}, "asked_at is not a time, but then"),
    ({"task": ""}, "task is not the task of an import that is submitted, but ''"),
    ({"status": "intended"}, "task is not the task of an import that is intended, but 7"),
]


@pytest.mark.parametrize(("values", "text"), IMPORTS, ids=repr)
def test_an_edited_import_is_named(tmp_path: Path, values: dict[str, Any], text: str) -> None:
    with Store.open(f"sqlite:///{tmp_path}/state.db") as store:
        with Lease(store.database, "0" * 64, lambda event: None, heartbeat=False) as lease:
            ledger = Ledger(store.database, "r", "import.a", (lease.key, lease.owner))
            assert ledger.intend("00000", ["00000", "00001"]) and ledger.submitted("00000", "7")
        assert ledger.records()[0].task == "7"
        with pytest.raises(StateDamaged, match=r"import\.a, request 00000: splits has '00001'"):
            ledger.refuse_others(ledger.records(), ["00000"])
        ((column, value),) = values.items()
        with closing(sqlite3.connect(tmp_path / "state.db")) as base, base:
            base.execute(f"UPDATE mmc_imports SET {column} = ?", (value,))
        with pytest.raises(StateDamaged) as caught:
            ledger.records()
        assert text in str(caught.value) and caught.value.code == "MMC586"
        assert "run r, step import.a, request 00000: " in str(caught.value)


TABLES = [RUNS, STEPS, SPLITS, SPLITS, LEASES, ATTEMPTS, EVENTS, PROGRESS, "mmc_version"]


def _mutate(edited: Edited, chance: random.Random) -> str:
    """Changes a value or two, and says which."""
    done = []
    edited.add_lease(chance.choice(("half", "out")))
    for _ in range(chance.choice((1, 1, 2))):
        table = chance.choice(TABLES)
        row = chance.choice(edited.rows(table))
        column = chance.choice([name for name in row if name not in ("rowid", "id")])
        value = _other(row[column], [it[column] for it in edited.rows(table)], chance)
        try:
            edited.edit(table, column, value, row["rowid"])
        except sqlite3.IntegrityError:
            continue  # such a value the table does not take
        done.append(f"{table}.{column} of {row}: {value!r}")
    return "; ".join(done)


def _other(value: Any, others: list[Any], chance: random.Random) -> Any:
    """Another value: odd, or another row's, or the same JSON with one place changed."""
    kind = chance.random()
    if kind < 0.2:
        return chance.choice(others)
    if isinstance(value, str) and value[:1] in "[{" and kind < 0.7:
        with suppress(ValueError, KeyError, IndexError, TypeError, RecursionError):
            body = json.loads(value)
            *before, last = chance.choice(list(paths(body)))
            place = body
            for step in before:
                place = place[step]
            place[last] = chance.choice([*VALUES, "rows/../../victim.parquet", "victim"])
            return json.dumps(body)
    odd = [
        None,
        -1,
        0,
        7,
        2**62,
        1.5,
        "",
        "x",
        "../../victim",
        b"\xff",
        "[",
        "[" * 9_000,
        "\x1b[2J",
    ]
    return chance.choice([*odd, "2026-01-01", "done", "applied", "0" * 64, "[]", "null", "{}"])


def _fuzz(edited: Edited, kept: Path, said: Callable[[], str], seed: int, number: int) -> int:
    """Mutates, and runs commands; gives how often one of them named a value."""
    chance, named = random.Random(seed), 0
    for _ in range(number):
        restore(edited, kept)
        changed = _mutate(edited, chance)
        name = chance.choice(("half", "out"))
        words = chance.sample(sorted(COMMANDS), 3)
        try:
            for word in words:
                code, answer = _run(COMMANDS[word], name, edited, said)
                named += "MMC586" in answer
                assert code in (0, 1, 3, 4, 5), answer
                assert "\x1b" not in answer
            edited.check_outside()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {changed}: {words} {name}: {error!r}") from error
    return named


def test_mutated_rows_are_read_or_refused(
    edited: Edited, made: tuple[Edited, Path], said: Callable[[], str]
) -> None:
    assert _fuzz(edited, made[1], said, 1, 25) > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_many_mutated_rows_are_read_or_refused(
    edited: Edited, made: tuple[Edited, Path], said: Callable[[], str], seed: int
) -> None:
    assert _fuzz(edited, made[1], said, seed, 200) > 60
