"""A process of mmc's own beside this one: a fresh interpreter with a pipe between the two. Knows
nothing of what they say to each other, nor of when the other one is to end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection, Pipe

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_COMMAND = (
    "import sys; sys.path[:] = sys.argv[3:]; from mmc.arrow import lazypandas;"
    " lazypandas.install(); from {module} import main; main()"
)


def start(
    module: str,
    *,
    stdout: int,
    stderr: int | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[subprocess.Popen[bytes], Connection]:
    """Starts a process that calls `main` of a module, which begins with `begin`. Gives it and our
    end of the pipe.

    Args:
        stdout, stderr, env: as of `subprocess.Popen`.
    """
    ours, theirs = Pipe()
    # A signal of the terminal goes to both: until the child ignores it, it is held back.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _COMMAND.format(module=module),
                str(theirs.fileno()),
                str(os.getpid()),
                *sys.path,
            ],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=[theirs.fileno()],
            env=env,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    return process, ours


def begin() -> tuple[Connection, int]:
    """In the child: signals are left to the process that started it. Gives the pipe, and the id of
    that process.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    return Connection(int(sys.argv[1])), int(sys.argv[2])
