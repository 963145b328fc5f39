"""References to secrets: what they lead to, and what is said where they lead nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmc.errors import SecretError
from mmc.secrets import REDACTOR, SecretRef, resolve


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
