"""Events as NDJSON: one object a line, for programs; `@message` has the words of the human view."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from mmc.diagnostics import Severity
from mmc.errors import MmcError
from mmc.events import (
    Diagnosed,
    Event,
    Failed,
    ImportStalled,
    IndexProgress,
    Paced,
    Quarantined,
    Retrying,
    RunFinished,
    SplitProgress,
    SplitStarted,
    Verified,
    VerifyProgress,
    kind_of,
)
from mmc.plan.codec import to_json
from mmc.secrets import REDACTOR
from mmc.views.messages import message

_SEVERITIES = {Severity.ERROR: "error", Severity.WARNING: "warn", Severity.NOTE: "info"}


def _now() -> datetime:
    return datetime.now(UTC)


class NdjsonView:
    """Writes each event as `{"@timestamp", "@level", "@message", "type", ...its fields}` and
    flushes.

    Args:
        stream: where lines go; never closed here.
        clock: gives the time of an event, in UTC.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], datetime] = _now) -> None:
        self._stream = stream
        self._clock = clock

    def __call__(self, event: Event) -> None:
        """Raises MmcError when the line cannot be written; later events are left out then."""
        try:
            self._stream.write(line_of(event, self._clock()) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            # What is buffered would fail again when the stream is closed.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            raise MmcError(
                f"events cannot be written to {self._stream.name}: {error.strerror}",
                hint="free some space, or choose another file",
                code="MMC663",
            ) from None


def line_of(event: Event, at: datetime) -> str:
    """An event as a line of NDJSON, without its end."""
    fields = to_json(event)
    assert isinstance(fields, dict)
    line = {
        "@timestamp": at.isoformat(timespec="milliseconds"),
        "@level": level(event),
        "@message": message(event),
        "type": kind_of(type(event)),
        **fields,
    }
    text = json.dumps(REDACTOR.clean_data(line), ensure_ascii=False, separators=(",", ":"))
    return REDACTOR.clean(text)


def level(event: Event) -> str:
    """error | warn | info | debug."""
    match event:
        case Diagnosed(found):
            return _SEVERITIES[found.severity]
        case Failed():
            return "error"
        case Verified():
            return "info" if event.ok else "error"
        case RunFinished():
            return {"failed": "error", "partial": "warn"}.get(event.outcome, "info")
        case Quarantined() | Retrying() | Paced() | ImportStalled():
            return "warn"
        case SplitStarted() | SplitProgress() | VerifyProgress() | IndexProgress():
            return "debug"
        case _:
            return "info"
