"""What every command shares: exit codes, cheap start, JSON, environment, prompts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from mmc.cli.main import COMMANDS, main, run
from mmc.secrets import SecretRef, resolve

HEAVY = {
    "duckdb",
    "faiss",
    "fsspec",
    "h5py",
    "milvus_lite",
    "numpy",
    "pandas",
    "pyarrow",
    "pymilvus",
    "sqlalchemy",
}
SPEC = """
version: 1
source: {type: files, path: vectors.npy}
target: {type: files, url: out}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("vectors.npy", np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32))
    Path("spec.yaml").write_text(SPEC)
    return tmp_path


LOADED = """
import atexit, gc, sys
def show():
    print("|".join({name.partition(".")[0] for name in sys.modules}), gc.get_freeze_count() > 0)
atexit.register(show)
"""
"""Says at the end, after what mmc does at the end, which modules a process has."""


def _loaded_by(*args: str, code: str = "from mmc.cli.main import main; main(sys.argv[1:])") -> str:
    done = subprocess.run([sys.executable, "-c", LOADED + code, *args], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr and b"leak" not in done.stderr
    return done.stdout.decode().splitlines()[-1]


def _modules(*args: str, **how: str) -> set[str]:
    return set(_loaded_by(*args, **how).partition(" ")[0].split("|"))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_no_client_library(command: str) -> None:
    loaded = _modules(*filter(None, [command, "--help"]))
    assert loaded.isdisjoint(HEAVY)


ARROW = {"numpy", "pyarrow"}


@pytest.mark.parametrize(
    ("command", "loaded"),
    [
        ("validate spec.yaml where.yaml milvus.yaml", set()),
        ("plan spec.yaml", ARROW),
        ("plan where.yaml", ARROW),
        ("plan milvus.yaml", ARROW),
        ("inspect spec.yaml", ARROW),
        ("preview spec.yaml", ARROW),
        ("show plan.json", set()),
        ("plugins", set()),
        ("apply plan.json", {*ARROW, "sqlalchemy"}),
        ("apply where.yaml --yes", {*ARROW, "sqlalchemy"}),
        ("status --state sqlite:///there.db", {"sqlalchemy"}),
    ],
)
def test_a_command_loads_what_it_uses(folder: Path, command: str, loaded: set[str]) -> None:
    where = 'collections: [{where: "vector[1] > 0", rest: map}]\n'
    Path("where.yaml").write_text(SPEC.replace("url: out", "url: some") + where)
    Path("milvus.yaml").write_text(SPEC.replace("files, url: out", "milvus, uri: ./not_there.db"))
    if "plan.json" in command or "status" in command:
        assert run(["plan", "spec.yaml", "-o", "plan.json"]) == 0
    if "status" in command:
        assert run(["apply", "plan.json", "--state", "sqlite:///there.db"]) == 0
    said = _loaded_by(*command.split())
    modules, frozen = said.split(" ")
    assert HEAVY & set(modules.split("|")) == loaded
    assert frozen == str("duckdb" not in loaded), "the objects are left, or taken apart at the end"


@pytest.mark.milvus_lite
def test_a_milvus_target_brings_what_its_client_brings(folder: Path) -> None:
    Path("milvus.yaml").write_text(SPEC.replace("files, url: out", "milvus, uri: ./words.db"))
    client = _modules(code="import pymilvus; pymilvus.MilvusClient('other.db').close()")
    assert HEAVY & _modules("apply", "milvus.yaml", "--yes") <= {*ARROW, "sqlalchemy"} | client
    Path("milvus.yaml").write_text(
        SPEC.replace("files, url: out", "milvus, uri: ./words.db") + "load: {mode: append}\n"
    )
    looked = HEAVY & _modules("plan", "milvus.yaml")
    assert "pymilvus" in looked and looked <= ARROW | client


def test_every_command_has_a_module_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in COMMANDS.items():
        assert run([name, "--help"]) == 0
        assert name in capsys.readouterr().out
        assert text.endswith(".")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["plam"], "did you mean `plan`?"),
        (["plan"], "SPEC"),
        (["plan", "none.yaml"], "none.yaml"),
        (["plan", "spec.yaml", "--nonsense"], "--nonsense"),
        (["plan", "spec.yaml", "--var", "x"], "K=V"),
        (["preview", "spec.yaml", "-n", "0"], "0"),
        (["validate", "--format", "xml"], "xml"),
    ],
)
def test_usage_errors_are_64(
    folder: Path, args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(args) == 64
    assert said in capsys.readouterr().err


def test_validate_counts_and_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate"]) == 0
    assert "1 spec is valid." in capsys.readouterr().out
    Path("bad.yaml").write_text(SPEC.replace("target", "traget"))
    assert run(["validate", "."]) == 1
    said = capsys.readouterr().err
    assert "bad.yaml:4:1" in said and "`target`" in said
    for format_ in ("concise", "github", "sarif", "junit", "markdown", "json"):
        assert run(["validate", "bad.yaml", "--format", format_]) == 1
        assert "MMC" in capsys.readouterr().out, format_


def test_plan_says_what_there_is_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "spec.yaml", "-o", "plan.json"]) == 0
    assert "mmc apply plan.json" in capsys.readouterr().out
    assert run(["plan", "spec.yaml", "--detailed-exitcode"]) == 2
    capsys.readouterr()
    assert run(["show", "plan.json"]) == 0
    assert "50 rows" in capsys.readouterr().out


def test_offline_plan_equals_the_online_one(folder: Path) -> None:
    assert run(["inspect", "spec.yaml", "-o", "facts.json"]) == 0
    assert run(["plan", "spec.yaml", "-o", "one.json"]) == 0
    Path("vectors.npy").rename("away.npy")
    assert run(["plan", "spec.yaml", "--facts", "facts.json", "-o", "two.json"]) == 0
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("path: vectors.npy", "path: others.npy"), 'source files {"'),
        (("type: files, path", "type: faiss, path"), "this spec says faiss {"),
        (("url: out", "url: elsewhere"), "target files {"),
        (("url: out", "url: out, format: numpy"), '"format": "numpy"'),
    ],
)
def test_facts_of_another_end_are_refused(
    folder: Path, change: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", "spec.yaml", "-o", "facts.json"]) == 0
    assert change[0] in SPEC
    Path("spec.yaml").write_text(SPEC.replace(*change))
    assert run(["plan", "spec.yaml", "--facts", "facts.json", "-o", "plan.json"]) == 1
    err = capsys.readouterr().err
    assert "MMC317" in err and said in err
    assert not Path("plan.json").exists()


def test_diff_of_plans(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["plan", "spec.yaml", "-o", "one.json"])
    Path("spec.yaml").write_text(SPEC + "collections: [{to: other}]\n")
    run(["plan", "spec.yaml", "-o", "two.json"])
    assert run(["diff", "one.json", "one.json"]) == 0
    capsys.readouterr()
    assert run(["diff", "one.json", "two.json"]) == 1
    assert "+" in capsys.readouterr().out


@pytest.mark.parametrize("format_", ["concise", "github", "sarif", "junit", "markdown"])
def test_a_document_is_all_that_is_on_stdout(
    folder: Path, format_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.yaml").write_text(SPEC + "collections: [{fields: [{to: nothing}]}]\n")
    for spec, code in (("spec.yaml", 0), ("bad.yaml", 1)):
        assert run(["plan", spec, "--format", format_]) == code
        said = capsys.readouterr()
        assert "Plan vectors" not in said.out
        assert ("MMC339" in said.out) == bool(code)
        assert said.err == ("" if code == 0 else "error: 1 error\n")
        if format_ == "sarif":
            assert len(json.loads(said.out)["runs"][0]["results"]) >= code
        if format_ == "junit":
            assert ElementTree.fromstring(said.out).tag == "testsuites"


def test_a_plan_is_no_spec_and_a_spec_no_plan(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["plan", "spec.yaml", "-o", "plan.json"])
    capsys.readouterr()
    for command in ("show", "verify"):
        assert run([command, "spec.yaml"]) == 1
        assert "mmc plan spec.yaml -o spec.plan.json" in capsys.readouterr().err
    for command in ("plan", "validate", "preview", "inspect", "fmt"):
        assert run([command, "plan.json"]) == 1
        assert "plan.json is a plan" in capsys.readouterr().err, command


def test_version_is_a_command_and_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("mmc 0.")
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == said


def _shell(line: str, **env: str) -> subprocess.CompletedProcess[str]:
    line = line.replace("mmc ", f"{sys.executable} -m mmc.cli.main ")
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        errors="replace",
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_of_any_encoding(folder: Path, encoding: str) -> None:
    Path("bad.yaml").write_text("version: 1\nname: \u00fc \u20ac \U0001f600\n", encoding="utf-8")
    for format_ in ("full", "markdown", "json"):
        done = _shell(f"mmc validate bad.yaml --format {format_}", PYTHONIOENCODING=encoding)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "MMC2" in done.stdout + done.stderr


def test_a_reader_that_goes_away(folder: Path) -> None:
    done = _shell("mmc schema | true")
    assert (done.returncode, done.stderr) == (141, "")
    assert run(["plan", "spec.yaml", "-o", "plan.json"]) == 0
    done = _shell("mmc show plan.json | true")
    assert done.returncode == 141 and "Traceback" not in done.stderr


def test_a_plan_to_stdout_is_nothing_else(folder: Path) -> None:
    assert run(["plan", "spec.yaml", "-o", "plan.json"]) == 0
    done = _shell("mmc plan spec.yaml -o -")
    assert done.stdout == Path("plan.json").read_text()
    assert not Path("-").exists()


def test_flags_by_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MMC_PLAN_FORMAT", "concise")
    assert run(["plan", "spec.yaml"]) == 0
    assert "\nplan spec: 2 to create" in capsys.readouterr().out
    monkeypatch.setenv("MMC_APPLY_STATE", "sqlite:///here.db")
    monkeypatch.setenv("MMC_APPLY_YES", "1")
    assert run(["apply", "spec.yaml"]) == 0
    assert Path("here.db").exists()
    monkeypatch.setenv("MMC_STATE_LIST_STATE", "sqlite:///here.db")
    assert run(["state", "list"]) == 0


def test_yaml_of_other_tools_is_left_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "services:\n    db: {image: postgres, volumes: [{source: a, target: b}]}\n"
    Path("compose.yaml").write_text(other)
    assert run(["validate"]) == 0
    assert "1 spec is valid. Left alone: 1 YAML file" in capsys.readouterr().out
    assert run(["fmt", "."]) == 0
    assert Path("compose.yaml").read_text() == other
    assert run(["validate", "compose.yaml"]) == 1, "a file that is named is checked"


def test_nobody_is_asked_where_nobody_sits(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["apply", "spec.yaml", "--no-input"]) == 1
    assert "--yes" in capsys.readouterr().err
    assert not Path("out").exists()


def test_replace_needs_more_than_yes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["apply", "spec.yaml", "--yes"]) == 0
    Path("spec.yaml").write_text(SPEC + "load: {mode: replace}\n")
    assert run(["plan", "spec.yaml", "-o", "plan.json"]) == 0
    capsys.readouterr()
    assert run(["apply", "plan.json", "--yes"]) == 1
    assert "--allow-replace" in capsys.readouterr().err
    assert run(["apply", "plan.json", "--no-input"]) == 1
    assert run(["apply", "plan.json", "--yes", "--allow-replace"]) == 0


def test_a_changed_source_makes_the_plan_stale(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["plan", "spec.yaml", "-o", "plan.json"])
    np.save("vectors.npy", np.ones((51, 8), np.float32))
    capsys.readouterr()
    assert run(["apply", "plan.json"]) == 4
    assert "vectors.npy" in capsys.readouterr().err
    assert not list(Path("out").rglob("part*"))


def test_json_is_json_on_every_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["apply", "spec.yaml", "--yes", "--json", "--json-into", "events.ndjson"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["type"] == "started" and "schema_version" in lines[0]
    assert {"planned", "run_started", "verified", "run_finished"} <= {
        line["type"] for line in lines
    }
    into = [json.loads(line) for line in Path("events.ndjson").read_text().splitlines()]
    assert [line["type"] for line in into] == [line["type"] for line in lines]
    assert run(["apply", "spec.yaml", "--json"]) == 1
    failed = [json.loads(line) for line in capsys.readouterr().out.splitlines()][-1]
    assert failed["type"] == "failed" and failed["exit_code"] == 1


def test_state_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["status"], ["state", "list"], ["state", "show", "r"], ["verify", "spec.yaml"]):
        assert run(args) == 1
    assert not Path(".mmc").exists()
    capsys.readouterr()
    assert run(["status"]) == 1
    assert "error[MMC643]: no state store at sqlite:///.mmc/state.db" in capsys.readouterr().err
    assert run(["apply", "spec.yaml", "--yes"]) == 0
    capsys.readouterr()
    assert run(["state", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (found,) = [row for row in rows if "run" in row]
    assert found["status"] == "applied"
    assert run(["state", "show", found["run"][:6]]) == 0
    assert "00000" in capsys.readouterr().out
    assert run(["status", found["run"]]) == 0
    assert "1 of 1 split, 50 of 50 rows written" in capsys.readouterr().out
    assert run(["state", "unlock", found["run"]]) == 0
    assert run(["state", "forget", found["run"]]) == 0
    capsys.readouterr()
    assert run(["state", "show", found["run"]]) == 1
    assert "no run" in capsys.readouterr().err


def test_secrets_stay_out_of_everything(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "s3cr3t-value-of-a-token"
    monkeypatch.setenv("MY_TOKEN", secret)
    Path("spec.yaml").write_text(
        "version: 1\nsource: {type: files, path: vectors.npy}\n"
        "target: {type: files, url: out, storage: {token: {secret: env:MY_TOKEN}}}\n"
    )
    assert run(["apply", "spec.yaml", "--yes", "--json-into", "e.ndjson", "--report", "r.md"]) == 0
    shown = capsys.readouterr()
    assert secret not in shown.out + shown.err
    for path in folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_a_bug_is_shown_without_the_secret_it_quotes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cr3t-value-of-a-token")
    token = resolve(SecretRef("env", "MY_TOKEN"))
    monkeypatch.setattr(sys, "argv", ["mmc", "version"])
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    with pytest.raises(SystemExit):
        main()
    error = ValueError(f"Invalid header value b'Bearer {token}'")
    sys.excepthook(ValueError, error, None)
    assert capsys.readouterr().err == "ValueError: Invalid header value b'Bearer ***'\n"


def test_environment_sets_flags(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMC_PLAN_DETAILED_EXITCODE", "1")
    assert run(["plan", "spec.yaml"]) == 2


def test_preview_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["preview", "spec.yaml", "-n", "2"]) == 0
    assert "2 rows" in capsys.readouterr().out
    assert not Path("out").exists()


def test_schema_and_version_and_plugins(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what in ("spec", "plan"):
        assert run(["schema", what]) == 0
        assert json.loads(capsys.readouterr().out)["$schema"].endswith("2020-12/schema")
    assert run(["version"]) == 0
    assert "mmc 0" in capsys.readouterr().out
    assert run(["plugins"]) == 0
    assert "milvus.insert" in capsys.readouterr().out


def test_fmt_check_and_stdin(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("spec.yaml").write_text("target: {type: files, url: out}\n" + SPEC.replace("target", "#"))
    assert run(["fmt", "--check", "spec.yaml"]) == 1
    assert run(["fmt", "spec.yaml"]) == 0
    assert run(["fmt", "--check", "spec.yaml"]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "mmc.cli.main", "fmt", "-"],
        input=SPEC,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "version: 1" in done.stdout


def test_a_command_without_memory_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr("mmc.api.check_spec", fail)
    assert run(["validate", str(Path(__file__))]) == 1
    assert capsys.readouterr().err.startswith("error: there is not enough memory")
