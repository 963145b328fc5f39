"""Damaged folders: every damage is named, with collection, segment and file, in one look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mmc.sources.milvus1.read as module
from mmc.arrow.schema import origin_of
from mmc.errors import SourceChanged
from mmc.facts import SourceCollection
from mmc.plan.model import Split
from mmc.sources.milvus1.source import Milvus1Source
from tests.generators.milvus1 import damage
from tests.generators.milvus1.layout import bits, floats
from tests.generators.milvus1.writer import Segment, Server
from tests.sources.milvus1.reading import config_of, inspect, rows_of

Harm = Callable[[Segment], object]
HARMS: dict[str, tuple[Harm, str]] = {
    "vectors cut short": (lambda s: damage.cut(s.rv), ".rv is cut short: 160 bytes by its header"),
    "ids cut short": (lambda s: damage.cut(s.uid, 9), ".uid is cut short"),
    "deletes cut short": (lambda s: damage.cut(s.deleted_docs), "deleted_docs is cut short"),
    "no header": (lambda s: damage.cut_to(s.uid, 5), "has 5 bytes: its header is cut short"),
    "empty file": (lambda s: damage.cut_to(s.rv, 0), "has 0 bytes"),
    "half a vector": (lambda s: damage.odd(s.rv, 3), "no whole values of 16 bytes"),
    "half an id": (lambda s: damage.odd(s.uid), "no whole values of 8 bytes"),
    "half an offset": (lambda s: damage.odd(s.deleted_docs, 2), "no whole values of 4 bytes"),
    "fewer ids": (lambda s: damage.lose_rows(s.uid, 2, 8), "holds 8 ids, but"),
    "fewer vectors": (lambda s: damage.lose_rows(s.rv, 1, 16), ".rv 9 vectors"),
    "no vectors": (lambda s: damage.remove(s.rv), ".rv is missing"),
    "no ids": (lambda s: damage.remove(s.uid), ".uid is missing"),
    "no deletes": (lambda s: damage.remove(s.deleted_docs), "deleted_docs is missing"),
    "no folder": (lambda s: damage.remove(s.folder), "has none of the segment's files"),
    "a folder for a file": (lambda s: damage.as_folder(s.rv), ".rv: is a folder"),
    "a folder for the deletes": (lambda s: damage.as_folder(s.deleted_docs), "docs: is a folder"),
    "a link to nothing": (lambda s: damage.as_link(s.uid, "gone"), ".uid is missing"),
    "a link to itself": (lambda s: damage.as_link(s.uid, s.uid.name), "levels of symbolic links"),
    "delete behind the end": (lambda s: damage.delete_offsets(s, 10), "deletes row 10"),
    "delete before the start": (lambda s: damage.delete_offsets(s, -1), "deletes row -1"),
    "a header of 2^63": (lambda s: damage.claim(s.rv, 2**63), "is cut short"),
}


def small(root: Path) -> tuple[Server, Segment]:
    server = Server(root)
    words = server.collection("words", 4)
    words.segment(range(5), floats(5, 4))
    return server, words.segment(range(10, 20), floats(10, 4), deleted=[9, 3, 3])


@pytest.mark.parametrize("harm", HARMS)
def test_a_damage_is_named(tmp_path: Path, harm: str) -> None:
    server, segment = small(tmp_path)
    server.write()
    do, text = HARMS[harm]
    do(segment)
    (found,) = inspect(server).collections
    errors = [p for p in found.problems if p.is_error]
    assert {p.code for p in errors} == {"MMC418"}
    assert any(text in p.message for p in errors), errors
    assert all("`words`" in p.message and segment.id in p.message for p in errors)
    assert found.extents == ()


def test_a_file_that_is_a_link_is_read(tmp_path: Path) -> None:
    server, segment = small(tmp_path)
    server.write()
    segment.rv.rename(tmp_path / "elsewhere")
    segment.rv.symlink_to(tmp_path / "elsewhere")
    (found,) = inspect(server).collections
    assert found.problems == ()
    assert len(rows_of(server, found)) == 13


def test_a_file_that_cannot_be_read_hides_no_other_damage(tmp_path: Path) -> None:
    server, segment = small(tmp_path)
    server.write()
    first = server.collections[0].segments[0]
    damage.as_folder(first.uid)
    damage.cut(segment.rv)
    (found,) = inspect(server).collections
    assert [one.id in text for one, text in zip((first, segment), errors(found), strict=True)] == [
        True,
        True,
    ]


def test_all_damages_come_at_once_and_a_sound_collection_is_described(tmp_path: Path) -> None:
    server, segment = small(tmp_path)
    other = server.collection("bits", 16, 3).segment([1, 2], bits(2, 16))
    server.collection("sound", 2).segment([1], floats(1, 2))
    server.write()
    damage.cut(segment.rv)
    damage.remove(segment.deleted_docs)
    damage.lose_rows(other.uid, 1, 8)
    found = {one.name: one for one in inspect(server).collections}
    assert [len(errors(found[name])) for name in ("words", "bits", "sound")] == [2, 1, 0]
    assert len(rows_of(server, found["sound"])) == 1


def errors(found: SourceCollection) -> list[str]:
    return [p.message for p in found.problems if p.is_error]


def test_a_segment_in_two_data_folders_or_in_none(tmp_path: Path) -> None:
    server = Server(tmp_path, "0.8.0", secondary=(tmp_path / "more",))
    words = server.collection("words", 4)
    twice = words.segment([1], floats(1, 4))
    lost = words.segment([2], floats(1, 4), tables=1)
    server.write()
    damage.put_in_two_roots(server, twice)
    damage.remove(lost.folder)
    (found,) = inspect(server).collections
    assert {p.code for p in found.problems} == {"MMC423"}
    first, second = errors(found)
    assert f"words/{twice.id} lies in several data folders" in first
    assert f"words/{lost.id} lies in none of the 2 data folders" in second


def test_what_lies_behind_the_length_in_a_header_is_not_read(tmp_path: Path) -> None:
    server = Server(tmp_path)
    words = server.collection("words", 4)
    words.segment(range(6), floats(6, 4), deleted=[5, 0], trailing=b"\x02\x00\x00\x00" * 7)
    server.write()
    (found,) = inspect(server).collections
    assert [row.id for row in rows_of(server, found)] == [1, 2, 3, 4]
    assert found.problems == ()


def test_a_count_in_the_metadata_that_is_not_the_files_is_a_warning(tmp_path: Path) -> None:
    server = Server(tmp_path)
    words = server.collection("words", 4)
    words.segment(range(6), floats(6, 4), deleted=[5, 0], row_count=6)
    words.segment(range(6, 9), floats(3, 4))
    server.write()
    (found,) = inspect(server).collections
    (problem,) = found.problems
    assert (problem.code, problem.is_error) == ("MMC427", False)
    assert "1 of 2 segments, such as 6 in" in problem.message
    assert "4 live rows" in problem.message


@pytest.mark.parametrize("when", ["before", "in the middle"])
def test_a_segment_that_changes_after_the_plan_stops_the_read(tmp_path: Path, when: str) -> None:
    server, segment = small(tmp_path)
    server.write()
    (found,) = inspect(server).collections
    if when == "before":
        damage.delete_offsets(segment, 4)
        with pytest.raises(SourceChanged, match=f"{segment.id}/deleted_docs: changed since"):
            rows_of(server, found)
        return
    original = module.load_kept

    def change(*args: object) -> object:
        found = original(*args)  # type: ignore[arg-type]
        segment.deleted_docs.write_bytes(segment.deleted_docs.read_bytes() + b"....")
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_kept", change)
        with pytest.raises(SourceChanged, match="changed since the plan"):
            rows_of(server, found)


def test_a_segment_that_is_gone_after_the_plan_makes_it_stale(tmp_path: Path) -> None:
    """As the server's clean-up does with the sources of a merge."""
    server, segment = small(tmp_path)
    server.write()
    (found,) = inspect(server).collections
    damage.remove(segment.folder)
    with pytest.raises(SourceChanged, match=f"{segment.id}.rv: no such file any more") as caught:
        rows_of(server, found)
    assert (caught.value.code, caught.value.exit_code) == ("MMC420", 4)


def test_rows_are_named_by_their_place_in_the_file(tmp_path: Path) -> None:
    server, _ = small(tmp_path)
    server.write()
    (found,) = inspect(server).collections
    extent = found.extents[1]
    split = Split(id="0", pieces=(extent,), rows=extent.rows, bytes=extent.bytes)
    batches = Milvus1Source().read(config_of(server), "words", split, ["id"], 3)
    places = [
        (origin_of(batch).place(row), id_)
        for batch in batches
        for row, id_ in enumerate(batch.column("id").to_pylist())
    ]
    assert places == [(row, row + 10) for row in (0, 1, 2, 4, 5, 6, 7, 8)]


def test_nothing_is_written_to_the_folder(tmp_path: Path) -> None:
    server, _ = small(tmp_path)
    server.write("sqlite-wal")
    before = {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    (found,) = inspect(server).collections
    assert np.array_equal(sorted(row.id for row in rows_of(server, found))[:5], range(5))
    after = {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert after == before
