"""The source as a whole: names, keys, formats, changed files, the sample, remote files, memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.errors import MmcError, SourceChanged, SourceError
from mmc.facts import Extent
from mmc.plan.codec import canonical
from mmc.plan.model import Endpoint
from mmc.registry import options_of
from mmc.sources.files.sample import choose
from mmc.spi import Sample
from mmc.storage.urls import join_url, open_atomic
from mmc.types import JsonValue
from tests.servers.s3 import Bucket, s3_bucket
from tests.sources.files.reading import SOURCE, config, cut, field, look, read

RNG = np.random.default_rng(7)


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_names_of_collections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = [{"id": 1}]
    one = write_jsonl(tmp_path / "my words-é.v2.jsonl", row)
    assert look(config(one)).name == "my_words___v2"
    write_jsonl(tmp_path / "set" / "a" / "x.jsonl", row)
    write_jsonl(tmp_path / "set" / "b" / "y.jsonl", row)
    assert look(config(tmp_path / "set")).name == "set"
    assert look(config(tmp_path / "set" / "a")).name == "x"
    monkeypatch.chdir(tmp_path / "set")
    assert look(config("**/*.jsonl")).name == "set"


def test_an_unknown_collection(tmp_path: Path) -> None:
    one = write_jsonl(tmp_path / "words.jsonl", [{"id": 1}])
    with pytest.raises(SourceError, match="no collection `word`") as info:
        SOURCE.inspect(config(one), ["word"], Sample())
    assert info.value.hint == "did you mean `words`?"


def test_mixed_and_unknown_formats(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"id": 1}])
    (tmp_path / "b.csv").write_text("id\n1\n")
    with pytest.raises(SourceError, match=r"a\.jsonl is json, .*b\.csv is csv") as info:
        look(config(tmp_path))
    assert info.value.code == "MMC433"
    (tmp_path / "x.dat").write_text("id\n1\n")
    with pytest.raises(SourceError, match="does not tell the format"):
        look(config(tmp_path / "x.dat"))
    assert look(config(tmp_path / "x.dat", format="csv")).rows == 1


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ({"ID": [1], "pk": [2]}, "ID"),
        ({"key": ["a"], "_id": ["b"]}, "_id"),
        ({"pk": ["a"], "x": [1]}, "pk"),
        ({"id": [1.5], "Key": [1]}, "Key"),
        ({"id": [1.5]}, "row_id"),
        ({"id": [None, "a"]}, "row_id"),
        ({"ID": [[1, 2]], "row_id": [0.5]}, "row_number"),
        ({"x": [1]}, "id"),
    ],
)
def test_keys(tmp_path: Path, columns: dict[str, list[Any]], key: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    collection = look(config(tmp_path / "x.parquet"))
    assert [field.name for field in collection.fields if field.key] == [key]
    assert field(collection, key).unique == (key not in columns)


def test_changed_and_missing_files_stop_the_read(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "x.jsonl", [{"id": 1}])
    options = config(path)
    collection = look(options)
    assert collection.fingerprint == ((str(path), collection.fingerprint[0][1]),)
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    with pytest.raises(SourceChanged, match=r"x\.jsonl changed since the plan") as info:
        read(options, collection)
    assert (info.value.code, info.value.exit_code) == ("MMC436", 4)
    path.unlink()
    with pytest.raises(SourceChanged, match="not there now"):
        read(options, collection)


def test_missing_columns_name_the_nearest(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    write_jsonl(tmp_path / "b.jsonl", [{"price": 1}])
    (tmp_path / "c.csv").write_text("price\n1\n")
    pq.write_table(pa.table({"price": [1]}), tmp_path / "d.parquet")
    for name, wanted, near in (
        ("a.npy", "aa", "a"),
        ("b.jsonl", "prize", "price"),
        ("c.csv", "prize", "price"),
        ("d.parquet", "prize", "price"),
    ):
        options = config(tmp_path / name)
        with pytest.raises(SourceError, match=f"there is no column `{wanted}`") as info:
            read(options, look(options), [wanted])
        assert info.value.hint == f"did you mean `{near}`?"


def test_fewer_rows_than_planned_stop_the_read(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "x.jsonl", [{"id": 1}, {"id": 2}])
    options = config(path)
    collection = look(options)
    wrong = replace(collection.extents[0], rows=3)
    with pytest.raises(SourceError, match="2 rows read where the plan says 3"):
        read(options, collection, pieces=[wrong])


def test_sample_is_spread_bounded_and_the_same_for_a_seed() -> None:
    windows = [
        Extent(locator=(("path", str(n)),), start=0, stop=100, unit="row", rows=100, bytes=0)
        for n in range(500)
    ]
    taken = choose(windows, Sample(1000, 7))
    assert taken == choose(windows, Sample(1000, 7))
    assert taken != choose(windows, Sample(1000, 8))
    assert sum(rows for _, rows in taken) == 1000
    places = [int(str(dict(window.locator)["path"])) for window, _ in taken]
    assert places[0] == 0 and places[-1] == 499 and len(places) == 16
    assert max(b - a for a, b in pairwise(places)) < 250
    assert choose(windows, Sample(0, 7)) == []
    assert sum(rows for _, rows in choose(windows, Sample(10**9, 7))) == 50_000
    assert sum(rows for _, rows in choose(windows, Sample(45_000, 7))) == 45_000


def test_facts_are_the_same_each_time(tmp_path: Path) -> None:
    rows = [{"id": n, "text": "x" * (n % 97), "v": [n, 0.5]} for n in range(20_000)]
    path = write_jsonl(tmp_path / "x.jsonl", rows)
    first = SOURCE.inspect(config(path), [], Sample(500, 7))
    assert canonical(first) == canonical(SOURCE.inspect(config(path), [], Sample(500, 7)))
    evidence = field(first.collections[0], "id").evidence
    assert evidence.rows == 500
    assert evidence.min_value == 0 and (evidence.max_value or 0) > 19_000
    assert field(first.collections[0], "text").evidence.max_bytes in range(80, 97)
    assert len(evidence.examples) == 3


def test_evidence_counts_what_is_there(tmp_path: Path) -> None:
    vectors = np.array([[1, np.nan], [np.inf, 0], [0, 1]], np.float32)
    table = pa.table(
        {
            "id": [3, 1, 2],
            "text": ["é", None, "𝄞x"],
            "tags": [["aaa"], [], ["b", "c"]],
            "score": [np.nan, 1.0, -np.inf],
            "v": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 2),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    collection = look(config(tmp_path / "x.parquet"))
    seen = {found.name: found.evidence for found in collection.fields}
    assert (seen["id"].min_value, seen["id"].max_value, seen["id"].rows) == (1, 3, 3)
    assert (seen["text"].max_bytes, seen["text"].nulls) == (5, 1)
    assert (seen["tags"].max_items, seen["tags"].max_bytes) == (2, 3)
    assert seen["score"].non_finite == 2
    assert seen["v"].non_finite == 2
    assert seen["text"].examples == ("é", "𝄞x")


def test_no_sample_still_gives_types(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "x.jsonl", [{"id": 1, "t": "a"}])
    collection = look(config(path), Sample(0, 7))
    assert [found.arrow for found in collection.fields] == ["int64", "string"]
    assert all(found.evidence.rows == 0 for found in collection.fields)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_bucket() as made:
        yield made


def make_files(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """One file of each format, all with the same 300 rows of `pk`, `v`; and what they hold."""
    vectors = RNG.standard_normal((300, 4)).astype(np.float32)
    numbers = np.arange(1000, 1300)
    rows = [{"pk": int(n), "v": v.tolist()} for n, v in zip(numbers, vectors, strict=True)]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 4)
    table = pa.table({"pk": numbers, "v": flat})
    pq.write_table(table, folder / "x.parquet", row_group_size=100)
    np.savez(folder / "x.npz", pk=numbers, v=vectors)
    np.savez_compressed(folder / "y.npz", pk=numbers, v=vectors)
    write_jsonl(folder / "x.jsonl", rows)
    (folder / "x.json").write_text(json.dumps({"rows": rows}))
    lines = [f'{row["pk"]},"{json.dumps(row["v"])}"\n' for row in rows]
    (folder / "x.csv").write_text("pk,v\n" + "".join(lines))
    with h5py.File(folder / "x.h5", "w") as file:
        file["pk"], file["v"] = numbers, vectors
    records = np.zeros(300, [("d", "<i4"), ("v", "<f4", 4)])
    records["d"], records["v"] = 4, vectors
    records.tofile(folder / "x.fvecs")
    made = {path.name: rows for path in folder.iterdir()}
    made["x.fvecs"] = [{"id": n, "vector": row["v"]} for n, row in enumerate(rows)]
    return made


@pytest.mark.parametrize("where", ["disk", "memory", "s3"])
def test_every_format_everywhere(tmp_path: Path, bucket: Bucket, where: str) -> None:
    expected = make_files(tmp_path)
    storage: dict[str, JsonValue] = bucket.storage if where == "s3" else {}
    base = {"disk": str(tmp_path), "memory": "memory://formats", "s3": f"{bucket.url}/formats"}
    for name, rows in expected.items():
        url = join_url(base[where], name)
        if where != "disk":
            with open_atomic(url, storage) as file:
                file.write((tmp_path / name).read_bytes())
                file.commit()
        options = config(url, storage=storage)
        collection = look(options)
        pieces = cut(collection.extents, 3)
        assert read(options, collection, pieces=pieces, batch_rows=64).to_pylist() == rows, name


def test_remote_file_replaced_by_one_of_the_same_size_is_noticed(bucket: Bucket) -> None:
    url = f"{bucket.url}/changed/x.csv"
    options = config(url, storage=bucket.storage)
    for content in (b"id\n1\n", b"id\n2\n"):
        with open_atomic(url, bucket.storage) as file:
            file.write(content)
            file.commit()
        if content == b"id\n1\n":
            collection = look(options)
            assert read(options, collection).to_pylist() == [{"id": 1}]
    with pytest.raises(SourceChanged, match="changed since the plan"):
        read(options, collection)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, "a files source needs `path` or `manifest`"),
        ({"path": []}, "a files source needs `path` or `manifest`"),
        ({"path": "x.npy", "manifest": "manifest.json"}, "reads `path` or `manifest`, not both"),
        ({"path": 7}, "source.path"),
        ({"path": "x.csv", "csv": {"delimiter": "||"}}, "source.csv.delimiter"),
        ({"path": "x.npy", "format": "npy"}, "source.format"),
        ({"path": "x.npy", "folder": "y"}, "source.folder"),
    ],
)
def test_a_plan_with_other_options_is_refused(said: dict[str, Any], told: str) -> None:
    with pytest.raises(MmcError, match=told) as info:
        options_of("source", Endpoint("files", tuple(said.items())))
    assert info.value.code == "MMC126"
