"""Every invalid spec of tests/cases/invalid, against the exact text that a person sees."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mmc.registry import MODELS
from mmc.spec.options import codes_of
from mmc.views.diagnostics import render
from tests.spec.reading import load_spec

CODES = codes_of(MODELS)
FOLDER = Path(__file__).parent.parent / "cases" / "invalid"
CASES = sorted(path.name for path in FOLDER.iterdir() if (path / "spec.yaml").exists())
ENV = {"HOME": "/home/me", "STAGE": "prod", "MILVUS_TOKEN": "never-shown"}
ELSEWHERE = {
    "MMC101",  # no file: test_load
    "MMC103",  # too large for the repository: test_document
    "MMC118",  # of `fmt` only: test_format
    "MMC120", "MMC121", "MMC122", "MMC123", "MMC124", "MMC125", "MMC126",  # of plan and facts files
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_says_exactly(
    name: str, golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = FOLDER / name
    variables = folder / "variables.json"
    monkeypatch.chdir(folder)
    loaded = load_spec(
        "spec.yaml",
        variables=json.loads(variables.read_text()) if variables.exists() else {},
        env=ENV,
    )
    assert loaded.diagnostics
    assert (loaded.spec is None) == any(d.is_error for d in loaded.diagnostics)
    text = render(loaded.diagnostics)
    code = re.match(r"MMC\d{3}", name)
    assert code is None or code[0] in {d.code for d in loaded.diagnostics}
    assert "never-shown" not in text and "hunter2" not in text
    golden(folder / "expected.txt", text)


def test_every_code_has_a_case() -> None:
    covered = {name[:6] for name in CASES}
    ours = {code for code in CODES if code[3] in "12"}
    assert ours - covered - ELSEWHERE == set()
    assert covered & ELSEWHERE == set()
