"""Whatever is wrong in the target is found and named; what is right passes."""

from __future__ import annotations

import copy as copying
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.copied import CopiedSplit
from mmc.errors import Stopped
from mmc.events import Event, Verified, VerifyProgress
from mmc.facts import TargetCollection
from mmc.plan.model import CountCheck, DigestCheck, Mode
from mmc.spi import NOT_COUNTED
from mmc.types import Collection, Field, FieldType
from mmc.verify import check
from mmc.verify.check import KEY_BLOCK, NAMED, Replaced, key_name, verify_step
from mmc.verify.digest import combine
from mmc.verify.partitions import ONE_BY_ONE
from tests.verify.memory import COLLECTION, MemoryTarget, Migration, Rows, as_target, make_rows


def verify(
    migration: Migration,
    target: MemoryTarget,
    *,
    done: list[CopiedSplit] | None = None,
    events: list[Event] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    partitions_before: dict[str, int] | None = None,
    replaced: Replaced | None = None,
) -> Verified:
    seen = [] if events is None else events
    return verify_step(
        migration.step,
        migration.copy,
        as_target(target),
        migration.done() if done is None else done,
        create=migration.create,
        shape=migration.planned,
        read_split=migration.read_split,
        emit=seen.append,
        should_stop=should_stop,
        partitions_before=partitions_before,
        replaced=replaced,
    )


def sent(count: int = 30) -> Migration:
    return Migration([make_rows(0, count), make_rows(count, 0), make_rows(count, count)])


def arrived(migration: Migration, others: Rows | None = None) -> MemoryTarget:
    rows = copying.deepcopy([row for split in migration.sent for row in split])
    return MemoryTarget(migration.collection, rows + (others or []))


def test_what_arrived_is_verified() -> None:
    migration, events = sent(), list[Event]()
    target = arrived(migration)
    random.Random(1).shuffle(target.rows)
    found = verify(migration, target, events=events)
    assert found == Verified(
        step="verify.words",
        collection="words",
        ok=True,
        rows_expected=60,
        rows_found=60,
        digest_expected=combine(done.result.digest for done in migration.done()),
        digest_found=combine(done.result.digest for done in migration.done()),
        looked_at=(
            "rows",
            "digest",
            "partitions",
            "schema",
            "0 indexes",
            "aliases",
            "properties",
        ),
    )
    assert events[-1] == VerifyProgress("verify.words", 60, 60)
    assert not migration.reads, "the source need not be read when all is well"


def test_json_that_is_written_otherwise_is_the_same() -> None:
    migration = sent()
    target = arrived(migration)
    for row in target.rows:
        row["doc"] = row["doc"].replace(": ", ":")
    assert verify(migration, target).ok


def test_an_empty_collection_is_verified() -> None:
    migration = Migration([[]])
    found = verify(migration, arrived(migration))
    assert found.ok
    assert found.rows_found == 0
    assert verify(Migration([]), arrived(Migration([]))).ok


def lose(rows: Rows) -> None:
    del rows[7]


def repeat(rows: Rows) -> None:
    rows.append(dict(rows[7]))


def replace_by_copy(rows: Rows) -> None:
    rows[7] = dict(rows[8])


def add(rows: Rows) -> None:
    rows.append({**rows[7], "id": 999})


def rename(rows: Rows) -> None:
    rows[7]["id"] = 999


def change_vector(rows: Rows) -> None:
    rows[7]["vec"] = [7 / 4, -7 / 4, -0.0, 1.0]


def change_text(rows: Rows) -> None:
    rows[7]["word"] = "word  7"


def change_two(rows: Rows) -> None:
    rows[7]["doc"] = '{"n": 7.0}'
    rows[7]["$meta"] = '{"x": null}'


def null_text(rows: Rows) -> None:
    rows[5]["word"] = ""


def swap(rows: Rows) -> None:
    rows[7]["vec"], rows[8]["vec"] = rows[8]["vec"], rows[7]["vec"]


def long_text(rows: Rows) -> None:
    rows[7]["word"] = "y" * 100


MISSING = "MMC703: id = {}: sent, but not in the target"
SPOILT: dict[Callable[[Rows], None], tuple[str, ...]] = {
    lose: (
        "MMC701: the target counts 59 rows, 60 were expected",
        "MMC702: 59 rows were read back, 60 were sent",
        MISSING.format(7),
    ),
    repeat: (
        "MMC701: the target counts 61 rows, 60 were expected",
        "MMC702: 61 rows were read back, 60 were sent",
        "MMC704: id = 7: 2 times in the target",
    ),
    replace_by_copy: (
        "MMC702: *",
        MISSING.format(7),
        "MMC704: id = 8: 2 times in the target",
    ),
    add: (
        "MMC701: the target counts 61 rows, 60 were expected",
        "MMC702: 61 rows were read back, 60 were sent",
        "MMC706: id = 999: in the target, but never sent",
    ),
    rename: (
        "MMC702: *",
        MISSING.format(7),
        "MMC706: id = 999: in the target, but never sent",
    ),
    change_vector: (
        "MMC702: *",
        "MMC705: id = 7: vec[2] sent 0.0, found -0.0 (1 of 4 items differ)",
    ),
    change_text: (
        "MMC702: *",
        'MMC705: id = 7: word sent "word 7", found "word  7"',
    ),
    change_two: (
        "MMC702: *",
        'MMC705: id = 7: doc sent "{\\"n\\": 7}", found "{\\"n\\": 7.0}";'
        ' $meta sent "{}", found "{\\"x\\": null}"',
    ),
    null_text: ("MMC702: *", 'MMC705: id = 5: word sent null, found ""'),
    swap: (
        "MMC702: *",
        "MMC705: id = 7: vec[0] sent 1.75, found 2.0 (2 of 4 items differ)",
        "MMC705: id = 8: vec[0] sent 2.0, found 1.75 (2 of 4 items differ)",
    ),
    long_text: (
        "MMC702: *",
        f'MMC705: id = 7: word sent "word 7", found "{"y" * 47}… (102 characters)',
    ),
}


def matches(problems: tuple[str, ...], expected: tuple[str, ...]) -> bool:
    return len(problems) == len(expected) and all(
        problem.startswith(text[:-1]) if text.endswith("*") else problem == text
        for problem, text in zip(problems, expected, strict=True)
    )


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_what_is_wrong_is_named(spoil: Callable[[Rows], None]) -> None:
    migration = sent()
    target = arrived(migration)
    spoil(target.rows)
    found = verify(migration, target)
    assert not found.ok
    assert found.digest_found != found.digest_expected
    assert matches(found.problems, SPOILT[spoil]), found.problems


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.UPSERT])
@pytest.mark.parametrize(
    "spoil", [s for s in SPOILT if s not in (add, rename)], ids=lambda spoil: spoil.__name__
)
def test_what_is_wrong_with_ours_is_named_beside_other_rows(
    mode: Mode, spoil: Callable[[Rows], None]
) -> None:
    migration = sent()
    migration.mode, migration.before = mode, 25
    target = arrived(migration, make_rows(1000, 25))
    spoil(target.rows)
    found = verify(migration, target)
    assert not found.ok
    named = tuple(text for text in found.problems if text[:6] not in ("MMC701", "MMC702"))
    expected = tuple(text for text in SPOILT[spoil] if text[:6] not in ("MMC701", "MMC702"))
    assert named == expected


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.UPSERT])
def test_rows_of_before_do_not_disturb(mode: Mode) -> None:
    migration = sent()
    migration.mode, migration.before = mode, 25
    found = verify(migration, arrived(migration, make_rows(1000, 25)))
    assert found.ok, found.problems
    assert (found.rows_expected, found.rows_found) == (85, 85)
    assert found.digest_expected == found.digest_found != ""
    assert {columns for _, columns in migration.reads} == {("id",)}


def test_upsert_may_replace_rows_of_before() -> None:
    migration = sent()
    migration.mode, migration.before = Mode.UPSERT, 25
    found = verify(migration, arrived(migration, make_rows(1000, 15)))
    assert found.ok
    assert found.rows_expected == found.rows_found == 75
    for others, expected in ((26, 85), (-1, 60)):
        target = arrived(migration, make_rows(1000, max(0, others)))
        del target.rows[60 + others :]
        found = verify(migration, target)
        assert not found.ok
        assert found.rows_expected == expected
        assert found.problems[0].startswith("MMC701")


@pytest.mark.parametrize(
    ("before", "replaced", "others", "expected"),
    [
        # Sixty keys are sent; `others` are the rows that are not ours afterwards.
        (25, Replaced(60, 0), 25, 85),
        (25, Replaced(60, 10), 15, 75),
        (25, Replaced(60, 10), 14, 75),  # one that was not ours is gone
        (25, Replaced(60, 10), 16, 75),  # an old row stayed beside the new one
        (40, Replaced(60, 40), 0, 60),  # twenty keys that were there twice
        (40, Replaced(60, 40), 20, 60),
        (45, Replaced(60, 40), 5, 65),
        (45, Replaced(60, 40), 4, 65),
        # A row of the sixty-one went to quarantine: the old rows of its key stay.
        (45, Replaced(61, 41), 4, 64),
        (45, Replaced(61, 41), 6, 66),
        (45, Replaced(61, 41), 3, 64),
        (45, Replaced(61, 41), 45, 105),
        (45, Replaced(61, 41), 46, 105),
        (40, None, 0, 60),
    ],
)
def test_an_upsert_replaces_the_rows_that_were_counted(
    before: int, replaced: Replaced | None, others: int, expected: int
) -> None:
    migration = sent()
    migration.mode, migration.before, migration.digest = Mode.UPSERT, before, DigestCheck.OFF
    found = verify(migration, arrived(migration, make_rows(1000, others)), replaced=replaced)
    assert found.rows_expected == expected
    assert found.ok == (60 + others == expected)


def test_append_counts_every_row() -> None:
    migration = sent()
    migration.mode, migration.before = Mode.APPEND, 25
    found = verify(migration, arrived(migration, make_rows(1000, 24)))
    assert not found.ok
    assert found.problems == ("MMC701: the target counts 84 rows, 85 were expected",)


def test_keys_of_rejected_rows_are_not_ours() -> None:
    """The target has a row of before under the key of a row that went to quarantine."""
    migration = sent()
    migration.mode, migration.before = Mode.APPEND, 1
    migration.quarantined["00002"] = make_rows(500, 1)
    found = verify(migration, arrived(migration, make_rows(500, 1)))
    assert found.ok, found.problems


def test_keys_are_asked_for_in_blocks() -> None:
    migration = Migration([make_rows(0, 2 * KEY_BLOCK + 3)], mode=Mode.APPEND)
    target = arrived(migration)
    assert verify(migration, target).ok
    asked = [count for count in target.asked if count is not None]
    assert sum(asked) == 2 * KEY_BLOCK + 3
    assert max(asked) <= KEY_BLOCK


def test_a_source_that_gives_other_rows_now_is_told() -> None:
    migration = sent()
    done = migration.done()
    target = arrived(migration)
    target.rows[7]["word"] = "other"
    migration.sent[0][7]["word"] = "other"
    found = verify(migration, target, done=done)
    assert not found.ok
    assert found.problems[1].startswith("MMC707: split 00000: the source now gives 30 rows")


def test_only_the_first_rows_are_named() -> None:
    migration = sent()
    target = arrived(migration)
    target.rows.clear()
    found = verify(migration, target)
    assert len(found.problems) == 2 + NAMED
    assert found.problems[2:4] == (MISSING.format(0), MISSING.format(1))


@pytest.mark.parametrize("held", [1, 7, 1000])
def test_rows_never_sent_are_found_in_parts(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "HELD_KEYS", held)
    migration = sent()
    found = verify(migration, arrived(migration, make_rows(1000, 4)))
    named = [text for text in found.problems if text.startswith("MMC706")]
    assert sorted(named) == [
        f"MMC706: id = {key}: in the target, but never sent" for key in range(1000, 1004)
    ]


AUTO = Collection(
    "auto",
    (
        Field("id", FieldType.parse("int64"), primary_key=True, auto_id=True),
        *COLLECTION.fields[1:],
    ),
    dynamic=True,
)


def test_without_a_key_of_ours_contents_are_compared() -> None:
    assert key_name(AUTO) == ""
    assert key_name(COLLECTION) == "id"
    migration = Migration([make_rows(0, 20)], collection=AUTO)
    assert verify(migration, arrived(migration)).ok
    target = arrived(migration)
    target.rows[3]["word"] = "?"
    found = verify(migration, target)
    assert not found.ok
    assert found.problems[1].startswith("MMC709")


def test_without_a_key_appended_rows_cannot_be_told_apart() -> None:
    migration = Migration([make_rows(0, 20)], collection=AUTO, mode=Mode.APPEND, before=5)
    found = verify(migration, arrived(migration, make_rows(50, 5)))
    assert not found.ok
    assert [text[:6] for text in found.problems] == ["MMC708"]
    migration.digest = DigestCheck.OFF
    assert verify(migration, arrived(migration, make_rows(50, 5))).ok


def test_count_or_digest_may_be_off() -> None:
    counted = sent()
    counted.digest = DigestCheck.OFF
    target = arrived(counted)
    target.rows[7]["word"] = "?"
    found = verify(counted, target)
    assert found.ok
    assert (found.digest_expected, found.digest_found, found.rows_found) == ("", "", 60)
    assert target.asked == []
    lose(target.rows)
    assert verify(counted, target).problems == (
        "MMC701: the target counts 59 rows, 60 were expected",
        MISSING.format(7),
    )

    digested = sent()
    digested.count = CountCheck.OFF
    found = verify(digested, arrived(digested))
    assert found.ok
    assert found.rows_found == 60
    target = arrived(digested)
    repeat(target.rows)
    found = verify(digested, target)
    assert not found.ok
    assert found.rows_found == 61


@pytest.mark.parametrize("mode", [Mode.FAIL, Mode.APPEND])
def test_a_stop_is_heard(mode: Mode) -> None:
    migration = sent()
    migration.mode = mode
    with pytest.raises(Stopped):
        verify(migration, arrived(migration), should_stop=lambda: True)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_accident_is_found(data: Any) -> None:
    count = data.draw(st.integers(1, 40))
    mode = data.draw(st.sampled_from([Mode.FAIL, Mode.REPLACE, Mode.APPEND, Mode.UPSERT]))
    cut = data.draw(st.integers(0, count))
    rows = make_rows(0, count)
    before = 0 if mode in (Mode.FAIL, Mode.REPLACE) else data.draw(st.integers(0, 5))
    migration = Migration([rows[:cut], rows[cut:]], mode=mode, before=before)
    target = arrived(migration, make_rows(1000, before))
    assert verify(migration, target).ok
    victim = data.draw(st.integers(0, count - 1))
    match data.draw(st.sampled_from(["lose", "repeat", "vec", "word", "doc", "$meta"])):
        case "lose":
            del target.rows[victim]
        case "repeat":
            target.rows.append(dict(target.rows[victim]))
        case "vec":
            target.rows[victim]["vec"][data.draw(st.integers(0, 3))] += 0.5
        case column:
            target.rows[victim][column] = '"another"'
    found = verify(migration, target)
    assert not found.ok
    assert any(f"id = {victim}:" in problem for problem in found.problems)


def in_partitions(mode: Mode = Mode.FAIL) -> tuple[Migration, MemoryTarget]:
    """Sixty rows: 20 in no partition that is named, 30 in `p` by two splits, 10 in `q`."""
    sent = [make_rows(0, 20), make_rows(20, 15), make_rows(35, 10), make_rows(45, 15)]
    parts = ("", "p", "q", "p")
    migration = Migration(sent, mode=mode, partitions=parts)
    rows = [
        {**row, "partition": part} for split, part in zip(sent, parts, strict=True) for row in split
    ]
    return migration, MemoryTarget(migration.collection, rows)


def test_rows_in_another_partition_than_their_own_are_told() -> None:
    migration, target = in_partitions()
    assert verify(migration, target).ok
    target.rows[35]["partition"] = "p"
    found = verify(migration, target)
    assert not found.ok
    assert found.digest_found == found.digest_expected
    assert found.problems == (
        "MMC710: partition `p` counts 31 rows, 30 were expected",
        "MMC710: partition `q` counts 9 rows, 10 were expected",
    )
    assert not migration.reads, "no row differs, so none has to be looked for in the source"


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.UPSERT])
def test_rows_of_before_count_in_their_partition(mode: Mode) -> None:
    migration, target = in_partitions(mode)
    migration.before = 5
    target.rows += [{**row, "partition": "q"} for row in make_rows(1000, 5)]
    assert verify(migration, target, partitions_before={"p": 0, "q": 5}).ok
    target.rows[35]["partition"] = "p"
    moved = verify(migration, target, partitions_before={"p": 0, "q": 5})
    lines = ["MMC710: partition `p` counts 31 rows, 30 were expected"]
    if mode is Mode.APPEND:
        lines.append("MMC710: partition `q` counts 14 rows, 15 were expected")
    assert moved.problems == tuple(lines)


@pytest.mark.parametrize("mode", [Mode.FAIL, Mode.APPEND, Mode.UPSERT])
def test_a_row_in_a_partition_that_the_plan_does_not_name_is_told(mode: Mode) -> None:
    """All rows were sent to the default partition; one lies in another one now."""
    migration, there = sent(), replace(COLLECTION, partitions=("a", "b"))
    migration.mode, migration.before = mode, 0 if mode is Mode.FAIL else 4
    target = arrived(migration)
    target.found = TargetCollection(schema=there, rows=NOT_COUNTED)
    if mode is not Mode.FAIL:
        target.rows += [{**row, "partition": "b"} for row in make_rows(1000, 4)]
    found = verify(migration, target, partitions_before={"": 0, "b": 4})
    assert found.ok and "the plan does not know the partition a" in found.notes
    target.rows[7]["partition"] = "b"
    found = verify(migration, target, partitions_before={"": 0, "b": 4})
    rows = 0 if mode is Mode.FAIL else 4
    lines = [
        "MMC710: the default partition counts 59 rows, 60 were expected",
        f"MMC710: partition `b` counts {rows + 1} rows, {rows} were expected",
    ]
    assert list(found.problems) == lines and not found.ok


def test_many_partitions_that_the_plan_does_not_write_to_are_counted_together() -> None:
    migration, names = sent(), tuple(f"p{number:03}" for number in range(ONE_BY_ONE))
    target = arrived(migration)
    there = replace(COLLECTION, partitions=names)
    target.found = TargetCollection(schema=there, rows=NOT_COUNTED)
    assert verify(migration, target).ok
    target.rows[7]["partition"] = names[-1]
    assert verify(migration, target).problems == (
        "MMC710: the default partition counts 59 rows, 60 were expected",
        "MMC710: partitions that the plan does not write to (p000, p001, p002, p003, p004, and 59"
        " more) count 1 rows, 0 were expected",
    )


def test_what_is_not_as_planned_beside_the_rows_is_no_verified() -> None:
    migration = sent()
    target = arrived(migration)
    ttl = replace(COLLECTION, properties=(("collection.ttl.seconds", "1"),))
    target.found = TargetCollection(schema=ttl, rows=NOT_COUNTED)
    found = verify(migration, target)
    assert (found.ok, found.digest_found) == (False, found.digest_expected)
    assert found.problems == ("MMC713: property collection.ttl.seconds: nothing planned, 1 found",)
    assert not migration.reads


def test_partitions_are_not_counted_where_no_count_is_asked_for() -> None:
    migration, target = in_partitions()
    migration.count = CountCheck.OFF
    target.rows[35]["partition"] = "p"
    assert verify(migration, target).ok
