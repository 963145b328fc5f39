"""Extents: every row is in exactly one, and cut or joined they give the same rows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mmc.facts import Extent
from mmc.plan.codec import from_json, to_json
from mmc.testing.source.case import Seen, SourceCase
from mmc.testing.values import difference, rows_of

EVERY_CUT = 40
"""Rows of an extent up to which every cut is tried."""


class Pieces(SourceCase):
    """What the splits of a plan are made of."""

    def test_extents_have_every_row_once(self, seen: list[Seen]) -> None:
        for one in seen:
            rows = [row for extent in one.found.extents for row in one.rows(extent)]
            wrong = difference(rows, rows_of([one.expected], one.columns))
            assert not wrong, f"{one.found.name}, its extents one by one: {wrong}"

    def test_joined_pieces_are_read_in_order(self, seen: list[Seen]) -> None:
        for one in seen:
            alone = [row for extent in one.found.extents for row in one.rows(extent)]
            assert one.rows(*one.found.extents, batch_rows=4) == alone

    def test_pieces_cut_anywhere_add_up(self, seen: list[Seen]) -> None:
        for one in seen:
            for extent in one.found.extents[:4]:
                if not extent.cuttable:
                    continue
                assert extent.unit == "row", "only extents of rows can be cut"
                whole = one.rows(extent)
                for place in _places(extent):
                    first, second = _cut(extent, place)
                    left, right = one.rows(first), one.rows(second)
                    assert left + right == whole, (
                        f"{one.found.name}, {extent.start}..{extent.stop} cut at {place}: the"
                        " two pieces are not the whole"
                    )
                    assert len(left) == first.rows, (
                        f"{one.found.name}: the piece {first.start}..{first.stop} has"
                        f" {len(left)} rows"
                    )

    def test_the_place_of_a_piece_is_plain_data(self, seen: list[Seen]) -> None:
        for one in seen:
            for extent in one.found.extents:
                assert from_json(Extent, to_json(extent)) == extent
                keys = [key for key, _ in extent.locator]
                assert keys == sorted(set(keys)), "the pairs of a locator are sorted"

    def test_extents_are_small_enough_to_be_several(self, seen: list[Seen]) -> None:
        """One extent that cannot be cut is one split, whatever its size."""
        for one in seen:
            if len(one.found.extents) == 1 and not one.found.extents[0].cuttable:
                pytest.skip(
                    f"{one.found.name} is one piece that cannot be cut: it is copied by one"
                    " worker, and again from its start"
                )


def _places(extent: Extent) -> Iterator[int]:
    rows = extent.stop - extent.start
    if rows <= EVERY_CUT:
        yield from range(extent.start + 1, extent.stop)
    else:
        yield from sorted(random.Random(7).sample(range(extent.start + 1, extent.stop), 20))


def _cut(extent: Extent, place: int) -> tuple[Extent, Extent]:
    """As `compile` cuts it."""
    return (
        replace(extent, stop=place, rows=place - extent.start),
        replace(extent, start=place, rows=extent.stop - place),
    )
