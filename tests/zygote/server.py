"""The process that commands are forked from: `python -m tests.zygote.server SOCKET`.

It imports what the commands import, has one thread and no open connection, and listens on a Unix
socket. A request is one message: JSON of `Request`, with the three standard streams of the command
as file descriptors. The answers are lines: the process id, and at the end the wait status. The
server ends when its standard input does.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, BinaryIO, NoReturn, cast

import mmc

LIBRARIES = (
    "elastic_transport",
    "faiss",
    "fsspec.implementations.local",
    "jsonschema",
    "milvus_lite.adapter.grpc.server",
    "milvus_lite.server_manager",
    "pyarrow.csv",
    "pyarrow.dataset",
    "pymilvus",
    "pymysql",
    "s3fs",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.sqlite",
)
"""What commands import beside all modules of mmc and what those import."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Environment of this process: libraries that would start a thread when they are imported."""


@dataclass(frozen=True)
class Request:
    """A command to run: the arguments of `mmc`, or the text of a Python program.

    Attributes:
        path: folders that Python looks into first for modules and plug-ins.
        own_group: it gets a process group of its own, as from a shell with job control.
    """

    cwd: str
    env: dict[str, str]
    args: list[str] = field(default_factory=list)
    program: str = ""
    path: list[str] = field(default_factory=list)
    own_group: bool = False


Main = Callable[[], None]


def serve(path: str) -> Main | None:
    """Forks commands until standard input ends.

    Returns:
        None in the server itself when it is over; in a forked process, what it is to run.
    """
    ours = [module.name for module in walk_packages(mmc.__path__, "mmc.")]
    for name in (*ours, *LIBRARIES):
        import_module(name)
    # Collections would touch, and so copy, every page of these objects in each child.
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(64)
        with selectors.DefaultSelector() as ready:
            ready.register(0, selectors.EVENT_READ)
            ready.register(listener, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fileobj == 0:
                        return None
                    if key.fileobj is listener:
                        connection, _ = listener.accept()
                        if (main := _start(connection, ready)) is not None:
                            return main
                    else:
                        _end(key, ready)


def _start(connection: socket.socket, ready: selectors.BaseSelector) -> Main | None:
    """Forks one command; in the child, gives what it is to run."""
    message, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    if not message:
        connection.close()
        return None
    request = Request(**json.loads(message))
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, f"{len(threads)} threads: a fork would lose all but one"
    pid = os.fork()
    if pid == 0:
        ready.close()
        connection.close()
        return _become(request, streams)
    for stream in streams:
        os.close(stream)
    connection.send(b"%d" % pid)
    ready.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))
    return None


def _end(key: selectors.SelectorKey, ready: selectors.BaseSelector) -> None:
    """Tells how a command ended."""
    pid, connection = key.data
    _, status = os.waitpid(pid, 0)
    ready.unregister(key.fileobj)
    os.close(key.fd)
    with suppress(OSError):  # nobody waits for it any more
        connection.send(b"%d" % status)
    connection.close()


def _become(request: Request, streams: list[int]) -> Main:
    """Makes this forked process what the requested command would be after its imports."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if request.own_group:
        os.setsid()
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    time.tzset()
    sys.path[:0] = request.path
    sys.stdin = _text(0, "rb")
    sys.stdout = _text(1, "wb", line_buffering=os.isatty(1))
    sys.stderr = _text(2, "wb", errors="backslashreplace", line_buffering=True)
    if request.program:
        sys.argv = ["-"]
        return lambda: exec(compile(request.program, "<stdin>", "exec"), {"__name__": "__main__"})
    sys.argv = ["mmc", *request.args]
    return import_module("mmc.cli.main").main


def _text(number: int, mode: str, **options: Any) -> io.TextIOWrapper:
    """A standard stream, as the interpreter makes it at its start."""
    raw = os.fdopen(number, mode, closefd=False)
    return io.TextIOWrapper(cast("BinaryIO", raw), "utf-8", **options)


def _run(main: Main) -> NoReturn:
    """Runs a command and ends this process as the interpreter does, but for freeing its memory:
    that takes longer than most commands.
    """
    code: object = 0
    try:
        main()
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 (this is the top of a program)
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    # Shared by all commands of a test run: a Ctrl-C at the terminal is for the tests.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main = serve(sys.argv[1])
    if main is not None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _run(main)
