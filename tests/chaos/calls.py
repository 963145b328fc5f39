"""Ends an apply at its n-th system call that changes something: by SIGKILL of its whole process
group, or because the call and all that follow fail.

The calls of libc are counted by a small library in C (`calls.c`) that is loaded before all others;
what calls the kernel without libc is not seen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 180
SOURCE = Path(__file__).parent / "calls.c"


def compiler() -> str | None:
    """Of C, where there is one."""
    return shutil.which("cc") or shutil.which("gcc")


def build(folder: Path) -> Path:
    """Compiles the library."""
    library = folder / "calls.so"
    command = [compiler() or "cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT)
    return library


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and how many calls were counted."""

    code: int
    calls: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Calls:
    """Runs `mmc` in a folder with its calls counted.

    Attributes:
        folders: below the folder; calls on files below these count.
        sockets: what is sent to servers counts too.
    """

    library: Path
    folder: Path
    folders: Sequence[str]
    sockets: bool = False

    def run(self, *args: str, at: int = 0, after: bool = False, errno: int = 0) -> Ended:
        """Args:
        at: number of the call that ends it; 0 only counts.
        after: the call is carried out first.
        errno: the call fails with this error, and so do all later ones.
        """
        counter = self.folder / "calls.count"
        counter.write_bytes(bytes(8))
        environment = {
            **os.environ,
            "NO_COLOR": "1",
            "LD_PRELOAD": str(self.library),
            "CHAOS_COUNTER": str(counter),
            "CHAOS_AT": str(at),
            "CHAOS_FOLDERS": ":".join(str(self.folder / name) for name in self.folders),
            "CHAOS_SOCKETS": "1" if self.sockets else "0",
            "CHAOS_AFTER": "1" if after else "0",
            "CHAOS_ERRNO": str(errno),
        }
        done = subprocess.run(
            [sys.executable, "-m", "mmc.cli.main", *args],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        calls = int.from_bytes(counter.read_bytes(), sys.byteorder)
        return Ended(done.returncode, calls, done.stdout, done.stderr)
