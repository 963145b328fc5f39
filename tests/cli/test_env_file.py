"""`--env-file`: what a file may say, and who wins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmc.cli.main import run
from mmc.secrets import SecretRef, resolve

SPEC = """
version: 1
source: {type: files, path: "{{ env.PLACE }}"}
target: {type: milvus, uri: "http://localhost:19530", token: {secret: env:TOKEN_HERE}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", os.environ | {})
    Path("spec.yaml").write_text(SPEC)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("PLACE=a.npy", "a.npy"),
        ("export PLACE = 'b c.npy'", "b c.npy"),
        ('# PLACE=no\n\nPLACE="d\\n.npy"', "d\n.npy"),
        ("PLACE=e.npy  # the file", "e.npy"),
        ("PLACE='${HOME}/f.npy'", "${HOME}/f.npy"),
        ("PLACE=${HOME}/g.npy", "${HOME}/g.npy"),
        ("PLACE=first\nPLACE=second", "first"),
    ],
)
def test_what_a_line_says(folder: Path, line: str, value: str) -> None:
    Path(".env").write_text(f"{line}\nTOKEN_HERE='root:secret #1'\n")
    assert run(["validate", "spec.yaml", "--env-file", ".env"]) == 0
    assert os.environ["PLACE"] == value
    assert resolve(SecretRef("env", "TOKEN_HERE")) == "root:secret #1"


def test_the_environment_wins(folder: Path) -> None:
    os.environ["PLACE"] = "mine.npy"
    Path(".env").write_text("PLACE=theirs.npy\n")
    assert run(["validate", "spec.yaml", "--env-file", ".env"]) == 0
    assert os.environ["PLACE"] == "mine.npy"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"PLACE=a.npy\nswordfish\n", ".env:2 is not NAME=VALUE"),
        (b"=swordfish\n", ".env:1 is not NAME=VALUE"),
        (b"A=1\nB=2\nTOKEN_HERE='swordfish\n", ".env:3 is not NAME=VALUE"),
        (b"swordfish \xff\n", ".env is not UTF-8"),
    ],
)
def test_a_file_that_says_something_else(
    folder: Path, capsys: pytest.CaptureFixture[str], content: bytes, place: str
) -> None:
    """The line is named, and not repeated: it may be a secret."""
    Path(".env").write_bytes(content)
    assert run(["validate", "spec.yaml", "--env-file", ".env"]) == 64
    shown = capsys.readouterr()
    assert place in shown.err and "swordfish" not in shown.out + shown.err
