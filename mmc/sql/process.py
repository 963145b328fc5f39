"""The process that SQL expressions run in, with a limit on memory and one on time.

Both what a plan asks (types) and what an apply asks (values) goes there: a function may take all
memory of a machine inside one call, where neither the engine's own limit nor its interrupt helps.
Started as a fresh interpreter when the first expression is met, one a thread that asks, and kept
for the next; a request that takes too much ends it. It ends with the process that started it.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mmc import child
from mmc.errors import WorkerLost

if TYPE_CHECKING:
    import pyarrow as pa

    from mmc.sql.engine import Engine

MEMORY = 768 << 20
"""Bytes of memory that a request may take, beside those that the process has when it begins."""
RESULT = 64 << 20
"""Bytes of the largest answer."""
START_SECONDS = 120.0
_SMALL = {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Threads and pools that reserve addresses would count as memory that is taken."""


class Limit(StrEnum):
    """What a request took too much of."""

    MEMORY = "memory"
    SIZE = "size"
    TIME = "time"


class Exceeded(Exception):
    """A request took more than it may, or its answer is over `RESULT`."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit)
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Refused:
    """The statement cannot be run, whatever the rows."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TypeOf:
    """Asks for the type of an expression. The answer is Typed or Problem of `mmc.sql.typing_`."""

    text: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ColumnsOf:
    """Asks which columns are read. The answer is a tuple of names, or Refused."""

    texts: tuple[str, ...]
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Asks for values. The answer is Evaluated of `mmc.sql.engine`, or Refused."""

    batch: pa.RecordBatch
    expressions: Sequence[str]
    where: str
    types: Sequence[pa.DataType]


Request: TypeAlias = TypeOf | ColumnsOf | Evaluate


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


class _Process:
    """The side that asks. For one thread at a time."""

    def __init__(self) -> None:
        nothing = subprocess.DEVNULL
        self._process, self._pipe = child.start(
            "mmc.sql.process", stdout=nothing, stderr=nothing, env={**os.environ, **_SMALL}
        )
        self._ready = False

    def ask(self, request: Request, seconds: float) -> Any:
        """Raises Exceeded, after which the process is of no use unless the limit is SIZE;
        WorkerLost: it cannot be started.
        """
        if not self._ready:
            try:
                self._ready = self._pipe.poll(START_SECONDS) and self._pipe.recv()
            except (EOFError, OSError):
                self._ready = False
            if not self._ready:
                self.end()
                raise WorkerLost(
                    "the process that evaluates SQL does not start",
                    hint="does `python -c 'import duckdb, pyarrow'` run?",
                    code="MMC654",
                )
        try:
            _send(self._pipe, request)
            answer = _receive(self._pipe) if self._pipe.poll(seconds) else Limit.TIME
        except (EOFError, OSError):
            answer = Limit.MEMORY
        if isinstance(answer, Limit):
            if answer is not Limit.SIZE:
                self.end()
            raise Exceeded(answer)
        if isinstance(answer, _Failed):
            raise answer.error
        return answer

    def end(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.wait()


_idle: list[_Process] = []
_lock = threading.Lock()


def warm() -> None:
    """Has a process start while something else is done."""
    with _lock:
        if not _idle:
            _idle.append(_Process())


def ask(request: Request, seconds: float) -> Any:
    """Asks a process, and starts one when none is idle.

    Raises:
        Exceeded: the answer takes more memory, or more than so many seconds.
        WorkerLost: no process can be started.
    """
    with _lock:
        process = _idle.pop() if _idle else None
    process = process or _Process()
    try:
        answer = process.ask(request, seconds)
    except Exceeded as error:
        if error.limit is Limit.SIZE:
            _keep(process)
        raise
    except WorkerLost:
        raise
    except BaseException:
        process.end()  # it may be in the middle of an answer
        raise
    _keep(process)
    return answer


def _keep(process: _Process) -> None:
    with _lock:
        _idle.append(process)


def _send(pipe: Connection, thing: Any) -> None:
    """Arrays go beside the rest, as they lie in memory."""
    beside: list[pickle.PickleBuffer] = []
    body = pickle.dumps(thing, protocol=5, buffer_callback=beside.append)
    pipe.send((body, len(beside)))
    for buffer in beside:
        pipe.send_bytes(buffer.raw())


def _receive(pipe: Connection) -> Any:
    body, count = pipe.recv()
    return pickle.loads(body, buffers=[pipe.recv_bytes() for _ in range(count)])


def _end_all() -> None:
    with _lock:
        while _idle:
            _idle.pop().end()


atexit.register(_end_all)
os.register_at_fork(after_in_child=_idle.clear)


def main() -> None:
    """The process, which answers until the pipe is closed."""
    pipe, asking = child.begin()
    threading.Thread(target=_watch, args=(asking,), daemon=True).start()
    from mmc.sql.engine import Engine
    from mmc.sql.tree import parse

    engine = Engine()
    parse("1")
    _limit_memory()
    pipe.send(True)
    while True:
        try:
            request = _receive(pipe)
        except EOFError:
            os._exit(0)
        _send(pipe, _answer(request, engine))
        del request


def _watch(parent: int) -> None:
    """Ends this process soon after the one that started it, also in the middle of a statement."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _limit_memory() -> None:
    """Where the system has no such limit or does not say what is taken, time alone is bounded."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        taken = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        most = taken + MEMORY
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    except (OSError, ValueError):
        return


def _answer(request: Request, engine: Engine) -> Any:
    import duckdb
    import pyarrow as pa

    from mmc.sql.tree import NotAllowed, columns_of, is_too_deep, parse, too_deep
    from mmc.sql.typing_ import type_of

    try:
        match request:
            case TypeOf(text, columns):
                return type_of(text, columns, engine)
            case ColumnsOf(texts, known):
                return columns_of([parse(text) for text in texts], known)
            case Evaluate(batch, expressions, where, types):
                found = engine.evaluate(batch, expressions, where, types)
                size = sum(column.nbytes for column in found.columns)
                return found if size <= RESULT else Limit.SIZE
    except (MemoryError, RecursionError, duckdb.OutOfMemoryException, pa.ArrowMemoryError):
        return Limit.MEMORY
    except NotAllowed as problem:
        return Refused(problem.message, problem.hint)
    except (duckdb.Error, pa.ArrowException) as error:
        if is_too_deep(str(error)):
            return Refused(too_deep().message, too_deep().hint)
        return Refused(str(error).split("\n", 1)[0])
    except BaseException as error:  # noqa: BLE001 - raised again where it was asked
        return _Failed(error)
