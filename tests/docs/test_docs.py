"""The docs hold: whole specs in them validate, every code has its paragraph, and pages of commands
run as written.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
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
            plug_in = "type: sqlite" in text  # of the architecture page: validated by its own test
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


def test_the_plug_in_of_the_architecture_page_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is put where an installer would put it; all else is as a user does it."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for title, body in re.findall(r"^```\w+ (\S+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        (tmp_path / title).write_text(body, encoding="utf-8")
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / "mmc_sqlite-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {place}" for name, place in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
    path = {"PYTHONPATH": str(tmp_path)}

    vectors = np.random.default_rng(3).normal(size=(25_000, 8)).astype("<f4")
    ids = np.arange(len(vectors)) * 3 - 5
    with closing(sqlite3.connect(tmp_path / "notes.db")) as database, database:
        database.execute("CREATE TABLE notes (vector BLOB)")
        database.executemany(
            "INSERT INTO notes (rowid, vector) VALUES (?, ?)",
            [(int(id_), vector.tobytes()) for id_, vector in zip(ids, vectors, strict=True)],
        )
    assert "mmc-sqlite 1.0" in mmc(tmp_path, "plugins", env=path).out
    planned = mmc(tmp_path, "plan", "notes.yaml", "-o", "plan.json", env=path)
    assert "25,000 rows" in planned.out
    mmc(tmp_path, "apply", "plan.json", env=path)
    written = pq.read_table(tmp_path / "out" / "notes").sort_by("id")
    assert written["id"].to_pylist() == ids.tolist()
    assert np.array_equal(np.array(written["vector"].to_pylist(), "<f4"), vectors)

    spec = tmp_path / "notes.yaml"
    spec.write_text(spec.read_text().replace("dim: 8", "dims: 8"))
    assert "dims" in mmc(tmp_path, "validate", "notes.yaml", env=path, code=1).err
    assert "A table of SQLite." in mmc(tmp_path, "schema", env=path).out
    spec.write_text(
        spec.read_text().replace("dims: 8", "dim: 8").replace("table: notes", "table: x")
    )
    assert "no such table" in mmc(tmp_path, "plan", "notes.yaml", env=path, code=1).err
