"""The fakes, installed for the whole of these tests, and what a test needs to apply a plan."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mmc.events import Event
from mmc.plan.model import Plan
from mmc.report.counts import RunReport
from mmc.run.interpreter import apply_plan
from mmc.state.store import Store
from tests import fakes


@pytest.fixture(scope="package", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = list(sys.path)
    fakes.install(tmp_path_factory.mktemp("site"))
    yield
    sys.path[:] = before


class Bench:
    """A folder with a source, a target and a state store; applies plans and keeps the events."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.store = store
        self.events: list[Event] = []

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/state/state.db"

    def plan(self, **options: Any) -> Plan:
        return fakes.make_plan(self.folder, **options)

    def apply(self, plan: Plan, store: Store | None = None, **options: Any) -> RunReport:
        self.events = []
        return apply_plan(
            plan,
            store=store or self.store,
            emit=options.pop("emit", None) or self.events.append,
            directory=self.folder / "mmc",
            **options,
        )

    def fault(self, place: str, action: str) -> None:
        fakes.fault(self.folder, place, action)

    def keys(self) -> list[int]:
        return fakes.target_rows(self.folder)

    def calls(self) -> list[str]:
        return fakes.target_calls(self.folder)

    def told(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[[], Bench]]:
    """Makes benches, each in its own folder."""
    with ExitStack() as stack:
        made = 0

        def make() -> Bench:
            nonlocal made
            made += 1
            folder = tmp_path / f"bench{made}"
            folder.mkdir()
            url = f"sqlite:///{folder}/state/state.db"
            return Bench(folder, stack.enter_context(Store.open(url)))

        yield make


@pytest.fixture
def bench(make_bench: Callable[[], Bench]) -> Bench:
    return make_bench()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries in this process wait no time: their waiting has its own tests."""
    monkeypatch.setattr("mmc.run.pace.SLICE_SECONDS", 0.001)
    for room in ("pace", "rate"):
        monkeypatch.setattr(f"mmc.run.{room}.wait", lambda *_: True)
