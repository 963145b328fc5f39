"""References to secrets: what they lead to, and what is said where they lead nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mmc.errors import SecretError, SourceError
from mmc.secrets import REDACTOR, SecretRef, resolve, resolve_line
from mmc.storage.filesystems import _revealed, filesystem
from mmc.types import JsonValue


def test_a_reference_leads_to_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMC_TEST_SECRET", "hunter22")
    (tmp_path / "secret").write_text("hunter33\n")
    assert resolve({"secret": "env:MMC_TEST_SECRET"}) == "hunter22"
    assert resolve(SecretRef("file", str(tmp_path / "secret"))) == "hunter33"
    assert REDACTOR.clean("hunter22 hunter33") == "*** ***"


def test_a_reference_that_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMC_TEST_SECRET", raising=False)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for reference, words in (
        ("env:MMC_TEST_SECRET", "MMC_TEST_SECRET is not set"),
        (f"file:{tmp_path}/none", "No such file"),
        (f"file:{tmp_path}", "Is a directory"),
        (f"file:{tmp_path}/binary", "not UTF-8"),
    ):
        with pytest.raises(SecretError, match=words) as caught:
            resolve({"secret": reference})
        assert caught.value.code == "MMC645"


@pytest.mark.parametrize("value", ["hunter22\n", "hunter22\r\n", "hunter22"])
def test_line_breaks_at_the_end_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("MMC_TEST_SECRET", value)
    (tmp_path / "secret").write_text(value, newline="")
    for reference in ("env:MMC_TEST_SECRET", f"file:{tmp_path}/secret"):
        assert resolve_line({"secret": reference}) == "hunter22"


@pytest.mark.parametrize("value", ["hunter22\nhunter33", "hunter22\rhunter33"])
def test_a_secret_of_two_lines_is_refused_where_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """Of a store of files, a header of it, and a Milvus server."""
    monkeypatch.setenv("MMC_TEST_SECRET", value)
    secret: dict[str, JsonValue] = {"secret": "env:MMC_TEST_SECRET"}
    places: tuple[dict[str, JsonValue], ...] = (
        {"key": secret, "secret": "x"},
        {"client_kwargs": {"headers": {"X-Key": secret}}},
    )
    for storage in places:
        with pytest.raises(SecretError, match="line break") as caught:
            filesystem("s3://bucket/a.parquet", storage)
        assert caught.value.code == "MMC645" and "hunter" not in str(caught.value)
    with pytest.raises(SecretError, match="env:MMC_TEST_SECRET: it has a line break"):
        resolve_line(secret)
    with pytest.raises(SourceError, match=r"storage\.client_kwargs\.headers\.X has a line break"):
        filesystem("http://h/a.parquet", {"client_kwargs": {"headers": {"X": "a\nb"}}})


def test_a_key_file_as_a_secret_keeps_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMC_TEST_SECRET", '{\n "type": "service_account"\n}\n')
    revealed = _revealed({"secret": "env:MMC_TEST_SECRET"}, "storage.token")
    assert revealed == '{\n "type": "service_account"\n}'


def test_what_is_no_reference_is_not_repeated() -> None:
    """In a plan that somebody edited: a spec is refused for it (MMC221)."""
    for text in ("hunter22", "env:", "vault:hunter22", ""):
        with pytest.raises(SecretError, match="a secret is `env:NAME`") as caught:
            resolve({"secret": text})
        assert caught.value.code == "MMC645" and "hunter22" not in f"{caught.value!r}"


def test_what_a_library_logs_has_no_secret() -> None:
    program = """
import logging
from mmc.cli.main import redact_logs
from mmc.secrets import REDACTOR
redact_logs()
REDACTOR.learn("hunter22")
logging.getLogger("library").warning("sent to %s", "http://u:hunter22@host")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "sent to http://u:***@host\n")
