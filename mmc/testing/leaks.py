"""Searches for secrets in all that a run leaves behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

_listeners: list[list[str]] = []


class Leaks:
    """Collects where a secret was found, in plain and as a URL has it; `found` never quotes it."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        short = [name for name, text in secrets.items() if len(text) < 8]
        if short:
            raise ValueError(f"the secret {short[0]} is too short to be told from other text")
        self._secrets = secrets
        self.found: list[str] = []

    def search(self, place: str, text: str) -> None:
        for name, secret in self._secrets.items():
            if secret in text or quote(secret, safe="") in text:
                self.found.append(f"{place}: the secret {name} is in it")

    def search_files(self, folder: Path) -> None:
        """State, quarantine, plans, what the target wrote: every file below a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                content = path.read_bytes().decode("latin-1")
                self.search(str(path.relative_to(folder)), content)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if _listeners and event == "subprocess.Popen":
        for listener in _listeners:
            listener.append(repr(args[1]))


@contextmanager
def process_arguments() -> Iterator[list[str]]:
    """The arguments of each process that is started meanwhile."""
    if not getattr(_hear, "hooked", False):
        sys.addaudithook(_hear)  # it cannot be taken off again: it hears nothing most of the time
        _hear.hooked = True  # type: ignore[attr-defined]
    heard: list[str] = []
    _listeners.append(heard)
    try:
        yield heard
    finally:
        _listeners.remove(heard)
