"""NDJSON: one object a line, every event, no secret."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from mmc.diagnostics import Diagnostic
from mmc.errors import MmcError
from mmc.events import Diagnosed, Event, Failed, kind_of
from mmc.secrets import REDACTOR
from mmc.views.messages import message
from mmc.views.ndjson import NdjsonView, level
from tests.views.samples import DIFFERS, ERROR, EVENTS, OTHER_EVENTS, VERIFIED, WARNING

ALL = (*EVENTS, *OTHER_EVENTS)


def lines(*events: Event) -> list[str]:
    stream = io.StringIO()
    view = NdjsonView(stream, clock=lambda: datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC))
    for event in events:
        view(event)
    assert stream.getvalue().endswith("\n")
    return stream.getvalue().splitlines()


def test_there_is_a_sample_of_every_event() -> None:
    assert {type(event) for event in ALL} == set(get_args(Event))


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_every_event_is_one_line(event: Event) -> None:
    (line,) = lines(event)
    data = json.loads(line)
    assert list(data)[:4] == ["@timestamp", "@level", "@message", "type"]
    assert data["@timestamp"] == "2026-01-02T03:04:05.678+00:00"
    assert data["@message"] == message(event)
    assert "\n" not in data["@message"]
    for name in event.__dataclass_fields__:
        assert name in data


def test_the_first_line_has_the_version_of_the_form() -> None:
    first = json.loads(lines(*EVENTS)[0])
    assert (first["type"], first["schema_version"]) == ("started", "1.0")


def test_names_and_levels() -> None:
    assert [kind_of(type(event)) for event in EVENTS[3:6]] == [
        "planned",
        "run_started",
        "step_started",
    ]
    assert [level(event) for event in (Diagnosed(WARNING), Diagnosed(ERROR))] == ["warn", "error"]
    assert (level(VERIFIED), level(DIFFERS)) == ("info", "error")


def test_a_diagnostic_keeps_its_parts() -> None:
    data = json.loads(lines(Diagnosed(WARNING))[0])["diagnostic"]
    assert (data["code"], data["severity"], data["span"]["line"]) == ("MMC311", "warning", 19)


@pytest.mark.parametrize("secret", ["hunter22", 'quo"te\\slash', "tab\there", "schlüssel"])
def test_a_secret_is_not_in_a_line(secret: str) -> None:
    REDACTOR.learn(secret)
    found = Diagnostic("MMC311", f"<{secret}>", hint=secret)
    for line in lines(
        Diagnosed(found), Failed(error="E", message=f"at {secret}.", hint="", exit_code=1)
    ):
        assert "***" in line
        assert secret not in line
        assert secret not in json.dumps(json.loads(line), ensure_ascii=False)
        assert json.dumps(secret)[1:-1] not in line


def test_a_full_disk_is_told_once() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        view = NdjsonView(full)
        with pytest.raises(
            MmcError, match="events cannot be written to /dev/full: No space"
        ) as caught:
            view(EVENTS[0])
        view(EVENTS[1])
    assert caught.value.code == "MMC663"
