"""Secrets that a test teaches are forgotten after it."""

from __future__ import annotations

import pytest

from mmc.secrets import REDACTOR


@pytest.fixture(autouse=True)
def forgetful_redactor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(REDACTOR, "_known", set())
