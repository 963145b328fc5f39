"""`mmc init`: where the spec goes, what is refused, what a pipe and a terminal see."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from mmc.cli.main import run
from tests.spec.reading import format_spec, parse_spec

FROM = ("init", "--from", "vectors.npy", "--to", "out/")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("vectors.npy", np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32))
    return tmp_path


@pytest.mark.parametrize("more", [(), ("-o", "-"), ("--color", "always")])
def test_to_stdout_it_is_the_spec_and_nothing_else(
    more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*FROM, *more]) == 0
    seen = capsys.readouterr()
    assert format_spec(seen.out) == seen.out
    assert parse_spec(seen.out).spec is not None
    assert "\x1b" not in seen.out


def test_a_warning_goes_to_stderr_in_colour_where_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("vectors.npy").unlink()
    np.savez("vectors.npz", v=np.ones((3, 8), np.float32), n=np.ones(3, np.uint64))
    args = ["init", "--from", "vectors.npz", "--to", "out/"]
    assert run([*args, "--color", "always"]) == 0
    seen = capsys.readouterr()
    assert "\x1b[" in seen.err and "MMC342" in seen.err and "\x1b" not in seen.out
    assert run([*args, "-o", "spec.yaml"]) == 0
    seen = capsys.readouterr()
    assert "warning[MMC342]: left out: `n`" in seen.err and "\x1b" not in seen.err
    assert "{from: n, drop: true}" in Path("spec.yaml").read_text()
    assert run(["plan", "spec.yaml"]) == 0


def test_a_file_is_made_once_unless_forced(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FROM, "-o", "a.yaml"]) == 0
    assert "Saved a.yaml" in capsys.readouterr().out
    Path("a.yaml").write_text("mine")
    assert run([*FROM, "-o", "a.yaml"]) == 1
    assert "a.yaml is there already" in capsys.readouterr().err
    assert Path("a.yaml").read_text() == "mine"
    assert run([*FROM, "-o", "a.yaml", "--force"]) == 0
    assert Path("a.yaml").read_text().startswith("# Written by `mmc init`")


def test_the_embedded_target_is_named_like_the_file() -> None:
    assert run(["init", "--from", "vectors.npy", "-o", "words.yaml"]) == 0
    assert "uri: ./words.db" in Path("words.yaml").read_text()
    assert not Path("words.db").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--from", "http://me:hunter22@es/x"), "MMC222"),
        (("--from", "vectors.npy", "--set", "source.storage.token=hunter22"), "MMC220"),
        (("--from", "vectors.npy", "--set", "source.fromat=npy"), "did you mean format?"),
        (("--from", "none.npy"), "MMC430"),
        (("--from", "none"), "no file or folder none"),
        (("--from", "vectors.npy", "--type", "fails"), "did you mean files?"),
        (("--from", "http://127.0.0.1:1/x"), "MMC450"),
    ],
)
def test_what_cannot_be_done_writes_nothing(
    args: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mmc.run.inspect.LOOKS", 2)
    assert run(["init", *args, "-o", "spec.yaml"]) == 1
    seen = capsys.readouterr()
    assert said in seen.err and "hunter22" not in seen.err + seen.out
    assert not Path("spec.yaml").exists()


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init"]) == 64
    assert run([*FROM, "--set", "hunter22"]) == 64
    assert "hunter22" not in capsys.readouterr().err


def test_events_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FROM, "-o", "a.yaml", "--json"]) == 0
    first, *_ = (json.loads(line) for line in io.StringIO(capsys.readouterr().out))
    assert first["command"] == "init"
