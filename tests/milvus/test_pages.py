"""Reading back: filters quote keys properly, and pages of any size give every row exactly once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mmc.errors import TargetBusy, TargetError
from mmc.milvus import pages
from mmc.milvus.pages import FIRST_INT64, LAST_INT64, after, among, quote
from mmc.plan.model import BuildIndex
from mmc.sinks.milvus.insert.target import InsertTarget
from mmc.types import Index, Metric
from tests.servers.milvus_lite import create_step, open_lite
from tests.sinks.milvus.collections import KEYS, field, read, same, small, small_rows, write


def test_quote_uses_only_escapes_that_every_version_knows() -> None:
    assert quote("a\"b\\c\nd\re\tf'g") == '"a\\"b\\\\c\\nd\\re\\tf\'g"'
    assert quote("\x00é😀\u2028") == '"\x00é😀\u2028"'


def test_filters_for_integer_keys_never_write_the_smallest() -> None:
    key = field("id", "int64", primary_key=True)
    assert after(key, FIRST_INT64) == f"id >= {FIRST_INT64 + 1}"
    assert after(key, 7) == "id >= 8"
    assert among(key, [1, FIRST_INT64]) == f"id in [1] or id < {FIRST_INT64 + 1}"
    assert among(key, [FIRST_INT64]) == f"id < {FIRST_INT64 + 1}"
    assert among(key, [1, -2]) == "id in [1, -2]"


def test_filters_for_text_keys() -> None:
    key = field("id", "varchar(9)", primary_key=True)
    assert after(key, "") == 'id > ""'
    assert among(key, ['"', "b"]) == 'id in ["\\"", "b"]'


def paged(target: InsertTarget, rows: int) -> InsertTarget:
    """The same open target, reading pages of at most `rows`."""
    connection = target._connection
    dialect = replace(connection.dialect, page_rows=rows)
    connection.version = replace(connection.version, dialect=dialect)
    return target


@pytest.mark.milvus_lite
@pytest.mark.parametrize("key", ["varchar(200)", "int64"])
@pytest.mark.parametrize("flushed", [False, True])
def test_pages_of_any_size(tmp_path: Path, key: str, flushed: bool) -> None:
    collection = small(key)
    keys: list[Any] = KEYS
    if key == "int64":
        keys = [FIRST_INT64, FIRST_INT64 + 1, -5, 0, 3, LAST_INT64 - 1, LAST_INT64]
    rows = small_rows(collection, keys)
    want = rows.sort_by("id")
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        # Two writes, the second over a part of the first: older versions must not show up.
        write(target, collection, rows.slice(0, 4))
        if not flushed:
            write(target, collection, rows, replay=True)
    with open_lite(tmp_path) as target:
        if flushed:
            write(target, collection, rows, replay=True)
        for size in (1, 2, 3, len(keys), len(keys) + 1):
            same(read(paged(target, size), collection), want)
            same(read(paged(target, size), collection, rows["id"]), want)


@pytest.mark.milvus_lite
def test_a_page_that_comes_again_and_again_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = small()
    rows = small_rows(collection, list(range(25)))
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows)
        asked = pages.query

        def first(*about: Any, **how: Any) -> Any:
            return asked(*about[:3], "", **how)

        monkeypatch.setattr(pages, "query", first)
        with pytest.raises(TargetBusy, match="does not lie behind") as raised:
            read(paged(target, 5), collection)
    assert raised.value.code == "MMC506"


@pytest.mark.milvus_lite
def test_batches_are_no_larger_than_asked(tmp_path: Path) -> None:
    collection = small()
    rows = small_rows(collection, list(range(25)))
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows)
        batches = list(target.read_back(collection, ["id"], None, 10))
        assert [batch.num_rows for batch in batches] == [10, 10, 5]
        some = pa.array([3, 999, 4])
        (found,) = target.read_back(collection, ["id"], some, 10)
        assert sorted(found["id"].to_pylist()) == [3, 4]


@pytest.mark.milvus_lite
def test_a_page_that_is_too_large_is_halved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("milvus_lite.adapter.grpc.server._MAX_MESSAGE_SIZE", 20_000)
    collection = small()
    texts = ["x" * 100] * 400
    rows = small_rows(collection, list(range(400)), texts=texts)
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows, batch_bytes=10_000)
        same(read(target, collection), rows)
        same(read(target, collection, rows["id"]), rows)


@pytest.mark.milvus_lite
def test_a_row_larger_than_an_answer_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("milvus_lite.adapter.grpc.server._MAX_MESSAGE_SIZE", 3_000)
    collection = small(dynamic=True)
    # Milvus Lite sends each é of a dynamic field as six bytes, and takes it as two.
    rows = small_rows(collection, [1, 2], meta=["{}", '{"x":"' + "é" * 1_000 + '"}'])
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows)
        for keys in (None, rows["id"]):
            with pytest.raises(TargetError, match="one row is too large") as caught:
                read(target, collection, keys)
            assert caught.value.code == "MMC509"


@pytest.mark.milvus_lite
def test_an_indexed_collection_is_loaded_to_be_read(tmp_path: Path) -> None:
    collection = small()
    rows = small_rows(collection, [1, 2])
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows)
        index = Index("FLAT", Metric.L2)
        target.build_index(BuildIndex(id="i", collection="c", field="v", index=index))
    with open_lite(tmp_path) as target:
        same(read(target, collection), rows)
