"""A worker process: copies the splits it is sent over its pipe, one at a time. Touches no state.

Started by `Worker.start` as a fresh interpreter (no fork: the driver has threads; no
`multiprocessing` spawn: that runs the caller's main script again). It ignores SIGINT and SIGTERM,
for the driver decides, and dies with the driver: a worker that outlived a killed driver would race
with the next apply.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import TypeAlias

from mmc import child, registry
from mmc.copied import SplitResult
from mmc.errors import WorkerLost
from mmc.events import Event
from mmc.plan.model import CopySplits, Endpoint
from mmc.run.executors.executor import Assignment
from mmc.run.rate import LocalRate
from mmc.run.split import copy_split
from mmc.spi import Target
from mmc.state.lease import fenced, running_time
from mmc.transform.badrow import BadRow

END_SECONDS = 30.0
"""How long a worker may take to end by itself before it is killed."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message to a worker."""

    source: Endpoint
    target: Endpoint


@dataclass(frozen=True, slots=True)
class Copy:
    """A split to copy.

    Attributes:
        step: None when it is the same as that of the split before.
        fenced: as `Fenced.until`.
    """

    step: CopySplits | None
    assignment: Assignment
    fenced: float


@dataclass(frozen=True, slots=True)
class Fenced:
    """The lease was renewed: calls that write may begin until then, by `running_time`."""

    until: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop at the next batch."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Bad rows of the split that is being copied."""

    rows: Sequence[BadRow]


@dataclass(frozen=True, slots=True)
class Undone:
    """The split failed, though it may begin again. `kept`: its bad rows say why."""

    kept: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """The worker ended with this error."""

    error: BaseException


FromWorker: TypeAlias = Event | Rejected | Undone | SplitResult | Failure


class Worker:
    """The driver's side of a worker process. `pipe` is ready when `receive` has a message."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: Connection) -> None:
        self._process = process
        self.pipe = pipe
        self._step = ""
        self._asked = False
        self._fenced = 0.0

    @classmethod
    def start(cls, setup: Setup) -> Worker:
        process, ours = child.start("mmc.run.executors.worker", stdout=2)
        worker = cls(process, ours)
        worker._post(setup)
        return worker

    def send(self, step: CopySplits, assignment: Assignment, fenced: float) -> None:
        """Hands out a split; its step is sent only when it is another than before."""
        known, self._step = self._step == step.id, step.id
        self._asked = False
        self._fenced = fenced
        self._post(Copy(None if known else step, assignment, fenced))

    def renew(self, fenced: float) -> None:
        """Says until when the worker may write, where that is not what it knows."""
        if fenced != self._fenced:
            self._fenced = fenced
            self._post(Fenced(fenced))

    def ask_to_stop(self) -> None:
        """Asks once a split; the worker answers with a Failure, or with a result when it was so
        far.
        """
        if not self._asked:
            self._asked = True
            self._post(Stop())

    def receive(self) -> FromWorker:
        """The next message; a Failure with WorkerLost when the process is dead."""
        try:
            message: FromWorker = self.pipe.recv()
        except (EOFError, OSError):
            return Failure(self._lost())
        return message

    def end(self, *, at_once: bool) -> None:
        """Closes the pipe: an idle worker ends. `at_once` kills it whatever it does."""
        self.pipe.close()
        if at_once:
            self._process.kill()

    def join(self) -> None:
        """Waits until the process is gone, and kills it when it takes too long."""
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _post(self, message: Setup | Copy | Stop | Fenced) -> None:
        """A dead worker is noticed by `receive`, which has the reason."""
        try:
            self.pipe.send(message)
        except OSError:
            return

    def _lost(self) -> WorkerLost:
        self.join()
        code = self._process.returncode
        how = (
            f"was killed by {signal.Signals(-code).name}"
            if code < 0
            else f"ended with exit code {code}"
        )
        memory = " (the system may have run out of memory: fewer load.workers need less)"
        return WorkerLost(
            f"worker process {self._process.pid} {how}",
            hint="apply again continues" + (memory if code == -signal.SIGKILL else ""),
            code="MMC654",
        )


def main() -> None:
    """The process, which copies splits until the pipe is closed."""
    pipe, driver_id = child.begin()
    _die_with(driver_id)
    with _Errors(pipe), ExitStack() as stack:
        setup: Setup = pipe.recv()
        targets: dict[str, Target] = {}
        driver = _Driver(pipe)
        step: CopySplits | None = None
        rate = LocalRate()
        while True:
            try:
                order = pipe.recv()
            except EOFError:
                return
            if isinstance(order, (Stop, Fenced)):
                continue
            assert isinstance(order, Copy)
            step = order.step or step
            assert step is not None
            if step.route not in targets:
                sink = registry.sink(setup.target.type, step.route)
                targets[step.route] = stack.enter_context(
                    sink.open(registry.options_of("target", setup.target), driver.fence)
                )
            driver.begin(order)
            result = copy_split(
                setup.source,
                targets[step.route],
                step,
                order.assignment.split,
                replay=order.assignment.replay,
                rows=order.assignment.rows,
                bad_rows=_SentRows(pipe),
                emit=lambda event: _tell(pipe, event),
                should_stop=driver.said_stop,
                rate=rate,
            )
            _tell(pipe, result)


class _Errors:
    """Sends what the worker failed with to the driver, which raises it there."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None:
            return False
        _tell(self._pipe, Failure(_portable(error)))
        return True


def _portable(error: BaseException) -> BaseException:
    """The error, or one that says the same when it cannot be pickled."""
    text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))
    except (TypeError, AttributeError, pickle.PicklingError):
        return WorkerLost(f"{type(error).__name__} in a worker: {error}\n{text}", code="MMC654")
    error.add_note(f"in a worker process:\n{text}")
    return error


def _tell(pipe: Connection, message: FromWorker) -> None:
    try:
        pipe.send(message)
    except OSError:
        os._exit(1)


class _SentRows:
    """Bad rows on their way to the driver, which alone has files."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def add(self, rows: Sequence[BadRow]) -> None:
        _tell(self._pipe, Rejected(rows))

    def drop(self) -> None:
        _tell(self._pipe, Undone(kept=False))

    def keep(self) -> None:
        _tell(self._pipe, Undone(kept=True))


class _Driver:
    """What the driver says while a split is copied. One that is gone ends this process: nothing
    more may be written.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._stop = False
        self._until = 0.0

    def begin(self, order: Copy) -> None:
        self._stop, self._until = False, order.fenced

    def said_stop(self) -> bool:
        """Whether the driver said stop."""
        self._listen()
        return self._stop

    def fence(self) -> float:
        """See `mmc.spi.Fence`. Raises StateBusy."""
        self._listen()
        left = self._until - running_time()
        if left <= 0:
            raise fenced()
        return left

    def _listen(self) -> None:
        try:
            while self._pipe.poll():
                match self._pipe.recv():
                    case Stop():
                        self._stop = True
                    case Fenced(until):
                        self._until = until
        except (EOFError, OSError):
            os._exit(1)


def _die_with(driver: int) -> None:
    """Asks Linux to kill this process together with the driver; elsewhere the closed pipe ends it
    at the next batch.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != driver:
        os._exit(1)
