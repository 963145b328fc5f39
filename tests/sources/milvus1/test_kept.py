"""Live rows as row numbers of the files, against plain lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmc.errors import SourceError
from mmc.sources.milvus1 import kept as module
from mmc.sources.milvus1.kept import Kept, load_kept
from tests.generators.milvus1 import layout

ROWS = 40


@pytest.fixture(params=[1 << 16, 1, 3, 8], ids="a block of {}".format)
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", request.param)
    monkeypatch.setattr(module, "_OFFSETS", 5)


@pytest.mark.usefixtures("blocks")
@given(st.lists(st.integers(0, ROWS - 1), max_size=60), st.data())
def test_against_lists(
    tmp_path_factory: pytest.TempPathFactory, offsets: list[int], data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "deleted_docs").write_bytes(layout.deleted_docs(offsets) + b"left over")
    kept = load_kept(str(folder), {}, ROWS)
    live = [row for row in range(ROWS) if row not in set(offsets)]
    assert kept.deleted == ROWS - len(live)
    start = data.draw(st.integers(0, len(live)))
    stop = data.draw(st.integers(start, len(live)))
    assert kept.places(start, stop).tolist() == live[start:stop]
    if start < stop:
        together = live[stop - 1] - live[start] == stop - 1 - start
        assert kept.run(start, stop) == (live[start] if together else None)


def test_a_segment_without_deletes() -> None:
    assert Kept.every().run(3, 9) == 3
    assert Kept.every().places(3, 6).tolist() == [3, 4, 5]


@pytest.mark.parametrize("offset", [-1, 10, -(2**31), 2**31 - 1])
def test_a_delete_outside_is_named(tmp_path: Path, offset: int) -> None:
    (tmp_path / "deleted_docs").write_bytes(layout.deleted_docs([3, offset]))
    with pytest.raises(SourceError, match=f"deletes row {offset:,}; the segment has 10 rows"):
        load_kept(str(tmp_path), {}, 10)


def test_many_deletes_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_OFFSETS", 1000)
    offsets = np.random.default_rng(1).permutation(100_000)[:70_000]
    (tmp_path / "deleted_docs").write_bytes(layout.deleted_docs(offsets.tolist()))
    kept = load_kept(str(tmp_path), {}, 100_000)
    wanted = np.setdiff1d(np.arange(100_000), offsets)
    assert np.array_equal(kept.places(0, 30_000), wanted)
    assert np.array_equal(kept.places(29_990, 30_000), wanted[-10:])
