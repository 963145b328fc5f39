"""What a command writes is there whole, or the old file is: after a kill, on a full disk, through a
link.
"""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mmc.errors import MmcError
from mmc.saving import save_text
from tests.e2e.mmc_command import mmc
from tests.zygote.client import Command, shell_environment

UGLY = (
    "version: 1\nsource: {path: rows.npy,   type: files}   # ours\ntarget: {type: files, url: o}\n"
)
WRITERS = {
    "fmt": ("spec.yaml", ["fmt", "spec.yaml"]),
    "plan": ("plan.json", ["plan", "spec.yaml", "-o", "plan.json"]),
    "inspect": ("facts.json", ["inspect", "spec.yaml", "-o", "facts.json"]),
    "init": ("spec.yaml", ["init", "--from", "rows.npy", "-o", "spec.yaml", "--force"]),
    "schema": ("schema.json", ["schema", "-o", "schema.json"]),
    "report": ("report.md", ["apply", "spec.yaml", "--yes", "--report", "report.md"]),
}
"""Command -> the file that it writes, and its arguments."""

FAULTS = {
    "killed": "os.fsync = lambda handle: os.kill(os.getpid(), 9)",
    "full": "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))",
}
PROGRAM = """
import os, sys
import mmc.saving
before = mmc.saving._replace
def broken(path, data):
    {fault}
    before(path, data)
mmc.saving._replace = broken
from mmc.cli.main import main
main({args!r})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "rows.npy", np.ones((3, 4), np.float32))
    (tmp_path / "spec.yaml").write_text(UGLY)
    return tmp_path


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("command", WRITERS)
def test_a_write_that_fails_leaves_the_old_file(folder: Path, command: str, fault: str) -> None:
    name, args = WRITERS[command]
    if not (folder / name).exists():
        (folder / name).write_text("old")
    old = (folder / name).read_bytes()
    broken = Command(
        folder, program=PROGRAM.format(fault=FAULTS[fault], args=args), env=dict(os.environ)
    )
    err = broken.communicate(60)[1]
    if fault == "killed":
        assert broken.wait() == -9
    else:
        assert broken.wait() == 1
        assert f"MMC663]: {name} cannot be written: File too large" in err
        assert not list(folder.glob(".*.partial")), "nothing is left of it"
    assert (folder / name).read_bytes() == old
    if command != "report":  # the spec was applied: there is no second time
        mmc(folder, *args)
        assert (folder / name).read_bytes() != old


def test_a_link_stays_a_link_and_a_file_keeps_its_mode(folder: Path) -> None:
    (folder / "real").mkdir()
    real = (folder / "spec.yaml").rename(folder / "real" / "spec.yaml")
    real.chmod(0o640)
    (folder / "spec.yaml").symlink_to("real/spec.yaml")
    mmc(folder, "fmt", "spec.yaml")
    assert (folder / "spec.yaml").is_symlink() and real.read_text() != UGLY
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert [path.name for path in real.parent.iterdir()] == ["spec.yaml"]
    save_text(folder / "deep" / "new.txt", "caf\u00e9")
    assert (folder / "deep" / "new.txt").read_bytes() == "caf\u00e9".encode()


def test_devices_and_pipes_are_written_to(folder: Path) -> None:
    line = "mmc schema -o /dev/stdout | head -c 1; mmc schema -o /dev/stdout > a; wc -l < a"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=shell_environment(folder / "bin"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    first, lines = done.stdout[0], int(done.stdout[1:])
    assert first == "{" and lines > 100, done.stderr


def test_a_place_that_cannot_be_written_is_named(folder: Path) -> None:
    with pytest.raises(MmcError, match=r"rows.npy/x cannot be written: File exists"):
        save_text(folder / "rows.npy" / "x", "")
    with pytest.raises(MmcError, match="cannot be written: Is a directory"):
        save_text(folder, "")


def test_fmt_of_a_file_that_is_no_utf_8_says_so(folder: Path) -> None:
    (folder / "spec.yaml").write_bytes(b"version: 1\nname: \xff\n")
    assert "MMC102" in mmc(folder, "fmt", "spec.yaml", code=1).err
