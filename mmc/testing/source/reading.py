"""Batches: their size, columns, types, order and values."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from mmc.arrow.schema import arrow_text, origin_of
from mmc.spi import Source
from mmc.testing.source.case import Data, Seen, SourceCase, split_of
from mmc.testing.values import Awkward, awkward_kinds, difference, rows_of


class Reading(SourceCase):
    """What `read` gives."""

    @pytest.mark.parametrize("batch_rows", [1, 2, 3, 7, "all but one", "all", 100_000])
    def test_batches_have_at_most_batch_rows(self, seen: list[Seen], batch_rows: int | str) -> None:
        for one in seen:
            rows = len(one.expected)
            most = {"all but one": max(1, rows - 1), "all": max(1, rows)}.get(
                str(batch_rows), batch_rows
            )
            assert isinstance(most, int)
            batches = one.read(one.found.extents, one.columns, most)
            for batch in batches:
                assert 0 < batch.num_rows <= most, (
                    f"a batch of {batch.num_rows} rows, asked for at most {most}"
                )
                batch.validate(full=True)
            wrong = difference(rows_of(batches, one.columns), rows_of([one.expected], one.columns))
            assert not wrong, f"{one.found.name}, in batches of {most} rows: {wrong}"

    def test_batches_have_the_columns_that_were_asked_for(self, seen: list[Seen]) -> None:
        for one in seen:
            for columns in (one.columns, one.columns[::-1], *([name] for name in one.columns)):
                batches = one.read(one.found.extents, columns, 5)
                for batch in batches:
                    assert batch.schema.names == columns, (
                        f"a batch has the columns {batch.schema.names}, not {columns}"
                    )
                wrong = difference(rows_of(batches, columns), rows_of([one.expected], columns))
                assert not wrong, f"{one.found.name}, columns {columns}: {wrong}"

    def test_types_are_as_announced_in_every_batch(self, seen: list[Seen]) -> None:
        for one in seen:
            for batch in one.read(one.found.extents, one.columns, 2):
                types = {name: arrow_text(batch.schema.field(name).type) for name in one.columns}
                announced = {field.name: field.arrow for field in one.found.fields}
                assert types == {name: announced[name] for name in one.columns}, (
                    "a batch has other types than `inspect` announced"
                )

    def test_every_batch_says_where_its_first_row_is(self, seen: list[Seen]) -> None:
        for one in seen:
            for batch in one.read(one.found.extents, one.columns, 3):
                origin = origin_of(batch)
                assert origin.path, "a batch does not say where its rows are: use `with_origin`"
                if origin.rows is not None:
                    assert len(origin.rows) == batch.num_rows

    def test_reading_again_gives_the_same_rows_in_the_same_order(self, seen: list[Seen]) -> None:
        for one in seen:
            for extent in one.found.extents:
                assert one.rows(extent) == one.rows(extent, batch_rows=2), (
                    f"{one.found.name}, {extent.start}..{extent.stop}: a second read differs"
                )

    def test_a_read_that_is_given_up_disturbs_nothing(
        self, source: Source, data: Data, seen: list[Seen]
    ) -> None:
        for one in seen:
            split = split_of(one.found.extents)
            expected = one.rows(*split.pieces)
            reader = source.read(self.options(data), one.found.name, split, one.columns, 1)
            next(iter(reader), None)
            if isinstance(reader, Generator):
                reader.close()
            assert one.rows(*split.pieces) == expected

    @pytest.mark.parametrize("kind", list(Awkward))
    def test_awkward_values_are_in_the_data_set(self, data: Data, kind: Awkward) -> None:
        """All tests compare values to the last bit; here it is seen that the values are there."""
        self.needs(kind)
        assert any(kind in awkward_kinds(table) for table in data.tables.values()), (
            f"the data set of `make` has no value of the kind: {kind}. Add one"
            " (`mmc.testing.awkward_columns` has some), or say in `cannot` why the system has no"
            " place for it"
        )
