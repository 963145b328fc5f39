"""meta.json: ours comes back whole, theirs is read, and ours is one that theirs reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.errors import SourceError
from mmc.sources.milvus1.catalogue import Catalogue, FileRow, TableRow
from mmc.sources.milvus1.live import live_collections
from mmc.sources.milvus1.meta.json_ import read_meta_json, write_meta_json
from mmc.sources.milvus1.meta.read import load_catalogue
from tests.generators.milvus1.generate import generate
from tests.generators.milvus1.writer import Server

SAMPLE = (
    '{"collections":[{"collection":"test1w","metric":1,"rows":10000,"dim":256,"segments":'
    '[{"collection":"test1w","segment":"1678354366132931000","dim":256,"rows":10000,'
    '"fileSize":10320000}]}],"rows":10000}'
)
"""As zilliztech/milvus-migration writes it."""


def again(catalogue: Catalogue) -> Catalogue:
    text = write_meta_json(catalogue, live_collections(catalogue))
    return read_meta_json(text, "meta.json")


def test_theirs() -> None:
    found = read_meta_json(SAMPLE, "meta.json")
    assert found.tables == (
        TableRow(id=1, table_id="test1w", state=0, dimension=256, metric_type=1),
    )
    assert found.files == (
        FileRow(
            id=1,
            table_id="test1w",
            segment_id="1678354366132931000",
            file_type=1,
            row_count=10_000,
            file_size=10_320_000,
        ),
    )
    assert (found.tables[0].flush_lsn, found.tables[0].engine_type) == (None, 0)
    assert again(found) == found


def test_partitions_of_theirs_are_told() -> None:
    number = "1678354366132931000"
    text = SAMPLE.replace('"test1w"', f'"{number}"')
    (live,) = live_collections(read_meta_json(text, "meta.json"))
    assert live.name == number
    (said,) = live.problems
    assert not said.is_error
    assert "meta.json does not hold" in said.message


@pytest.mark.parametrize("seed", range(6))
def test_ours_comes_back_whole(tmp_path: Path, seed: int) -> None:
    server = generate(tmp_path, seed)
    catalogue = load_catalogue(str(server.meta), None, {})
    found = again(catalogue)
    assert found == catalogue
    assert found.where == "meta.json"
    ours, theirs = live_collections(found), live_collections(catalogue)
    assert ours == theirs


texts = st.text(max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1)


def rows(table: type[Any]) -> st.SearchStrategy[Any]:
    """Rows with any value in every column."""
    columns = {str: texts, int: numbers, int | None: st.none() | numbers}
    return st.builds(table, **{name: columns[it] for name, it in get_type_hints(table).items()})


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        Catalogue,
        where=st.just("x"),
        tables=st.lists(rows(TableRow), max_size=3).map(tuple),
        files=st.lists(rows(FileRow), max_size=3).map(tuple),
        global_lsn=numbers,
        hybrid=st.frozensets(texts, max_size=2),
    )
)
def test_any_catalogue_comes_back_whole(catalogue: Catalogue) -> None:
    assert again(catalogue) == catalogue


def test_their_keys_in_ours(tmp_path: Path) -> None:
    """What their tool would export of the same database, partitions under their numbers."""
    server = Server(tmp_path)
    words = server.collection("words", 4)
    first = words.segment([1, 2], np.ones((2, 4), np.float32), deleted=[0])
    part = words.partition("日本")
    second = part.segment([3], np.ones((1, 4), np.float32)).build_index()
    server.collection("empty", 4)
    gone = server.collection("gone", 4)
    gone.segment([9], np.ones((1, 4), np.float32))
    gone.drop()
    catalogue = load_catalogue(str(server.write().meta), None, {})
    document = json.loads(write_meta_json(catalogue, live_collections(catalogue)))

    def entry(name: str, segment: str, rows: int, size: int) -> dict[str, Any]:
        inner = {"collection": name, "segment": segment, "dim": 4, "rows": rows, "fileSize": size}
        return {"collection": name, "metric": 1, "rows": rows, "dim": 4, "segments": [inner]}

    assert document.pop("mmc")["format"] == 1
    assert document == {
        "collections": [
            entry("words", first.id, 1, 2 * 24),
            entry(part.table_id, second.id, 1, 24),
        ],
        "rows": 2,
    }


def changed(path: str, value: object) -> str:
    """The sample with one value at a path replaced; `...` takes it away."""
    document = json.loads(SAMPLE)
    here = document
    *above, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in above:
        here = here[part]
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "meta.json:1:1: is not JSON"),
        ('{"collections":\n [}', "meta.json:2:3: is not JSON"),
        ("[" * 100_000, "nested too deep"),
        ("[]", "the document is not an object"),
        ("{}", "the document has no `collections`"),
        ('{"version":"7","indexs":[]}', "describes Elasticsearch indexes"),
        (changed("collections", 3), "`collections` is not a list"),
        (changed("collections", [3]), "`collections[0]` is not an object"),
        (changed("collections.0.dim", "256"), "`collections[0].dim` is not a whole number"),
        (changed("collections.0.dim", True), "`collections[0].dim` is not a whole number"),
        (changed("collections.0.dim", 1.5), "`collections[0].dim` is not a whole number"),
        (changed("collections.0.dim", ...), "`collections[0]` has no `dim`"),
        (changed("collections.0.collection", None), "`collections[0].collection` is not text"),
        (changed("collections.0.collection", "\ud800"), "half of a surrogate pair"),
        (changed("collections.0.segments", {}), "`collections[0].segments` is not a list"),
        (changed("collections.0.segments.0.rows", ...), "segments[0]` has no `rows`"),
        (changed("collections.0.segments.0.segment", 1), "segments[0].segment` is not text"),
        (changed("collections.0.segments.0.dim", 8), "segments[0].dim` is not that of its coll"),
        (changed("collections.0.segments.0.collection", "x"), "is not that of its collection"),
        (changed("mmc", {}), "`mmc` has no `format`"),
        (changed("mmc", {"format": 2}), "`mmc.format` is 2; this mmc reads 1"),
        (changed("mmc", {"format": 1}), "`mmc` has no `tables`"),
        (changed("mmc", {"format": 1, "tables": [{"id": 1}]}), "`mmc.tables[0]` has no `table_id`"),
    ],
)
def test_malformed(text: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_meta_json(text, "meta.json")
    assert caught.value.code == "MMC424"
    assert said in str(caught.value)
    assert str(caught.value).startswith("meta.json")


def test_what_go_and_editors_add() -> None:
    found = read_meta_json("\ufeff" + changed("collections.0.segments", None), "meta.json")
    assert len(found.tables) == 1 and found.files == ()
    assert read_meta_json('{"collections":null,"rows":0}', "meta.json").tables == ()
    assert read_meta_json(changed("collections.0.segments.0.fileSize", ...), "m").files
