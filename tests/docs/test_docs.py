"""The docs hold: whole specs in them validate, every code has its paragraph, and pages of commands
run as written.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmc.diagnostics import CODES
from mmc.spec.load import parse_spec
from mmc.views.diagnostics import render

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUNNABLE = "<!-- every block on this page is run by a test -->"


def specs() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, (language, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if language == "yaml" and re.search(r"^version: 1$", text, re.MULTILINE):
                yield f"{page.relative_to(ROOT)}#{number}", text


@pytest.mark.parametrize(("place", "text"), list(specs()))
def test_specs_in_the_docs_validate(place: str, text: str) -> None:
    loaded = parse_spec(text, place)
    assert loaded.spec is not None, render(loaded.diagnostics)


def test_examples_validate() -> None:
    from mmc.spec.load import load_spec

    found = sorted((ROOT / "examples").rglob("*.yaml"))
    assert found
    for path in found:
        loaded = load_spec(path)
        assert loaded.spec is not None, render(loaded.diagnostics)


def test_every_code_has_one_paragraph() -> None:
    headings: dict[str, str] = {}
    for page in (ROOT / "docs" / "codes").glob("*.md"):
        for code in re.findall(r"^## (MMC\d{3})\b", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert code not in headings, f"{code} is in {page.name} and {headings[code]}"
            headings[code] = page.name
    assert set(headings) == set(CODES)


def test_every_code_in_the_program_is_in_the_table() -> None:
    used = set()
    for module in (ROOT / "mmc").rglob("*.py"):
        used |= set(re.findall(r"\bMMC\d{3}\b", module.read_text(encoding="utf-8")))
    assert used <= set(CODES), sorted(used - set(CODES))


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if RUNNABLE in page.read_text(encoding="utf-8")],
    ids=lambda page: page.name,
)
def test_commands_in_the_docs_run(page: Path, tmp_path: Path) -> None:
    """Runs the blocks of a page in order: `python` and `sh` are run, `yaml` with a name is
    saved.
    """
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    env |= {"NO_COLOR": "1"}
    text = page.read_text(encoding="utf-8")
    for info, body in re.findall(r"^```([^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        language, _, title = info.partition(" ")
        if language == "yaml" and title:
            (tmp_path / title.strip()).write_text(body, encoding="utf-8")
        elif language in ("python", "sh"):
            command = [sys.executable, "-"] if language == "python" else ["bash", "-eu"]
            done = subprocess.run(
                command, input=body, cwd=tmp_path, env=env, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{body}\n{done.stdout}\n{done.stderr}"
