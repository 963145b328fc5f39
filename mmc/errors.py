"""What the world does to a run. A user's mistake is a Diagnostic (a value); a bug is a bare
exception.

    MmcError
     +-- SpecInvalid            diagnostics with errors: nothing was done          exit 1
     +-- SecretError            a reference does not resolve                       exit 1
     +-- SourceError            a source cannot be read (message names the place)  exit 1
     |    +-- SourceMissing     what was asked for is not there                    exit 1
     |    +-- FileMissing       a file is not there                                exit 1
     |    +-- SourceChanged     it changed since the plan                          exit 4
     |    +-- SourceBusy        network, rate limit, unavailable                   retried with
     backoff
     |    +-- DuplicateKeys     a primary key occurs twice; nothing was written    exit 1
     +-- TargetError            a target refuses                                   exit 1
     |    +-- TargetUntouched   it refuses, and nothing was changed there         exit 1
     |    +-- BatchTooLarge     the server wants smaller messages                  retried by
     halving
     |    +-- TargetBusy        unavailable                                        retried with
     backoff
     |         +-- TargetThrottled  rate limit or quota: nothing of the call was done  sent again,
     slower
     |         +-- TargetAway  no server answers, or the connection broke
     +-- RowsRejected           rows.on_error: fail                                exit 1
     |    +-- TooManyBadRows    more than max_errors                               exit 1
     +-- ExpressionFailed       SQL takes too much memory or time, or may not run  exit 1
     +-- PlanStale              facts differ from the plan's                       exit 4
     +-- StateError             the state store cannot be opened, or is of a newer mmc  exit 1
     |    +-- StateMissing      there is no state store                            exit 1
     |    +-- StateDamaged      a value in it is not as mmc writes it              exit 1
     |    +-- StateBusy         its server is away; nothing is written meanwhile   retried
     +-- RunIncomplete          the end, and not all of the plan is done           exit 1
     +-- WorkerLost             a worker process died; apply again continues       exit 1
     +-- LeaseHeld              another process applies                            exit 5
     +-- LeaseLost              our lease was taken over while we ran              exit 5
     +-- UnfinishedRun          another plan left this target half done            exit 1
     +-- Refused                a person said no                                   exit 6
     +-- Stopped                a signal; state is consistent                      exit 130 / 143
     +-- PluginMissing          unknown type, or its extra is not installed        exit 1

`retryable` tells whether the same call may succeed later; `exit_code` is what the command line ends
with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from mmc.diagnostics import Diagnostic


class MmcError(Exception):
    """Base of all. `hint` is one line that says what to do."""

    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class SpecInvalid(MmcError):
    """The spec (or plan file, or facts file) has errors; all of them are in `diagnostics`."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(d.message for d in diagnostics if d.is_error))
        self.diagnostics = tuple(diagnostics)


class SecretError(MmcError):
    pass


class SourceError(MmcError):
    pass


class SourceMissing(SourceError):
    """What was asked for is not there. Of a plan's own source: SourceChanged."""


class FileMissing(SourceError):
    """A file or its bucket is not there. What that means is for whoever reads it to say."""


class SourceChanged(SourceError):
    exit_code = 4


class SourceBusy(SourceError):
    retryable = True


class DuplicateKeys(SourceError):
    pass


class TargetError(MmcError):
    pass


class TargetUntouched(TargetError):
    """The step was refused before its first effect: it counts as not begun."""


@contextmanager
def refused_untouched() -> Iterator[None]:
    """Around what a step does before it changes anything, and its first call that does: a refusal
    changed nothing.

    Raises:
        TargetUntouched: in the place of a final TargetError.
    """
    try:
        yield
    except TargetError as error:
        if error.retryable or isinstance(error, TargetUntouched):
            raise
        raise TargetUntouched(str(error), hint=error.hint, code=error.code) from None


class BatchTooLarge(TargetError):
    retryable = True


class TargetBusy(TargetError):
    retryable = True


class TargetThrottled(TargetBusy):
    """`rows_written`: of the batch that was to be written, what was acknowledged before."""

    rows_written = 0


class TargetAway(TargetBusy):
    """What the call did before the connection broke is unknown."""


class RowsRejected(MmcError):
    pass


class TooManyBadRows(RowsRejected):
    """`split`: that had one too many, at `place`; "" where splits have too many only together."""

    split = place = ""

    @classmethod
    def of_run(cls, detail: str) -> TooManyBadRows:
        return cls(
            f"more rows are bad than rows.max_errors allows; {detail}",
            hint="the run's quarantine files name them; raise rows.max_errors only if that is"
            " right",
            code="MMC652",
        )

    @classmethod
    def at(cls, split: str, place: str) -> TooManyBadRows:
        error = cls.of_run(f"split {split} has such as {place}")
        error.split, error.place = split, place
        return error


class ExpressionFailed(MmcError):
    pass


class PlanStale(MmcError):
    exit_code = 4


class StateError(MmcError):
    pass


class StateMissing(StateError):
    pass


class StateDamaged(StateError):
    """A value in the store is not as mmc writes it; the message names its place."""


class StateBusy(StateError):
    retryable = True


class RunIncomplete(MmcError):
    """A run came to its end, and not all that its plan says is done, or rows do not add up."""


class WorkerLost(MmcError):
    pass


class LeaseHeld(MmcError):
    exit_code = 5


class LeaseLost(MmcError):
    exit_code = 5


class UnfinishedRun(MmcError):
    pass


class Refused(MmcError):
    exit_code = 6


class Stopped(MmcError):
    """Raised after a drain. `signal_number` is SIGINT (2) or SIGTERM (15)."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class PluginMissing(MmcError):
    pass
