"""The page for authors of plug-ins, followed; and the packages that `mmc plugins new` writes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq
import pytest

from mmc import api
from mmc.errors import MmcError
from mmc.spi import VERSION
from mmc.version import DISTRIBUTION
from tests.e2e.mmc_command import TIMEOUT, mmc
from tests.zygote.client import Command, shell_environment

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tasks" / "plugin.md"
QUICK = "every_row or cut_anywhere or evidence or fingerprint or options or read_back or fence"


def put_in_place(package: Path) -> list[Path]:
    """What `pip install -e` does, without an index: folders that Python is to look into."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dependencies"] == [DISTRIBUTION]
    name, version = project["name"], project["version"]
    info = package.parent / "site" / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{key} = {place}" for key, place in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
    return [info.parent, package]


def run_tests(package: Path, path: list[Path], *args: str) -> str:
    """pytest in the package, as its author runs it: warnings are errors there, too."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *args],
        cwd=package,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT]))},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_page_for_authors_of_plug_ins_works(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    env = shell_environment(tmp_path / "bin") | {"NO_COLOR": "1"}
    folder = tmp_path / "work"
    folder.mkdir()
    path: list[Path] = []
    for info, body in re.findall(r"^```([^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        language, _, title = info.partition(" ")
        if language == "yaml":
            (folder / title).write_text(body, encoding="utf-8")
        elif language == "console":
            path = put_in_place(folder / "mmc-notes")
            env["PYTHONPATH"] = os.pathsep.join(map(str, path))
            assert "passed" in run_tests(folder / "mmc-notes", path, "-k", QUICK)
        elif language == "python":
            block = Command(folder, program=body, env=env)
            out, err = block.communicate(TIMEOUT)
            assert block.wait() == 0, f"{body}\n{out}\n{err}"
        elif language == "sh":
            done = subprocess.run(
                ["bash", "-eu"], input=body, cwd=folder, env=env, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{body}\n{done.stdout}\n{done.stderr}"
    seen = {"PYTHONPATH": env["PYTHONPATH"]}
    assert "mmc-notes 0.1.0" in mmc(folder, "plugins", env=seen).out
    assert "Tables of an SQLite file" in mmc(folder, "schema", env=seen).out
    written = pq.read_table(folder / "out" / "notes").sort_by("id")
    assert written["id"].to_pylist() == list(range(25_000))
    assert written["embedding"].to_pylist()[3] == [3.0, 1.5, 1.0, 1.0]
    assert written["text"].to_pylist()[-1] == "note 24999"

    spec = folder / "notes.yaml"
    spec.write_text(spec.read_text().replace("vectors:", "vector:"))
    assert "vectors" in mmc(folder, "validate", "notes.yaml", env=seen, code=1).err


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["source", "sink"])
def test_a_new_plug_in_passes_the_whole_suite(
    tmp_path: Path, kind: Literal["source", "sink"]
) -> None:
    package = tmp_path / "mmc-lake"
    api.new_plugin("lake", kind, into=package)
    out = run_tests(package, put_in_place(package))
    assert "passed" in out and "left out" not in out


def test_a_new_target_passes(tmp_path: Path) -> None:
    package = tmp_path / "mmc-lake"
    api.new_plugin("lake", "sink", into=package)
    run_tests(package, put_in_place(package), "-k", QUICK)


@pytest.mark.parametrize("kind", ["source", "sink"])
def test_what_is_written_is_in_the_house_style(
    tmp_path: Path, kind: Literal["source", "sink"]
) -> None:
    files = api.new_plugin("lake", kind, into=tmp_path / "lake")
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"@\w+@", text), file
        assert not re.search(r"(from|import) mmc(?!_lake|\.spi |\.testing )", text), file
        assert max(map(len, file.read_text(encoding="utf-8").splitlines()), default=0) <= 150
    options = (tmp_path / "lake" / "mmc_lake" / "options.py").read_text(encoding="utf-8")
    assert f"spi: ClassVar[int] = {VERSION}" in options
    for args in (["check", "--select", "E,F,W,I,N,UP,B,C4,SIM,RET,PTH,PIE,RUF"], ["format", "-q"]):
        ruff = [sys.executable, "-m", "ruff", *args, "--line-length", "100", "."]
        if args[0] == "format":
            ruff.insert(4, "--check")
        done = subprocess.run(ruff, cwd=tmp_path / "lake", capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["", "a", "Notes", "my-notes", "9notes", "a" * 40, "../x", "a b"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(MmcError) as caught:
        api.new_plugin(name, into=tmp_path / "x")
    assert caught.value.code == "MMC665"
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mmc-notes").mkdir()
    message = mmc(tmp_path, "plugins", "new", "notes", code=1).err
    assert "MMC665" in message and "--into" in message
    assert not list((tmp_path / "mmc-notes").iterdir())
    out = mmc(tmp_path, "plugins", "new", "notes", "--into", "other", "--json").out
    assert '"path": "other/pyproject.toml"' in out
