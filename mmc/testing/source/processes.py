"""Plain data in and out, and nothing kept between calls: a source works in any process."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from mmc import registry
from mmc.spi import Sample, Source
from mmc.testing.ability import Ability
from mmc.testing.source.case import Data, Seen, SourceCase, split_of
from mmc.testing.source.compare import compare
from mmc.testing.values import rows_of


class Processes(SourceCase):
    """A source between calls, and in another process."""

    def test_what_goes_to_another_process_is_plain_data(self, data: Data, seen: list[Seen]) -> None:
        options = self.options(data)
        assert pickle.loads(pickle.dumps(options)) == options
        for one in seen:
            assert pickle.loads(pickle.dumps(one.found)) == one.found

    def test_a_new_instance_reads_what_another_has_seen(self, data: Data, seen: list[Seen]) -> None:
        for one in seen:
            split = split_of(one.found.extents)
            reader = registry.source(self.type).read(
                self.options(data), one.found.name, split, one.columns, 3
            )
            assert rows_of(reader, one.columns) == one.rows(*split.pieces)

    def test_nothing_is_kept_between_calls(self, source: Source, data: Data, fresh: Data) -> None:
        """Two data sets and two readers at once, and one instance for both."""
        before = dict(vars(source))
        first, second = self.look(source, data), self.look(source, fresh)
        for one, other in zip(first, second, strict=True):
            split, its = split_of(one.found.extents), split_of(other.found.extents)
            expected, its_rows = one.rows(*split.pieces), other.rows(*its.pieces)
            readers = [
                iter(source.read(self.options(data), one.found.name, split, one.columns, 2)),
                iter(source.read(self.options(fresh), other.found.name, its, other.columns, 3)),
            ]
            rows: list[list[str]] = [[], []]
            going = True
            while going:
                going = False
                for number, reader in enumerate(readers):
                    for batch in [next(reader, None)]:
                        if batch is not None:
                            rows[number] += rows_of([batch], one.columns)
                            going = True
            assert rows[0] == expected, "two readers at once disturb each other"
            assert rows[1] == its_rows, "two readers at once disturb each other"
        source.inspect(self.options(data), [], Sample(2, 1))
        assert vars(source) == before, (
            f"the source keeps {sorted(set(vars(source)) - set(before)) or 'values'} between calls"
        )

    def test_workers_in_processes_copy_the_same_rows(self, data: Data, tmp_path: Path) -> None:
        self.needs(Ability.PROCESSES)
        if not self.thorough:
            pytest.skip("left out: this class is not `thorough`")
        bench = self.bench(tmp_path, data)
        plan = bench.plan(workers=2)
        report = bench.apply(plan)
        assert report.ok, report.collections
        compare(bench, plan, data)
