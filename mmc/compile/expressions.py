"""Checks SQL expressions and conditions of a spec over an empty table, and finds the type they
give.

Pure in what it answers: the engine runs in a process of its own, which may take so much memory and
time and no more. The only module of `compile` that asks it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from mmc.sql import process as sqlprocess
from mmc.sql.process import Exceeded, Limit, TypeOf
from mmc.sql.typing_ import Problem, Typed

__all__ = ["Expressions", "Problem"]

SECONDS = 10.0
"""Longest time for one expression."""
ALL_SECONDS, EACH_SECONDS = 20.0, 0.1
"""Longest time for all: so much, and so much more for each."""


class Expressions:
    """The expressions of one spec. Each is asked for once, and all of them have a time together."""

    def __init__(self) -> None:
        self._left = ALL_SECONDS
        self._known: dict[tuple[str, tuple[tuple[str, str], ...]], Typed | Problem] = {}

    def type(self, expr: str, columns: Mapping[str, str]) -> str | Problem:
        """The type that an expression gives, as `ArrowType` text.

        Args:
            columns: source columns and their `ArrowType` texts.
        """
        found = self._find(expr, columns)
        if isinstance(found, Problem):
            return found
        if found.unusable:
            return Problem(
                f"the expression gives {found.unusable}", "wrap it in CAST(... AS <type>)"
            )
        return found.arrow

    def condition(self, where: str, columns: Mapping[str, str]) -> Problem | None:
        """Why a row filter cannot be planned; None when it can."""
        found = self._find(where, columns)
        if isinstance(found, Problem):
            return found
        if found.arrow != "bool":
            return Problem(
                f"a condition is true or false, this gives {found.arrow}",
                "compare it, such as `price > 0`",
            )
        return None

    def columns(self, expr: str, columns: Mapping[str, str]) -> tuple[str, ...]:
        """The source columns that an expression reads, in source order; none when it has a
        problem.
        """
        found = self._find(expr, columns)
        return () if isinstance(found, Problem) else found.columns

    def _find(self, text: str, columns: Mapping[str, str]) -> Typed | Problem:
        key = text, tuple(columns.items())
        if key not in self._known:
            self._known[key] = self._ask(text, columns)
        return self._known[key]

    def _ask(self, text: str, columns: Mapping[str, str]) -> Typed | Problem:
        self._left += EACH_SECONDS
        if self._left <= EACH_SECONDS:
            return Problem("not looked at, because the expressions before it took too long")
        began = time.monotonic()
        try:
            found: Typed | Problem = sqlprocess.ask(TypeOf(text, columns), min(SECONDS, self._left))
        except Exceeded as error:
            return _too_much(error.limit)
        finally:
            self._left -= time.monotonic() - began
        return found


def _too_much(limit: Limit) -> Problem:
    if limit is Limit.TIME:
        return Problem(
            f"the value of this was not known within {SECONDS:.0f} s", "compute less in it"
        )
    return Problem(
        f"this takes over {sqlprocess.MEMORY >> 20} MiB of memory, or is nested too deeply",
        "repeat, pad, split or list less; or raise `ulimit -v` where it is low",
    )
