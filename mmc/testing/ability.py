"""What a suite asks of a plug-in, and how a plug-in says that it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import pytest

from mmc.plan.model import Endpoint
from mmc.spec.options import Kind
from mmc.testing.client import Client
from mmc.testing.installed import FAKES, installed
from mmc.testing.values import Awkward
from mmc.types import JsonValue


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


class Made(Protocol):
    """What the author of a suite makes for a test: a data set, or a place for one."""

    @property
    def options(self) -> Mapping[str, JsonValue]: ...

    @property
    def secrets(self) -> Mapping[str, str]: ...


class Case:
    """What the suites of sources and sinks share.

    Attributes:
        type: the name in a spec, as the entry points have it.
        side: at which end of a spec it stands.
        cannot: the abilities that are missing, each with the reason, which the report shows where
            it skips a test.
        fakes: entry points of the plug-ins that are registered while the tests of the class run.
        thorough: False leaves out what takes seconds: other processes, and most places of a fault.
    """

    type: ClassVar[str] = ""
    side: ClassVar[Kind] = "source"
    cannot: ClassVar[Mapping[Any, str]] = {}
    fakes: ClassVar[Mapping[str, Mapping[str, str]]] = FAKES
    thorough: ClassVar[bool] = True

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for ability, reason in cls.cannot.items():
            if not reason.strip():
                raise TypeError(f"{cls.__name__}.cannot gives no reason for: {ability}")

    def client(self) -> Client:
        """Where the requests of the plug-in go through."""
        raise NotImplementedError

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _fakes(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        with installed(tmp_path_factory.mktemp("fakes"), cls.fakes, "mmc-kit-fakes"):
            yield

    @pytest.fixture(scope="class")
    @classmethod
    def environment(cls) -> Iterator[pytest.MonkeyPatch]:
        with pytest.MonkeyPatch.context() as patch:
            yield patch

    def endpoint(self, data: Made) -> Endpoint:
        """The plug-in as a plan names it."""
        return Endpoint(self.type, tuple(sorted(data.options.items())))

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

    def failing_client(self, ability: Ability, what: str) -> Any:
        """The client, which can be spoilt in this way. Skips the test where it cannot."""
        self.needs(ability, hook="client")
        client = self.client()
        assert getattr(client, what) is not None, (
            f"the client has no `{what}`: give one, or say in `cannot` why there is none"
        )
        return client


def reveal(secrets: Mapping[str, str], environment: pytest.MonkeyPatch) -> None:
    """Puts secrets where their references say."""
    for name, value in secrets.items():
        environment.setenv(name, value)


def _suite(case: type) -> type:
    """The first class of this package in the ancestry."""
    return next(one for one in case.__mro__ if one.__module__.startswith("mmc.testing."))
