"""What is live follows the queries of Milvus 1.x, and what contradicts itself is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmc.diagnostics import Diagnostic, Severity
from mmc.sources.milvus1.catalogue import Catalogue, FileRow, FileType, TableRow
from mmc.sources.milvus1.contradictions import about_orphans
from mmc.sources.milvus1.live import LIVE, LiveCollection, LiveSegment, live_collections
from mmc.sources.milvus1.meta.read import load_catalogue
from tests.generators.milvus1.generate import generate
from tests.generators.milvus1.writer import Server

NEW, RAW, TO_INDEX, INDEX, TO_DELETE, NEW_MERGE, NEW_INDEX, BACKUP = FileType


def root(name: str = "words", id: int = 1, **values: object) -> TableRow:
    row = TableRow(
        id=id, table_id=name, state=0, dimension=8, metric_type=1, engine_type=1, flush_lsn=5
    )
    return replace(row, **values)


def part(tag: str, id: int, owner: str = "words", **values: object) -> TableRow:
    return root(str(1600 + id), id, owner_table=owner, partition_tag=tag, **values)


def files(*rows: tuple[str, str, int, int]) -> tuple[FileRow, ...]:
    """(table, segment, type, rows), numbered from 1."""
    return tuple(
        FileRow(
            id=number,
            table_id=table,
            segment_id=segment,
            file_type=int(type_),
            row_count=count,
            file_size=100 * number,
        )
        for number, (table, segment, type_, count) in enumerate(rows, 1)
    )


def look(tables: Sequence[TableRow], rows: Sequence[FileRow] = ()) -> tuple[LiveCollection, ...]:
    return live_collections(Catalogue(where="meta.sqlite", tables=tuple(tables), files=tuple(rows)))


def one(tables: Sequence[TableRow], rows: Sequence[FileRow] = ()) -> LiveCollection:
    (found,) = look(tables, rows)
    return found


def problem(found: LiveCollection) -> Diagnostic:
    (only,) = found.problems
    return only


def segments(*rows: tuple[str, str, int, int]) -> tuple[LiveSegment, ...]:
    return one([root()], files(*rows)).partitions[0].segments


def test_dropped_collections_and_partitions_are_gone() -> None:
    tables = [
        root("b", 1),
        root("a", 2),
        root("dropped", 3, state=1),
        part("old", 4, "b", state=1),
        part("old", 5, "b"),
        part("x", 6, "dropped"),
        part("first", 7, "b", flush_lsn=9),
        part("x", 8, "never"),
    ]
    a, b = look(tables[::-1])
    assert (a.name, b.name) == ("a", "b")
    assert [(p.tag, p.table_id, p.flush_lsn) for p in b.partitions] == [
        ("", "b", 5),
        ("old", "1605", 5),
        ("first", "1607", 9),
    ]
    assert a.problems == b.problems == ()


@pytest.mark.parametrize("type_", FileType)
def test_one_row_of_each_type(type_: FileType) -> None:
    found = segments(("words", "s", type_, 3))
    assert bool(found) == (type_ in (RAW, TO_INDEX, INDEX, BACKUP))


def test_each_segment_once_in_order_of_its_first_row() -> None:
    found = segments(
        ("words", "late", TO_DELETE, 1),
        ("words", "early", RAW, 2),
        ("words", "late", RAW, 3),
        ("words", "gone", TO_DELETE, 4),
        ("words", "early", NEW_INDEX, 5),
        ("other", "other", RAW, 6),
    )
    assert found == (
        LiveSegment(table_id="words", segment_id="late", order=1, row_count=3, file_size=300),
        LiveSegment(table_id="words", segment_id="early", order=2, row_count=2, file_size=200),
    )


@pytest.mark.parametrize(
    ("rows", "count", "size"),
    [
        ([(BACKUP, 7), (INDEX, 9)], 7, 100),
        ([(INDEX, 9), (TO_INDEX, 7)], 7, 200),
        ([(INDEX, 9)], 9, 0),
        ([(INDEX, 9), (INDEX, 8)], None, 0),
        ([(RAW, 7), (BACKUP, 8)], None, 200),
        ([(RAW, 7), (TO_DELETE, 8)], 7, 100),
        ([(RAW, -1)], None, 100),
        ([(RAW, 0)], 0, 100),
    ],
)
def test_counts_are_those_of_the_raw_rows(
    rows: list[tuple[FileType, int]], count: int | None, size: int
) -> None:
    (found,) = segments(*(("words", "s", type_, number) for type_, number in rows))
    assert (found.row_count, found.file_size) == (count, size)


def test_rows_that_1x_could_not_search() -> None:
    found = one([root()], files(*(("words", f"s{n}", BACKUP, 1) for n in range(5))))
    assert len(found.partitions[0].segments) == 5
    said = problem(found)
    assert (said.code, said.severity) == ("MMC427", Severity.WARNING)
    assert "segments s0, s1, s2 and 2 more" in said.message
    assert "did not search" in said.message


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"dimension": 0}, "has 0 dimensions"),
        ({"dimension": -8}, "has -8 dimensions"),
        ({"dimension": 32_769}, "has 32,769 dimensions; Milvus has at most 32,768"),
        ({"dimension": 262_152, "metric_type": 3}, "at most 262,144"),
        ({"dimension": 12, "metric_type": 3}, "12 dimensions are no whole number of bytes"),
        ({"metric_type": 0}, "has the metric 0"),
        ({"metric_type": 8}, "has the metric 8"),
        ({"state": 2}, "has the state 2"),
        ({"table_id": "../etc"}, "the table_id `../etc`"),
        ({"table_id": ".."}, "the table_id `..`"),
        ({"table_id": "a/b"}, "the table_id `a/b`"),
        ({"table_id": "a\\b"}, "is not the name of a folder"),
    ],
)
def test_collections_that_cannot_be(values: dict[str, object], said: str) -> None:
    row = root(**values)
    found = one([row], files((row.table_id, "s", RAW, 1)))
    error = problem(found)
    assert error.code == "MMC422"
    assert error.is_error
    assert said in error.message
    assert f"`{row.table_id}`" in error.message
    if "table_id" in values:
        assert found.partitions[0].segments == ()


@pytest.mark.parametrize("name", ["..", ".", "", "../../etc/passwd", "/etc", "a\\b", "a\0b"])
def test_no_segment_leads_out_of_the_data_folder(name: str) -> None:
    found = one([root()], files(("words", name, RAW, 1), ("words", "s", RAW, 1)))
    assert [s.segment_id for s in found.partitions[0].segments] == ["s"]
    assert problem(found).is_error
    assert one([root()], files(("words", name, TO_DELETE, 1))).problems == ()


def test_a_partition_that_leads_out_of_the_data_folder() -> None:
    found = one([root(), part("x", 2, table_id="../p")], files(("../p", "s", RAW, 1)))
    assert len(found.partitions) == 1
    assert "`words`, partition `x`: the table_id `../p`" in problem(found).message


def test_a_segment_of_two_tables() -> None:
    tables = [root("a", 1), root("b", 2), root("c", 3), part("x", 4, "a")]
    rows = files(("a", "s", RAW, 1), ("b", "s", RAW, 1), ("c", "t", RAW, 1), ("1604", "u", RAW, 1))
    a, b, c = look(tables, rows)
    assert "segment s belongs to both `a` and `b`" in problem(a).message
    assert problem(b).is_error
    assert c.problems == ()
    inside = one(
        [root("a", 1), part("x", 4, "a")], files(("a", "s", RAW, 1), ("1604", "s", RAW, 1))
    )
    assert "both `1604` and `a`" in problem(inside).message
    assert look(tables, files(("a", "s", RAW, 1), ("b", "s", TO_DELETE, 1)))[0].problems == ()


def test_one_name_twice() -> None:
    assert "2 times, with the ids 1 and 2" in problem(one([root(), root(id=2)])).message


def test_partitions_that_differ_or_repeat() -> None:
    found = one([root(), part("x", 2, dimension=16), part("y", 3), part("y", 4)])
    assert len(found.partitions) == 4
    differs, repeats = found.problems
    assert "16 dimensions and the metric 1, but its collection 8 and 1" in differs.message
    assert "is there twice, as 1603 and 1604" in repeats.message
    assert not differs.is_error and not repeats.is_error
    assert problem(one([root(), part("x", 2, state=7)])).is_error


def test_an_unknown_file_type() -> None:
    assert "unknown file_type 9" in problem(one([root()], files(("words", "s", 9, 1)))).message


def test_a_merge_that_was_cut_off_after_its_sources_went() -> None:
    gone = [("words", "a", TO_DELETE, 1), ("words", "b", TO_DELETE, 1)]
    merged = ("words", "m", NEW_MERGE, 0)
    found = one([root()], files(*gone, merged, ("words", "new", RAW, 1)))
    said = problem(found)
    assert (said.code, said.severity) == ("MMC422", Severity.WARNING)
    assert "segment m: a merge that was cut off" in said.message
    healthy = [("words", "a", RAW, 1), ("words", "b", RAW, 1)]
    assert one([root()], files(*healthy, merged)).problems == ()
    explained = [*gone, ("words", "earlier merge", RAW, 2)]
    assert one([root()], files(*explained, merged)).problems == ()
    unfinished = ("words", "n", NEW, 0)
    assert one([root()], files(*gone, unfinished, merged)).problems


def test_hybrid_collections_are_told() -> None:
    catalogue = Catalogue(
        where="m", tables=(root("a"), root("b", 2)), files=(), hybrid=frozenset({"b", "c"})
    )
    a, b = live_collections(catalogue)
    assert not a.hybrid and b.hybrid
    assert (problem(b).code, problem(b).severity) == ("MMC426", Severity.WARNING)


def test_a_number_for_a_name_is_probably_a_partition() -> None:
    said = problem(one([root("1678354366132931000")]))
    assert not said.is_error
    assert "probably a partition" in said.message
    assert "export-meta" in said.hint


def test_binary_goes_by_the_metric() -> None:
    float_, binary = look([root("a", engine_type=9), root("b", 2, metric_type=6, engine_type=1)])
    assert (float_.binary, float_.row_bytes) == (False, 32)
    assert (binary.binary, binary.row_bytes) == (True, 1)


@pytest.mark.parametrize("seed", range(12))
def test_generated_servers(tmp_path: Path, seed: int) -> None:
    """Tags and rows are those the writer knows of; the counts are right where it says so."""
    server = generate(tmp_path, seed)
    catalogue = load_catalogue(str(server.meta), None, {})
    found = {live.name: live for live in live_collections(catalogue)}
    truth = server.truth()
    assert set(found) == set(truth)
    for name, live in found.items():
        assert not [said for said in live.problems if said.is_error]
        assert (live.dimension, live.binary) == (truth[name].dim, truth[name].binary)
        tables = {p.table_id: p for c in server.collections for p in (c, *c.partitions)}
        for at in live.partitions:
            said = [s.segment_id for s in at.segments]
            assert said == [s.id for s in tables[at.table_id].segments if s.live]
        rows = {tag for tag, *_ in truth[name].rows}
        assert rows <= {at.tag for at in live.partitions}


texts = st.sampled_from(["", "a", "b", "..", "a/b", "16"])
rows_of_tables = st.builds(
    TableRow,
    id=st.integers(0, 4),
    table_id=texts,
    state=st.integers(-1, 2),
    dimension=st.integers(-1, 16),
    metric_type=st.integers(-1, 9),
    owner_table=texts,
    partition_tag=texts,
)
rows_of_files = st.builds(
    FileRow,
    id=st.integers(0, 20),
    table_id=texts,
    segment_id=texts,
    file_type=st.integers(-1, 9),
    row_count=st.integers(-1, 3),
    file_size=st.integers(-1, 3),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows_of_tables, max_size=6), st.lists(rows_of_files, max_size=8))
def test_any_rows_at_all(tables: list[TableRow], rows: list[FileRow]) -> None:
    """Never an exception, never an unsafe path, and live rows only from live tables."""
    for live in look(tables, rows):
        for at in live.partitions:
            for segment in at.segments:
                assert "/" not in segment.segment_id + at.table_id
                assert ".." not in (segment.segment_id, at.table_id)
                assert segment.segment_id
        ids = [s.segment_id for at in live.partitions for s in at.segments]
        assert len(ids) == len(set(ids)) or any(said.is_error for said in live.problems)


def test_merged_and_compacted_segments(tmp_path: Path) -> None:
    """Through the writer: what a cut-off merge, an index and a drop leave."""
    server = Server(tmp_path)
    words = server.collection("words", 4)
    made = [words.segment([n], np.ones((1, 4), np.float32)) for n in range(4)]
    words.merge(made[0], made[1])
    words.merge(made[2], made[3], cut_off=True)
    made[3].build_index()
    catalogue = load_catalogue(str(server.write().meta), None, {})
    (live,) = live_collections(catalogue)
    wanted = [made[2].id, made[3].id, words.segments[4].id]
    assert [s.segment_id for s in live.partitions[0].segments] == wanted
    assert [s.row_count for s in live.partitions[0].segments] == [1, 1, 2]
    assert live.problems == ()


def test_rows_of_tables_that_are_not_there_are_told() -> None:
    """An UPDATE by hand, or half a restore: they were "0 rows" without a word."""
    tables = [root("x"), root("gone", 2, state=1), part("p", 3, "lost"), part("q", 4, "gone")]
    rows = files(
        ("main", "1", RAW, 40),
        ("main", "2", BACKUP, 8),
        ("main", "2", INDEX, 8),
        ("main", "3", TO_DELETE, 5),
        ("gone", "4", RAW, 7),
        ("1603", "5", RAW, 3),
    )
    found = list(
        about_orphans(Catalogue(where="meta.sqlite", tables=tuple(tables), files=rows), LIVE)
    )
    assert [(one.code, one.severity) for one in found] == [("MMC422", Severity.WARNING)] * 2
    assert "2 segments of `main` with 48 rows" in found[0].message
    assert "the partition `p` is one of `lost`" in found[1].message
    assert not list(about_orphans(Catalogue(where="meta.sqlite", tables=(root(),), files=()), LIVE))
