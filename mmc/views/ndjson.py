"""Events as NDJSON: one object a line, for programs; `@message` has the words of the human view."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from mmc.diagnostics import Severity
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
)
from mmc.plan.codec import to_json
from mmc.secrets import REDACTOR
from mmc.types import JsonValue
from mmc.views.messages import message

_WORD = re.compile(r"(?<!^)(?=[A-Z])")
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
        fields = to_json(event)
        assert isinstance(fields, dict)
        line = {
            "@timestamp": self._clock().isoformat(timespec="milliseconds"),
            "@level": level(event),
            "@message": message(event),
            "type": event_type(event),
            **fields,
        }
        # Cleaned before it is quoted, as a secret may hold a character that JSON escapes.
        text = json.dumps(_clean(line), ensure_ascii=False, separators=(",", ":"))
        self._stream.write(REDACTOR.clean(text) + "\n")
        self._stream.flush()


def event_type(event: Event) -> str:
    """The name of an event in NDJSON: `SplitDone` is `split_done`."""
    return _WORD.sub("_", type(event).__name__).lower()


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


def _clean(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return REDACTOR.clean(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    return value
