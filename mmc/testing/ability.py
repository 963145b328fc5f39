"""What a suite asks of a plug-in, and how a plug-in says that it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

import pytest

from mmc.spec.options import Kind
from mmc.testing.values import Awkward


class Ability(StrEnum):
    """What not every system allows a test to do, or a plug-in to know."""

    CHANGE = "change the content of the system"
    SEE_CHANGE_WHILE_READING = "see that content changes while it is read"
    FAIL_PASSING = "fail in a way that may pass"
    FAIL_FINAL = "fail in a way that stays"
    LOSE = "lose a part of an answer"
    COUNT = "count the requests of the client"
    KEEP_SECRETS = "be given a secret"
    EVIDENCE = "show evidence of the values of a sample"
    FINGERPRINT = "tell whether its content changed"
    NAME_COLLECTIONS = "be asked for a collection by name"
    PROCESSES = "be used by several processes at once"


class Case:
    """What the suites of sources and sinks share.

    Attributes:
        type: the name in a spec, as the entry points have it.
        side: at which end of a spec it stands.
        cannot: the abilities that are missing, each with the reason, which the report shows where
            it skips a test.
        thorough: False leaves out what takes seconds: other processes, and most places of a fault.
    """

    type: ClassVar[str] = ""
    side: ClassVar[Kind] = "source"
    cannot: ClassVar[Mapping[Any, str]] = {}
    thorough: ClassVar[bool] = True

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for ability, reason in cls.cannot.items():
            if not reason.strip():
                raise TypeError(f"{cls.__name__}.cannot gives no reason for: {ability}")

    def needs(self, ability: Any, *, hook: str = "") -> None:
        """Skips the test where the plug-in cannot, with the reason.

        Args:
            hook: name of the method by which the author gives this ability, where there is one.
        """
        reason = self.cannot.get(ability)
        if reason is not None:
            what = "has no place for" if isinstance(ability, Awkward) else "cannot"
            pytest.skip(f"{self.type} {what} {ability}: {reason}")
        if hook and getattr(type(self), hook) is getattr(_suite(type(self)), hook):
            pytest.fail(
                f"override `{hook}`, so that it is tested that {self.type} can {ability};"
                f" or say why not: cannot = {{{type(ability).__name__}.{ability.name}: "
                '"the reason"}',
                pytrace=False,
            )


def _suite(case: type) -> type:
    """The first class of this package in the ancestry."""
    return next(one for one in case.__mro__ if one.__module__.startswith("mmc.testing."))
