"""Where a command's events and documents go: the human view, NDJSON on stdout, NDJSON into a file,
or two of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.events import Event
from mmc.secrets import REDACTOR
from mmc.views.columns import plain

if TYPE_CHECKING:
    from mmc.plan.model import Plan
    from mmc.views.human import HumanView
    from mmc.views.ndjson import NdjsonView


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What the flags ask for.

    Attributes:
        json: NDJSON on stdout instead of the human view.
        json_into: NDJSON into this file, beside the other.
        color: auto | always | never.
    """

    json: bool = False
    json_into: Path | None = None
    color: str = "auto"
    quiet: bool = False
    verbose: bool = False


class Out:
    """Fans events out to the views of a command. The only thing a command prints through."""

    def __init__(
        self, human: HumanView | None, streams: tuple[NdjsonView, ...], *, json: bool
    ) -> None:
        self._human = human
        self._streams = streams
        self.json = json

    def __call__(self, event: Event) -> None:
        for stream in self._streams:
            stream(event)
        if self._human is not None:
            self._human(event)

    def plan(self, plan: Plan, digest: str, path: str = "", *, saved: bool = True) -> None:
        """The plan as people read it; machines get it by `-o` and the Planned event."""
        if self._human is not None:
            self._human.show_plan(plan, digest, path, saved=saved)

    def drawn(self, digest: str) -> None:
        """A document showed this plan already: the human view says nothing of it on stdout."""
        if self._human is not None:
            self._human.drawn = digest

    def watch(self, stopping: Callable[[], bool]) -> None:
        """`stopping`: whether the run was asked to stop; the live line says so."""
        if self._human is not None:
            self._human.stopping = stopping

    def document(self, text: str) -> None:
        """A whole document (JSON, Markdown, a table) that is the command's answer, on stdout."""
        if text:
            sys.stdout.write(REDACTOR.clean(text if text.endswith("\n") else text + "\n"))
            sys.stdout.flush()

    def line(self, text: str) -> None:
        """A line for people; nothing in JSON mode."""
        if not self.json:
            self.document(plain(text))


@contextmanager
def open_out(output: Output) -> Iterator[Out]:
    """Opens the views that the flags ask for, and closes them."""
    from mmc.views.human import HumanView
    from mmc.views.ndjson import NdjsonView

    human = None
    if not output.json:
        human = HumanView(
            sys.stdout,
            sys.stderr,
            color=output.color,
            quiet=output.quiet,
            verbose=output.verbose,
        )
    streams = [NdjsonView(sys.stdout)] if output.json else []
    file = output.json_into.open("w", encoding="utf-8") if output.json_into else None
    if file is not None:
        streams.append(NdjsonView(file))
    try:
        yield Out(human, tuple(streams), json=output.json)
    finally:
        if human is not None:
            human.close()
        if file is not None:
            file.close()
