"""What a person sees: in a pipe, and on a terminal (by pty), wide and narrow, coloured and not."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmc.diagnostics import Diagnostic
from mmc.events import (
    Diagnosed,
    Failed,
    NothingToDo,
    Planned,
    Quarantined,
    Rejection,
    RunFinished,
    SplitProgress,
    StepDone,
    StepStarted,
    Verified,
)
from mmc.plan import codec
from mmc.secrets import REDACTOR
from mmc.views.human import HumanView
from tests.views.samples import (
    DIFFERS,
    ERROR,
    EVENTS,
    NOTE,
    OTHER_EVENTS,
    VERIFIED,
    WARNING,
    articles,
)

GOLDEN = Path(__file__).parent / "golden"
Golden = Callable[[Path, str], None]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "CI", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


class Clock:
    """Goes on by half a second at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


def piped(**options: object) -> tuple[HumanView, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return HumanView(out, err, clock=Clock(), **options), out, err  # type: ignore[arg-type]


class Terminal:
    """A pseudo-terminal: the view writes to `stream`, `text` is what came out of it."""

    def __init__(self, columns: int) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        self.stream = os.fdopen(theirs, "w", encoding="utf-8")
        self._read: list[bytes] = []
        self._reader = threading.Thread(target=self._drain)
        self._reader.start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while data := os.read(self._ours, 65_536):
                self._read.append(data)

    def text(self) -> str:
        self.stream.close()
        self._reader.join()
        os.close(self._ours)
        return b"".join(self._read).decode().replace("\r\n", "\n")


@contextlib.contextmanager
def show_on(
    columns: int, color: str = "auto", **options: bool
) -> Iterator[tuple[HumanView, Callable[[], str]]]:
    terminal = Terminal(columns)
    view = HumanView(terminal.stream, terminal.stream, color=color, clock=Clock(), **options)

    def text() -> str:
        view.close()
        return terminal.text()

    yield view, text


def test_a_run_in_a_pipe(golden: Golden) -> None:
    view, out, err = piped()
    for event in EVENTS:
        view(event)
    view.close()
    golden(GOLDEN / "run.stdout.txt", out.getvalue())
    golden(GOLDEN / "run.stderr.txt", err.getvalue())


def test_a_verbose_run_in_a_pipe(golden: Golden) -> None:
    view, out, err = piped(verbose=True)
    for event in EVENTS:
        view(event)
    golden(GOLDEN / "run-verbose.stderr.txt", err.getvalue())
    assert "Applied in part" in out.getvalue()


def test_a_quiet_run_in_a_pipe(golden: Golden) -> None:
    view, out, err = piped(quiet=True)
    view.show_plan(articles(), "d" * 64, "a.plan.json")
    for event in EVENTS:
        view(event)
    golden(GOLDEN / "run-quiet.stdout.txt", out.getvalue())
    golden(GOLDEN / "run-quiet.stderr.txt", err.getvalue())


def test_other_ends(golden: Golden) -> None:
    view, out, err = piped()
    for event in OTHER_EVENTS:
        view(event)
    golden(GOLDEN / "ends.stdout.txt", out.getvalue())
    golden(GOLDEN / "ends.stderr.txt", err.getvalue())


def test_diagnostics_go_to_stderr_and_the_plan_to_stdout() -> None:
    view, out, err = piped()
    for found in (WARNING, ERROR, NOTE):
        view(Diagnosed(found))
    assert out.getvalue() == ""
    assert err.getvalue().count("MMC3") == 3
    view.show_plan(articles(), "d" * 64)
    assert "+ collection articles" in out.getvalue()
    assert "Saved" not in out.getvalue()


def test_in_a_pipe_lines_are_never_folded_and_never_coloured() -> None:
    view, out, _ = piped()
    view.show_plan(articles(), "d" * 64)
    assert "\x1b" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) > 110


def test_a_plan_that_was_drawn_is_not_told_again() -> None:
    view, out, _ = piped()
    plan = articles()
    digest = codec.digest(plan)
    view.show_plan(plan, digest)
    drawn = out.getvalue()
    told = Planned(
        digest=digest,
        name=plan.name,
        create=2,
        change=0,
        replace=0,
        rows=1,
        bytes=1,
        splits=1,
        warnings=0,
        path="p.json",
    )
    view(told)
    assert out.getvalue() == drawn
    view, out, _ = piped()
    view(told)
    assert out.getvalue().startswith(f"Plan articles ({digest[:8]}): 2 to create")


@pytest.mark.parametrize("color", ["auto", "never"])
@pytest.mark.parametrize("columns", [80, 120])
def test_a_plan_on_a_terminal(columns: int, color: str, golden: Golden) -> None:
    with show_on(columns, color) as (view, text):
        view(Diagnosed(WARNING))
        view.show_plan(articles(), "9f2c41d0" * 8, "articles.plan.json")
        view(VERIFIED)
        view(DIFFERS)
    drawn = text()
    assert ("\x1b[" in drawn) == (color == "auto")
    golden(GOLDEN / f"terminal-{columns}-{color}.txt", drawn.replace("\x1b", "<ESC>"))
    for line in ESCAPE.sub("", drawn).splitlines():
        assert len(line) <= columns or line.startswith(("Saved", "Plan", " ", "examples")), line


@pytest.mark.parametrize(
    ("variable", "value", "colored"),
    [
        ("NO_COLOR", "1", False),
        ("NO_COLOR", "", True),
        ("TERM", "dumb", False),
        ("FORCE_COLOR", "1", True),
    ],
)
def test_what_decides_about_colour(
    variable: str, value: str, colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with show_on(80) as (view, text):
        view(VERIFIED)
    assert ("\x1b[" in text()) == colored


def test_colour_always_and_never_are_stronger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    view, out, _ = piped(color="always")
    view(VERIFIED)
    assert "\x1b[32m" in out.getvalue()
    view, out, _ = piped(color="auto")
    view(VERIFIED)
    assert "\x1b" not in out.getvalue()


def step(kind: str = "copy_splits", rows: int | None = 1_000) -> StepStarted:
    return StepStarted(step="s", kind=kind, label="copy articles", rows=rows, splits=4)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_live_line_on_a_terminal(columns: int) -> None:
    with show_on(columns) as (view, text):
        view(step())
        view(SplitProgress("s", "00000", 250, 1 << 20))
        time.sleep(0.6)
        view(StepDone(step="s", kind="copy_splits", label="copy articles", seconds=0.6))
    drawn = text()
    assert "25 %" in drawn
    assert ("250 of 1,000 rows" if columns == 120 else "250 rows") in drawn
    assert re.search(r"\d rows/s  \d+ KiB/s  \d+:\d\d left", drawn)
    assert "\x1b[?25h" in drawn, "the cursor is there again"
    live = [
        line for line in re.split(r"[\r\n]|\x1b\[\d*[AK]", ESCAPE.sub("", drawn)) if "%" in line
    ]
    assert live
    assert all(len(line) < columns for line in live)
    assert ESCAPE.sub("", drawn).rstrip().endswith("> copy articles: done in 0.6 s")


def test_a_live_line_says_that_it_stops() -> None:
    with show_on(80) as (view, text):
        view.stopping = lambda: True
        view(step())
        time.sleep(0.4)
        view.close()
    assert "copy articles: stopping; Ctrl-C again ends at once" in text()


def test_no_live_line_when_quiet() -> None:
    with show_on(80, quiet=True) as (view, text):
        view(step())
        view(SplitProgress("s", "00000", 250, 1 << 20))
        time.sleep(0.4)
        view(StepDone(step="s", kind="copy_splits", label="copy articles", seconds=0.6))
    assert text() == ""


def test_no_live_line_on_a_dumb_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with show_on(80) as (view, text):
        view(step())
        view(SplitProgress("s", "00000", 250, 1 << 20))
        view(StepDone(step="s", kind="copy_splits", label="copy articles", seconds=0.6))
    assert text() == "> copy articles: 1,000 rows in 4 splits\n> copy articles: done in 0.6 s\n"


def test_a_heartbeat_in_a_pipe_even_when_nothing_happens() -> None:
    view, _, err = piped(heartbeat=0.03)
    view(step("build_index", rows=None))
    deadline = time.monotonic() + 5
    while err.getvalue().count("elapsed") < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    view(StepDone(step="s", kind="build_index", label="copy articles", seconds=0.6))
    lines = err.getvalue().splitlines()
    assert lines[0] == "+ copy articles"
    assert re.fullmatch(r"> copy articles: \d:\d\d elapsed", lines[1])
    assert lines[-1] == "+ copy articles: done in 0.6 s"
    count = len(lines)
    time.sleep(0.1)
    assert len(err.getvalue().splitlines()) == count, "nothing after the end"


def test_a_heartbeat_says_how_far(golden: Golden) -> None:
    view, _, err = piped(heartbeat=0.03)
    view(step())
    view(SplitProgress("s", "00000", 250, 1 << 20))
    deadline = time.monotonic() + 5
    while "%" not in err.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    view.close()
    beat = next(line for line in err.getvalue().splitlines() if "%" in line)
    assert beat.startswith("> copy articles: 25 %, 250 of 1,000 rows, ")
    assert " rows/s, " in beat
    assert " left, 0 of 4 splits" in beat


def test_close_ends_a_running_step() -> None:
    view, _, _ = piped()
    view(step())
    assert any(thread.name == "mmc-heartbeat" for thread in threading.enumerate())
    view.close()
    assert not any(thread.name == "mmc-heartbeat" for thread in threading.enumerate())


def test_what_to_do_next_is_left_out_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    view, out, _ = piped()
    view.show_plan(articles(), "d" * 64, "a.plan.json")
    view(
        RunFinished(
            run="r",
            outcome="stopped",
            rows_read=1,
            rows_written=1,
            rows_filtered=0,
            rows_quarantined=0,
            seconds=1.0,
        )
    )
    assert "Saved a.plan.json (sha256 dddddddd)\n" in out.getvalue()
    assert "mmc apply" not in out.getvalue()
    assert "To continue" not in out.getvalue()


def test_secrets_and_control_characters_do_not_get_out() -> None:
    REDACTOR.learn("hunter22")
    bad = "a\x1b[31mb\x07c hunter22 [bold]d[/bold] :smile:"
    view, out, err = piped()
    view(Diagnosed(Diagnostic("MMC311", bad, hint=bad)))
    view(Failed(error="E", message=bad, hint=bad, exit_code=1))
    view(StepStarted(step="s", kind="copy_splits", label=bad))
    view(StepDone(step="s", kind="copy_splits", label=bad, seconds=1.0))
    view(
        Verified(
            step="s",
            collection=bad,
            ok=False,
            rows_expected=1,
            rows_found=1,
            digest_expected="",
            digest_found="",
            problems=(bad,),
        )
    )
    view(NothingToDo(run=bad, plan_digest="d", finished_at=bad))
    text = out.getvalue() + err.getvalue()
    assert "hunter22" not in text
    assert "\x1b" not in text
    assert "\x07" not in text
    assert text.count("*** [bold]d[/bold] :smile:") == 9


def test_each_reason_of_a_quarantine_is_told_once() -> None:
    view, out, err = piped()
    for split in ("00000", "00001", "00002"):
        reasons = (Rejection("MMC604", "title", "too long", 2),)
        view(
            Quarantined(
                step="copy.a",
                split=split,
                rows=2,
                path=f".mmc/runs/r/quarantine/{split}.jsonl",
                reasons=reasons,
            )
        )
    view(
        Quarantined(
            step="copy.a",
            split="00003",
            rows=1,
            path="q/00003.jsonl",
            reasons=(Rejection("MMC602", "id", "null", 1),),
        )
    )
    view(
        RunFinished(
            run="r",
            outcome="partial",
            rows_read=10,
            rows_written=3,
            rows_filtered=0,
            rows_quarantined=7,
            seconds=1.0,
        )
    )
    assert err.getvalue().splitlines() == [
        "quarantined: MMC604 title: too long (2 rows) of split 00000",
        "quarantined: MMC602 id: null (1 row) of split 00003",
    ]
    places = "  .mmc/runs/r/quarantine/\n  q/\n"
    assert f"7 rows in quarantine, with reasons:\n{places}" in out.getvalue()


def test_a_stop_is_told_once() -> None:
    view, out, err = piped()
    view(
        RunFinished(
            run="r",
            outcome="stopped",
            rows_read=1,
            rows_written=1,
            rows_filtered=0,
            rows_quarantined=0,
            seconds=1.0,
        )
    )
    view(Failed(error="Stopped", message="stopped by SIGINT", hint="", exit_code=130))
    assert "To continue" in out.getvalue()
    assert err.getvalue() == ""
    view, _, err = piped()
    view(Failed(error="Stopped", message="stopped by SIGINT", hint="", exit_code=130))
    assert "stopped by SIGINT" in err.getvalue()


def test_an_error_has_its_code() -> None:
    view, _, err = piped()
    view(
        Failed(
            error="PlanStale",
            message="the plan is stale",
            hint="plan again",
            exit_code=4,
            code="MMC631",
        )
    )
    assert err.getvalue() == "error[MMC631]: the plan is stale\n   = hint: plan again\n"


def test_rich_is_imported_nowhere_else() -> None:
    package = Path(sys.modules["mmc"].__file__ or "").parent
    users = [
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if re.search(r"^\s*(from|import) rich\b", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert users == ["views/human.py"]
