"""The view for people: plan and verdicts on stdout, progress and problems on stderr.

The only place that uses rich. On a terminal a running step has one live line; elsewhere there is a
line when a step begins or ends, and a heartbeat while it runs. Every text is plain (never markup),
without control characters, and cleaned of secrets.
"""

from __future__ import annotations

import os
import re
import shlex
import time
import unicodedata
from collections.abc import Callable
from typing import TextIO, assert_never

from rich.console import Console
from rich.live import Live
from rich.text import Text

from mmc.diagnostics import Diagnostic
from mmc.events import (
    Diagnosed,
    Event,
    Failed,
    ImportAsked,
    ImportDone,
    ImportProgress,
    ImportStalled,
    IndexProgress,
    NothingToDo,
    Paced,
    Planned,
    Quarantined,
    Retrying,
    RunFinished,
    RunStarted,
    SplitDone,
    SplitProgress,
    SplitStarted,
    Started,
    StepDone,
    StepStarted,
    Verified,
    VerifyProgress,
)
from mmc.plan.model import Plan
from mmc.plan.tree import Symbol, layout, plan_tree, summary_line
from mmc.progress import Counted, StepProgress
from mmc.registry import target_folder
from mmc.secrets import REDACTOR
from mmc.text import many
from mmc.views import diagnostics
from mmc.views.heartbeat import Heartbeat
from mmc.views.messages import looked_text, message, reasons_text
from mmc.views.progress import progress_line

HEARTBEAT_SECONDS = 30.0
"""Between two lines of a running step where there is no terminal."""
ECHO = 3
"""Columns that stay free beside the live line: a terminal echoes ^C there, and a line that this
pushed over the edge could not be erased.
"""
REFRESHES = 4
"""Drawings of the live line a second."""
LONG_STEPS = frozenset(
    {"check_keys", "copy_splits", "build_index", "load_collection", "await_indexes", "verify"}
)
"""Kinds of steps whose beginning is told, too."""
SYMBOLS = {
    "drop_alias": Symbol.REMOVE,
    "drop_collection": Symbol.REMOVE,
    "create_collection": Symbol.ADD,
    "create_alias": Symbol.ADD,
    "alter_collection": Symbol.CHANGE,
    "check_keys": Symbol.CHECK,
    "copy_splits": Symbol.COPY,
    "import_files": Symbol.COPY,
    "remove_staged": Symbol.REMOVE,
    "build_index": Symbol.ADD,
    "load_collection": Symbol.CHANGE,
    "await_indexes": Symbol.CHECK,
    "write_manifest": Symbol.ADD,
    "verify": Symbol.CHECK,
}
STYLES = {
    Symbol.ADD: "green",
    Symbol.CHANGE: "yellow",
    Symbol.REMOVE: "red",
    Symbol.COPY: "cyan",
    Symbol.CHECK: "blue",
}
_HEAD = re.compile(r"(?:^|(?<=: ))(error|warning|note)\[[^]]*\]", re.MULTILINE)
_SEVERITY_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold blue"}


class HumanView:
    """Takes events, one after another, from one thread.

    Args:
        stdout, stderr: where lines go.
        color: always | never | auto: on a terminal, unless NO_COLOR or TERM=dumb says otherwise.
        quiet: only diagnostics, the plan's counts, verdicts and the end.
        verbose: the plan in all detail, and a line a split and a quarantine file.
        heartbeat: seconds between two lines of a step that runs, where there is no terminal.
        clock: steady seconds.
    """

    def __init__(
        self,
        stdout: TextIO,
        stderr: TextIO,
        *,
        color: str = "auto",
        quiet: bool = False,
        verbose: bool = False,
        heartbeat: float = HEARTBEAT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out = _console(stdout, color)
        self._err = _console(stderr, color)
        self._width = _width(stdout)
        self._live_width = None if quiet or _dumb() else _width(stderr)
        self._quiet = quiet
        self._verbose = verbose
        self._heartbeat = heartbeat
        self._clock = clock
        self._hints = not os.environ.get("CI")
        self.drawn = ""
        self._plan_path = ""
        self._quarantined: list[str] = []
        self._reasons: set[tuple[str, str, str]] = set()
        self._told_end = False
        self.stopping: Callable[[], bool] = lambda: False
        self._after_diagnostic = False
        self._running: _Running | None = None

    # -- plan ------------------------------------------------------------------------------------

    def show_plan(self, plan: Plan, digest: str, path: str = "", *, saved: bool = True) -> None:
        """Draws a plan. `path`: where it is, or ""; `saved`: by this command."""
        self.drawn, self._plan_path = digest, path
        if not self._quiet:
            self._print(self._out, Text())
            for row in layout(
                plan_tree(plan, folder=target_folder(plan.target), verbose=self._verbose),
                self._width,
            ):
                text = Text(_clean(str(row)))
                if row.symbol:
                    start = 4 * row.depth + 2
                    text.stylize(STYLES[row.symbol], start, start + 1)
                self._print(self._out, text)
            self._print(self._out, Text())
        self._say(summary_line(plan), "bold")
        if path:
            then = f". To do exactly this:  mmc apply {shlex.quote(path)}" if self._hints else ""
            self._say(f"{'Saved ' if saved else ''}{path} (sha256 {digest[:8]}){then}")

    # -- events ----------------------------------------------------------------------------------

    def __call__(self, event: Event) -> None:
        match event:
            case Diagnosed(found):
                self._diagnostic(found)
            case Planned():
                if event.path:
                    self._plan_path = event.path
                if event.digest != self.drawn:
                    self._say(message(event))
            case NothingToDo():
                self._say(message(event), "green")
            case RunStarted():
                self._tell(message(event))
            case StepStarted():
                self._begin(event)
            case StepDone():
                self._end_step()
                if event.kind != "verify" or event.skipped:
                    self._tell(message(event), SYMBOLS.get(event.kind))
            case SplitProgress() | VerifyProgress() | IndexProgress() | ImportProgress():
                self._count(event)
            case ImportAsked() | ImportDone():
                if self._verbose:
                    self._tell(message(event), Symbol.COPY)
            case SplitDone():
                self._count(event)
                if self._verbose:
                    self._tell(message(event), Symbol.COPY)
            case Quarantined():
                self._count(event)
                self._quarantine(event)
            case Retrying():
                self._tell(f"trying again: {message(event)}", style="yellow")
            case ImportStalled():
                self._tell(message(event), style="yellow")
            case Paced():
                self._tell(f"slower: {message(event)}", style="yellow")
            case Verified():
                self._verdict(event)
            case RunFinished():
                self._finish(event)
            case Failed():
                self._fail(event)
            case Started() | SplitStarted():
                pass
            case _:
                assert_never(event)

    def close(self) -> None:
        """Ends what is still being drawn."""
        self._end_step()

    def _diagnostic(self, found: Diagnostic) -> None:
        # The renderer has cleaned the parts; here only its own line breaks are left.
        text = Text(REDACTOR.clean(diagnostics.render([found])))
        for head in _HEAD.finditer(text.plain):
            text.stylize(_SEVERITY_STYLES[head[1]], *head.span())
        if self._after_diagnostic:
            self._print(self._err, Text())
        self._print(self._err, text)
        self._after_diagnostic = True

    def _quarantine(self, event: Quarantined) -> None:
        """Each reason is told once; later splits only count, so that many do not hide the rest."""
        self._quarantined.append(event.path)
        new = [reason for reason in event.reasons if reason[:3] not in self._reasons]
        self._reasons |= {reason[:3] for reason in new}
        if self._verbose:
            self._tell(f"quarantined: {message(event)}", style="yellow")
        elif new:
            self._tell(f"quarantined: {reasons_text(new)} of split {event.split}", style="yellow")

    def _verdict(self, event: Verified) -> None:
        self._end_step()
        text = Text(_clean(f"{Symbol.CHECK} {message(event)}"))
        text.stylize("green" if event.ok else "bold red", 2)
        self._print(self._out, text)
        for problem in event.problems:
            self._say(f"    {problem}", "red" if not event.ok else "")
        for note in event.notes:
            self._say(f"    note: {note}")
        if event.looked_at:
            self._say(f"    {looked_text(event)}")

    def _finish(self, event: RunFinished) -> None:
        self._end_step()
        self._told_end = True
        self._say(
            message(event),
            {"applied": "bold green", "partial": "bold yellow"}.get(event.outcome, "bold red"),
        )
        if event.rows_quarantined:
            self._say(
                f"{many(event.rows_quarantined, 'row')} in quarantine, with reasons:"
                + self._quarantine_places()
            )
        if event.report:
            self._say(f"Report: {event.report}")
        if not self._hints:
            return
        again = (
            f"mmc apply {shlex.quote(self._plan_path)}"
            if self._plan_path
            else "apply the same plan"
        )
        if event.outcome == "partial" and event.rows_quarantined:
            self._say("To bring them in: correct them or the spec, plan with mode upsert, apply.")
        elif event.outcome == "stopped":
            self._say(f"What was done is recorded. To continue:  {again}")
        elif event.outcome == "failed":
            self._say(f"What was done is recorded. When the cause is mended, go on with:  {again}")

    def _quarantine_places(self) -> str:
        """Folders, as an earlier attempt may have written there too."""
        folders = dict.fromkeys(path.rpartition("/")[0] or "." for path in self._quarantined)
        return "".join(f"\n  {folder}/" for folder in folders)

    def _fail(self, event: Failed) -> None:
        self._end_step()
        if event.error == "Stopped" and self._told_end:
            return
        if self._after_diagnostic:
            self._print(self._err, Text())
        head = f"error[{event.code}]" if event.code else "error"
        text = Text(_clean(f"{head}: {event.message}"))
        text.stylize("bold red", 0, len(head))
        self._print(self._err, text)
        if event.hint:
            self._print(self._err, Text(_clean(f"   = hint: {event.hint}")))

    # -- running steps ---------------------------------------------------------------------------

    def _begin(self, event: StepStarted) -> None:
        self._end_step()
        if self._quiet:
            return
        progress = StepProgress.of(event, self._clock())
        if self._live_width is None:
            if event.kind in LONG_STEPS:
                self._tell(message(event), SYMBOLS.get(event.kind))
            self._running = Heartbeat(progress, self._beat, self._heartbeat)
        else:
            self._running = _LiveLine(
                progress, self._err, self._live_width, self._clock, self.stopping
            )
        self._running.start()

    def _count(self, event: Counted) -> None:
        if self._running is not None:
            self._running.progress.take(event, self._clock())

    def _beat(self, progress: StepProgress) -> None:
        self._tell(progress_line(progress.at(self._clock())), Symbol.COPY)

    def _end_step(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    # -- lines -----------------------------------------------------------------------------------

    def _tell(self, line: str, symbol: Symbol | None = None, style: str = "") -> None:
        """Progress: to stderr, unless quiet."""
        if self._quiet:
            return
        text = Text(_clean(f"{symbol} {line}" if symbol else line), style=style)
        if symbol:
            text.stylize(STYLES[symbol], 0, 1)
        self._print(self._err, text)

    def _say(self, text: str, style: str = "") -> None:
        """A result: to stdout."""
        self._print(self._out, Text(_clean(text), style=style))

    @staticmethod
    def _print(console: Console, text: Text) -> None:
        console.print(text, soft_wrap=True, end="" if text.plain.endswith("\n") else "\n")


class _LiveLine:
    """One line at the bottom of a terminal, drawn again a few times a second."""

    def __init__(
        self,
        progress: StepProgress,
        console: Console,
        width: int,
        clock: Callable[[], float],
        stopping: Callable[[], bool],
    ) -> None:
        self.progress = progress
        self._stopping = stopping
        self._width = width
        self._clock = clock
        self._live = Live(
            console=console,
            get_renderable=self._draw,
            refresh_per_second=REFRESHES,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _draw(self) -> Text:
        if self._stopping():
            line = f"{self.progress.label}: stopping; Ctrl-C again ends at once"[
                : self._width - ECHO
            ]
        else:
            line = progress_line(self.progress.at(self._clock()), self._width - ECHO)
        return Text(_clean(line), no_wrap=True, overflow="ellipsis")

    def start(self) -> None:
        self._live.start()

    def stop(self) -> None:
        self._live.stop()


_Running = _LiveLine | Heartbeat


class _Console(Console):
    """Tells of a reader that went away, where rich would end the program with exit code 1."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError


def _console(stream: TextIO, color: str) -> Console:
    """All is decided here: rich would look at more variables than we promise to honour."""
    terminal = stream.isatty()
    colored = color == "always" or (
        color == "auto" and terminal and not os.environ.get("NO_COLOR") and not _dumb()
    )
    return _Console(
        file=stream,
        force_terminal=terminal or colored,
        color_system="standard" if colored else None,
        no_color=not colored,
        width=_width(stream),
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )


def _dumb() -> bool:
    return os.environ.get("TERM") == "dumb"


def _width(stream: TextIO) -> int | None:
    """Columns of a terminal; None for anything else."""
    if not stream.isatty():
        return None
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def _clean(text: str) -> str:
    """Without secrets, and without control characters, which could drive the terminal."""
    return "".join(
        "?" if character != "\n" and unicodedata.category(character) in ("Cc", "Cf") else character
        for character in REDACTOR.clean(text)
    )
