"""The docs hold: whole specs in them validate, every code has its paragraph, and pages of commands
run as written.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mmc.registry import MODELS
from mmc.spec.options import codes_of
from mmc.views.diagnostics import render
from tests.e2e.mmc_command import TIMEOUT, mmc
from tests.spec.reading import parse_spec
from tests.zygote.client import Command, shell_environment

CODES = codes_of(MODELS)
ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUNNABLE = "<!-- every block on this page is run by a test -->"


def specs() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, (language, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            plug_in = "type: notes" in text  # of the page for authors: validated by its own test
            if language == "yaml" and re.search(r"^version: 1$", text, re.M) and not plug_in:
                yield f"{page.relative_to(ROOT)}#{number}", text


@pytest.mark.parametrize(("place", "text"), list(specs()))
def test_specs_in_the_docs_validate(place: str, text: str) -> None:
    loaded = parse_spec(text, place)
    assert loaded.spec is not None, render(loaded.diagnostics)


def test_examples_validate() -> None:
    from tests.spec.reading import load_spec

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
    saved. Other blocks are for the eye.
    """
    env = shell_environment(tmp_path / "bin") | {"NO_COLOR": "1"}
    folder = tmp_path / "work"
    folder.mkdir()
    text = page.read_text(encoding="utf-8")
    for info, body in re.findall(r"^```([^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        language, _, title = info.partition(" ")
        if language == "yaml" and title:
            (folder / title.strip()).write_text(body, encoding="utf-8")
        elif language == "python":
            block = Command(folder, program=body, env=env)
            out, err = block.communicate(TIMEOUT)
            assert block.wait() == 0, f"{body}\n{out}\n{err}"
        elif language == "sh":
            done = subprocess.run(
                ["bash", "-eu"], input=body, cwd=folder, env=env, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{body}\n{done.stdout}\n{done.stderr}"


def test_the_plan_in_the_readme_is_what_the_program_draws() -> None:
    example = ROOT / "examples" / "glove"
    spec, facts = str(example / "glove.yaml"), str(example / "facts.json")
    drawn = mmc(ROOT, "plan", spec, "--facts", facts).out.strip("\n")
    assert drawn in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (example / "glove.yaml").read_text(encoding="utf-8").partition("\n")[2] in (
        ROOT / "README.md"
    ).read_text(encoding="utf-8")


def test_the_pre_commit_hooks_are_commands_that_take_files(tmp_path: Path) -> None:
    hooks = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert {hook["id"] for hook in hooks} == {"mmc-validate", "mmc-fmt"}
    spec = tmp_path / "a.yaml"
    spec.write_text(
        "version: 1\nsource: {type: files, path: a.npy}\ntarget: {type: files, url: o}\n"
    )
    for hook in hooks:
        program, *args = hook["entry"].split()
        assert program == "mmc"
        mmc(tmp_path, *args, "a.yaml")
        assert re.search(hook["files"], "db/migrations/a.yaml")
        assert not re.search(hook["files"], "docker-compose.yaml")
