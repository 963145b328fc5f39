"""Runs `mmc` in a folder, as a person does, and kills it as an operator's bad day does.

Commands are forked (see `tests.zygote`); `started` begins with a new interpreter.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.zygote.client import Command

TIMEOUT = 180


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]


def _environment(extra: dict[str, str] | None) -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1", "COLUMNS": "120", **(extra or {})}


def mmc(folder: Path, *args: str, env: dict[str, str] | None = None, code: int = 0) -> Result:
    """Runs `mmc ARGS` in a folder and checks the exit code."""
    process = Command(folder, args, env=_environment(env))
    try:
        out, err = process.communicate(TIMEOUT)
    finally:
        process.kill()
    return _checked(args, Result(process.wait(), out, err), code)


def started(folder: Path, *args: str, env: dict[str, str] | None = None, code: int = 0) -> Result:
    """The same by a new interpreter, as a person's shell starts it: for what depends on that."""
    done = subprocess.run(
        [sys.executable, "-m", "mmc.cli.main", *args],
        cwd=folder,
        env=_environment(env),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        stdin=subprocess.DEVNULL,
    )
    return _checked(args, Result(done.returncode, done.stdout, done.stderr), code)


def _checked(args: Sequence[str], result: Result, code: int) -> Result:
    said = f"{result.out}\n{result.err}"
    assert result.code == code, f"mmc {' '.join(args)}: exit {result.code}\n{said}"
    return result


def start(folder: Path, *args: str, env: dict[str, str] | None = None) -> Command:
    """Starts `mmc ARGS` in its own process group."""
    return Command(folder, args, env=_environment(env), own_group=True)


def kill_until_done(
    folder: Path, plan: str, *, chance: random.Random, longest: float, code: int, state: str = ""
) -> int:
    """Applies a plan and kills -9 the driver at a random moment, again and again, until one apply
    ends by itself, with this exit code.

    Only the driver is killed: its workers must notice by themselves. The moments spread over
    `longest` seconds, and over more from kill to kill: on a busy machine an apply takes longer.
    `state`: URL of the state store, where it is not the usual one.

    Returns:
        How many applies were killed.
    """
    for kills in range(100):
        process = start(folder, "apply", plan, *(["--state", state] if state else []))
        try:
            process.wait(chance.uniform(0, longest * (1 + kills / 8)))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        out, err = process.communicate(timeout=TIMEOUT)
        if process.returncode != -signal.SIGKILL:
            assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
            return kills
    raise AssertionError("100 kills, and the apply never ended")


def timed(folder: Path, *args: str, code: int) -> float:
    """Seconds that a command takes."""
    begin = time.monotonic()
    mmc(folder, *args, code=code)
    return time.monotonic() - begin
