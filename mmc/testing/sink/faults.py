"""A client that fails while a target is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mmc.errors import MmcError
from mmc.testing.ability import Ability
from mmc.testing.client import counted
from mmc.testing.sink.case import Fill, Place, SinkCase
from mmc.testing.source.compare import compare

MOST, FEW = 8, 2


class Faults(SinkCase):
    """The plug-in when its client raises."""

    def test_a_passing_fault_harms_nothing(self, tmp_path: Path, data: Place) -> None:
        client = self.failing_client(Ability.FAIL_PASSING, "passing")
        for at, fill in self._applies(tmp_path, data):
            with counted(client, at=at, fails=client.passing):
                report = fill.bench.apply(fill.plan)
            assert report.ok, f"request {at} failed once: {report.collections}"
            compare(fill.bench, fill.plan, fill.data)

    def test_a_final_fault_is_an_error_and_can_be_continued(
        self, tmp_path: Path, data: Place
    ) -> None:
        client = self.failing_client(Ability.FAIL_FINAL, "final")
        for at, fill in self._applies(tmp_path, data):
            with counted(client, at=at, always=True, fails=client.final) as requests:
                try:
                    fill.bench.apply(fill.plan)
                except MmcError:
                    pass
                except Exception as error:  # noqa: BLE001 - it is what is looked for
                    pytest.fail(
                        f"request {at}: {type(error).__name__} of the client came through; make"
                        f" it a TargetError: {error}"
                    )
                else:
                    assert not requests.struck, f"request {at} failed, and nothing was said"
            assert fill.bench.apply(fill.plan).ok
            compare(fill.bench, fill.plan, fill.data)

    def _applies(self, folder: Path, data: Place) -> Iterator[tuple[int, Fill]]:
        counting = self.fill_in(folder / "counting", data)
        with counted(self.client()) as requests:
            counting.bench.apply(counting.plan)
        assert requests.count, "no request went through the client that `client` names"
        most = MOST if self.thorough else FEW
        places = {number * (requests.count - 1) // (most - 1) for number in range(most)}
        for at in sorted(places):
            yield at, self.fill_in(folder / f"at-{at}", data)
