"""How often a source asks its system: a bound for a plan, and the same for each split."""

from __future__ import annotations

from pathlib import Path

from mmc import api
from mmc.spi import Source
from mmc.testing.ability import Ability
from mmc.testing.client import counted
from mmc.testing.source.case import Data, Seen, SourceCase, split_of


class RequestCounts(SourceCase):
    """Requests through `client`, against `plan_requests` and `split_requests`."""

    def test_a_plan_asks_so_often_at_most(self, data: Data, tmp_path: Path) -> None:
        self.needs(Ability.COUNT, hook="client")
        spec = self.bench(tmp_path, data).spec()
        with counted(self.client()) as requests:
            api.inspect(spec)
        assert 0 < requests.count <= self.plan_requests, (
            f"a plan asks {requests.count} times, plan_requests says {self.plan_requests}"
        )

    def test_a_split_asks_so_often_at_most(
        self, source: Source, data: Data, seen: list[Seen]
    ) -> None:
        self.needs(Ability.COUNT, hook="client")
        for one in seen:
            for extent in one.found.extents:
                split = split_of([extent])
                with counted(self.client()) as requests:
                    reader = source.read(
                        self.options(data), one.found.name, split, one.columns, 100_000
                    )
                    for _ in reader:
                        pass
                assert requests.count <= self.split_requests, (
                    f"{one.found.name}, {extent.start}..{extent.stop}: {requests.count} requests,"
                    f" split_requests says {self.split_requests}"
                )
