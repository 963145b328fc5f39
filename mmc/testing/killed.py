"""A process that applies a plan and is killed, as by a person or by a machine without memory."""

from __future__ import annotations

import sys
from pathlib import Path

from mmc import child
from mmc.testing.bench import Bench
from mmc.testing.injecting import Calls, die, watched_source

WITHIN = 120.0


def apply_and_die(bench: Bench, at: int) -> int:
    """Applies the saved plan of a bench in a new process, which kills itself at a batch.

    Args:
        at: number of the batch, from 0.

    Returns:
        Its exit code: minus the number of the signal.
    """
    process, pipe = child.start("mmc.testing.killed", stdout=2)
    with pipe:
        pipe.send((str(bench.folder), bench.state, at))
        return process.wait(WITHIN)


def main() -> None:
    """The process."""
    from mmc import api

    pipe, _ = child.begin()
    folder, state, at = pipe.recv()
    plan = api.read_plan(Path(folder) / "plan.json")
    with watched_source(Calls(at, die)):
        api.apply_plan(plan, state=state, directory=Path(folder) / "mmc")
    sys.exit(f"the apply was over before batch {at}")
