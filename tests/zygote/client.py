"""Runs commands in the forking server: as `subprocess.Popen` does, without the start of a Python.

PYTHONPATH is heeded. A command with another variable that changes how Python itself starts
(PYTHONIOENCODING, ...) is refused here: start a real one.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from tests.zygote.server import ONE_THREAD

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 120.0
SOCKET = "MMC_TEST_ZYGOTE"
"""Environment variable by which `script` finds the server."""


@lru_cache(maxsize=1)
def server() -> str:
    """Path of the socket of this process's forking server, which is started at the first call and
    ends with this process.
    """
    folder = tempfile.TemporaryDirectory(prefix="mmc-zygote-")
    path = f"{folder.name}/socket"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.zygote.server", path],
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )

    def end() -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(STARTS_WITHIN)
        folder.cleanup()

    atexit.register(end)
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            connect(path).close()
        except OSError:
            assert process.poll() is None, f"the forking server ended with {process.returncode}"
            assert time.monotonic() < deadline, "the forking server does not listen"
            time.sleep(0.02)
        else:
            return path


def connect(path: str) -> socket.socket:
    """A connection to the server at this socket. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def shell_environment(folder: Path) -> dict[str, str]:
    """The environment of a shell that finds this `mmc`, and no other, as a forked command. The
    script is written into the folder, which is made.
    """
    folder.mkdir(parents=True)
    script = folder / "mmc"
    body = (ROOT / "tests" / "zygote" / "script.py").read_text(encoding="utf-8")
    script.write_text(f"#!{sys.executable} -IS\n{body}", encoding="utf-8")
    script.chmod(0o755)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, SOCKET: server()}


class Command:
    """A forked command; the part of `subprocess.Popen[str]` that tests use.

    Attributes:
        pid: of the command, which is no child of this process.
        returncode: None while it runs; minus the number of the signal that ended it.
    """

    def __init__(
        self,
        cwd: Path,
        args: Sequence[str] = (),
        *,
        program: str = "",
        env: Mapping[str, str],
        stdin: int | None = None,
        own_group: bool = False,
    ) -> None:
        wrong = {name for name in env if name.startswith("PYTHON")} - {"PYTHONPATH"}
        wrong = {name for name in wrong if env[name] != os.environ.get(name)}
        assert not wrong, f"{wrong} matter when Python starts, and this one has"
        request = {
            "cwd": str(cwd),
            "env": dict(env),
            "args": list(args),
            "program": program,
            "path": [folder for folder in env.get("PYTHONPATH", "").split(os.pathsep) if folder],
            "own_group": own_group,
        }
        self.args = ["mmc", *args]
        self.returncode: int | None = None
        self._readers: list[_Reader] = []
        self._connection = connect(server())
        out, out_end = os.pipe()
        error, error_end = os.pipe()
        none = os.open(os.devnull, os.O_RDONLY)
        try:
            socket.send_fds(
                self._connection,
                [json.dumps(request).encode()],
                [none if stdin is None else stdin, out_end, error_end],
            )
        finally:
            for descriptor in (out_end, error_end, none):
                os.close(descriptor)
        self.stdout: TextIO = os.fdopen(out, encoding="utf-8", errors="replace")
        self.stderr: TextIO = os.fdopen(error, encoding="utf-8", errors="replace")
        self.pid = int(self._connection.recv(64))

    def poll(self) -> int | None:
        """The exit code, or None while the command runs."""
        return self._receive(0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end. Raises subprocess.TimeoutExpired."""
        code = self._receive(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Reads both streams to their end and waits. Raises subprocess.TimeoutExpired; calling it
        again goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._readers:
            self._readers = [_Reader(self.stdout), _Reader(self.stderr)]
        for reader in self._readers:
            reader.join(_left(deadline))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(_left(deadline))
        out, error = (reader.text for reader in self._readers)
        return out, error

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def _receive(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                status = self._connection.recv(64)
            except (TimeoutError, BlockingIOError):
                return None
            assert status, "the forking server is gone"
            self.returncode = os.waitstatus_to_exitcode(int(status))
            self._connection.close()
        return self.returncode


class _Reader(threading.Thread):
    """Reads a stream to its end, and closes it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self.text = ""
        self.start()

    def run(self) -> None:
        with self._stream:
            self.text = self._stream.read()


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())
