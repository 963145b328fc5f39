from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mmc.compile.splits import split_extents
from mmc.facts import Extent


@st.composite
def extents(draw: st.DrawFn) -> tuple[Extent, ...]:
    found = []
    for number in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, 1000))
        rows = draw(st.integers(0, 5000))
        found.append(
            Extent(
                locator=(("path", f"f{number}"),),
                start=start,
                stop=start + rows,
                unit="row",
                rows=rows,
                bytes=rows * draw(st.integers(1, 50)),
                cuttable=draw(st.booleans()),
                partition=draw(st.sampled_from(["", "p", "q"])),
            )
        )
    return tuple(found)


@given(extents(), st.integers(1, 40_000), st.none() | st.integers(1, 3000))
def test_every_row_is_in_exactly_one_split_in_order(
    found: tuple[Extent, ...], bytes_wanted: int, rows_wanted: int | None
) -> None:
    splits = split_extents(found, bytes_wanted, rows_wanted)
    wanted = [(e.locator, row) for e in found for row in range(e.start, e.stop)]
    got = [(p.locator, row) for s in splits for p in s.pieces for row in range(p.start, p.stop)]
    assert got == wanted
    assert [s.id for s in splits] == [f"{n:05d}" for n in range(len(splits))]
    for split in splits:
        assert split.rows == sum(piece.stop - piece.start for piece in split.pieces)
        assert {piece.partition for piece in split.pieces} == {split.partition}


@given(extents(), st.integers(1, 40_000), st.none() | st.integers(1, 3000))
def test_a_split_is_only_larger_than_wanted_when_it_cannot_be_cut(
    found: tuple[Extent, ...], bytes_wanted: int, rows_wanted: int | None
) -> None:
    for split in split_extents(found, bytes_wanted, rows_wanted):
        if len(split.pieces) > 1:
            assert split.bytes <= bytes_wanted
            assert rows_wanted is None or split.rows is None or split.rows <= rows_wanted
        elif split.pieces[0].cuttable and rows_wanted is not None:
            assert split.pieces[0].stop - split.pieces[0].start <= rows_wanted


def test_rows_that_only_reading_tells_stay_unknown() -> None:
    text = Extent(
        locator=(("path", "a.jsonl"),), start=0, stop=100, unit="byte", rows=None, bytes=100
    )
    counted = Extent(
        locator=(("path", "b.jsonl"),), start=0, stop=50, unit="byte", rows=7, bytes=50
    )
    (split,) = split_extents((text, counted), 1000, None)
    assert split.rows is None and split.bytes == 150
