from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmc.arrow.schema import arrow_text, canonical_schema, origin_of
from mmc.errors import SourceChanged, SourceError
from mmc.facts import SourceCollection
from mmc.plan.model import Split
from mmc.sources.files.manifest import inspect_manifest, read_manifest
from mmc.sources.files.options import FilesOptions
from mmc.sources.files.source import FilesSource
from mmc.spi import Sample
from mmc.types import Collection
from tests.layouts.batches import (
    DENSE,
    FULL,
    assert_same,
    batches,
    columns_of,
    field,
    rows_of,
    some_fields,
)
from tests.sinks.test_files import INDEXES, SCHEMA, fill, finish, split, target, write_split

FORMATS = ("parquet", "numpy", "json")


def config(root: Path | str) -> FilesOptions:
    return FilesOptions(type="files", manifest=f"{root}/manifest.json")


def look(root: Path, sample: Sample = Sample()) -> SourceCollection:  # noqa: B008
    (found,) = inspect_manifest(config(root), (), sample).collections
    return found


def read(root: Path, found: SourceCollection, *columns: str, rows: int = 64) -> pa.Table:
    whole = Split(id="00000", pieces=found.extents, rows=found.rows, bytes=found.bytes)
    names = columns or [f.name for f in found.fields]
    return pa.Table.from_batches(read_manifest(config(root), found.name, whole, names, rows))


@pytest.mark.parametrize("format_", FORMATS)
def test_collections_come_with_types_key_index_and_evidence(format_: str, tmp_path: Path) -> None:
    fill(target(tmp_path, format_))
    found = look(tmp_path)
    assert (found.name, found.rows) == ("docs", 190)
    fields = {f.name: f for f in found.fields}
    assert list(fields) == ["id", "text", "v", "$meta"]
    assert (fields["id"].arrow, fields["id"].key, fields["id"].nullable) == ("int64", True, False)
    assert fields["v"].arrow == "fixed_size_list<float>[4]"
    assert fields["v"].vector == "float_vector(4)"
    assert fields["v"].index == dict(INDEXES)["v"]
    assert fields["text"].declared == SCHEMA.field("text")
    assert fields["$meta"].json_text
    assert not fields["text"].json_text
    evidence = fields["text"].evidence
    assert (evidence.rows, evidence.nulls) == (190, 0)
    assert evidence.max_bytes == len("row 189 😀".encode())
    assert fields["id"].evidence.max_value == 189


@pytest.mark.parametrize("format_", FORMATS)
def test_extents_cover_each_row_once_and_keep_partitions(format_: str, tmp_path: Path) -> None:
    fill(target(tmp_path, format_))
    found = look(tmp_path)
    assert [(e.rows, e.partition) for e in found.extents] == [(150, ""), (40, "p")]
    assert {e.cuttable for e in found.extents} == {format_ != "json"}
    table = read(tmp_path, found)
    assert table["id"].to_pylist() == list(range(190))
    first = found.extents[0]
    if first.cuttable:
        cut = Split(id="1", pieces=(replace(first, start=60, stop=99, rows=39),), rows=39, bytes=0)
        found_batches = list(read_manifest(config(tmp_path), "docs", cut, ["$meta", "id"], 20))
        assert [row for b in found_batches for row in b["id"].to_pylist()] == list(range(60, 99))
        assert origin_of(found_batches[0]).row == 60
        assert max(map(len, found_batches)) <= 20


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), format_=st.sampled_from(FORMATS))
def test_every_type_is_a_source_again_with_the_same_bits(
    data: st.DataObject, format_: str, tmp_path: Path
) -> None:
    collection = data.draw(some_fields(DENSE if format_ == "numpy" else FULL))
    batch = data.draw(batches(collection))
    shutil.rmtree(tmp_path)
    folder = target(tmp_path, format_)
    finish(folder, write_split(folder, split(0), batch, schema=collection), schema=collection)
    found = look(tmp_path)
    schema = canonical_schema(collection)
    assert [f.arrow for f in found.fields] == [arrow_text(f.type) for f in schema]
    assert [f.json_text for f in found.fields if f.name == "doc"] in ([], [True])
    whole = Split(id="0", pieces=found.extents, rows=found.rows, bytes=0)
    (again,) = read_manifest(config(tmp_path), collection.name, whole, columns_of(collection), 99)
    assert_same(again.replace_schema_metadata(None), batch)


def test_the_source_of_files_leads_here(tmp_path: Path) -> None:
    fill(target(tmp_path))
    facts = FilesSource().inspect(config(tmp_path), ("docs",), Sample(rows=5))
    (found,) = facts.collections
    whole = Split(id="0", pieces=found.extents, rows=190, bytes=0)
    (batch,) = [*FilesSource().read(config(tmp_path), "docs", whole, ["id"], 500)][:1]
    assert batch["id"].to_pylist() == list(range(150))


def test_a_sample_is_seeded_and_bounded(tmp_path: Path) -> None:
    fill(target(tmp_path, "numpy"))
    small = look(tmp_path, Sample(rows=20, seed=1))
    assert small.fields[0].evidence.rows == 20
    assert look(tmp_path, Sample(rows=20, seed=1)) == small
    assert look(tmp_path, Sample(rows=0)).fields[0].evidence.rows == 0


def test_collections_are_found_by_name(tmp_path: Path) -> None:
    other = Collection("other", (field("id", "int64", primary_key=True),))
    fill(target(tmp_path))
    fill(target(tmp_path), other)
    facts = inspect_manifest(config(tmp_path), (), Sample())
    assert [found.name for found in facts.collections] == ["docs", "other"]
    (one,) = inspect_manifest(config(tmp_path), ("other",), Sample()).collections
    assert read(tmp_path, one)["id"].to_pylist() == list(range(190))
    with pytest.raises(SourceError, match="no collection `doc`") as caught:
        inspect_manifest(config(tmp_path), ("doc",), Sample())
    assert caught.value.hint == "did you mean `docs`?"


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        look(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "mmc-manifest", "version": 9}')
    with pytest.raises(SourceError, match="format version 9"):
        look(tmp_path)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_that_is_gone_or_cut_is_found_by_inspect(format_: str, tmp_path: Path) -> None:
    fill(target(tmp_path, format_))
    path = (
        max(p for p in (tmp_path / "docs").rglob("part-*") if p.is_file())
        if (format_ != "numpy")
        else tmp_path / "docs" / "part-00002" / "v.npy"
    )
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(SourceError, match=f"{len(data) - 1:,} bytes, but the manifest says"):
        look(tmp_path)
    path.unlink()
    with pytest.raises(SourceError, match="no such file"):
        look(tmp_path)


def first_file(root: Path) -> Path:
    return min(path for path in (root / "docs").rglob("*") if path.is_file())


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_touched_since_the_plan_is_refused(format_: str, tmp_path: Path) -> None:
    fill(target(tmp_path, format_))
    found = look(tmp_path)
    os.utime(first_file(tmp_path), ns=(1, 1))
    with pytest.raises(SourceChanged, match="its size or time is another one now"):
        read(tmp_path, found)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_touched_while_it_is_read_is_refused(format_: str, tmp_path: Path) -> None:
    fill(target(tmp_path, format_))
    found = look(tmp_path)
    whole = Split(id="00000", pieces=found.extents, rows=found.rows, bytes=found.bytes)
    batches = read_manifest(config(tmp_path), found.name, whole, ["id"], 16)
    next(batches)
    os.utime(first_file(tmp_path), ns=(1, 1))
    with pytest.raises(SourceChanged, match="its size or time is another one now"):
        list(batches)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_byte_changed_behind_the_manifest_is_found_by_the_first_split(
    format_: str, tmp_path: Path
) -> None:
    """The same size and time as planned, so only the sha256 tells."""
    fill(target(tmp_path, format_))
    path = first_file(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    path.write_bytes(data)
    found = look(tmp_path, Sample(rows=0))
    with pytest.raises(SourceChanged, match="its content is not what the manifest records"):
        read(tmp_path, found)


def test_another_manifest_since_the_plan_is_refused(tmp_path: Path) -> None:
    folder = target(tmp_path)
    fill(folder)
    found = look(tmp_path)
    finish(folder, write_split(folder, split(0), rows_of(SCHEMA, 150, 7)))
    with pytest.raises(SourceChanged, match="the manifest records another one now"):
        read(tmp_path, found)
    (tmp_path / "manifest.json").write_text(
        (tmp_path / "manifest.json").read_text().replace('"docs"', '"else"')
    )
    with pytest.raises(SourceChanged, match="collection docs is not there any more"):
        read(tmp_path, found)


def test_the_fingerprint_is_the_content_not_the_time(tmp_path: Path) -> None:
    fill(target(tmp_path))
    found = look(tmp_path)
    os.utime(first_file(tmp_path), ns=(1, 1))
    assert look(tmp_path).fingerprint == found.fingerprint
    assert all(value.startswith("sha256:") for _, value in found.fingerprint)


def test_a_manifest_is_found_beside_its_files_wherever_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(target(tmp_path / "a"))
    shutil.move(tmp_path / "a", tmp_path / "b")
    monkeypatch.chdir(tmp_path / "b")
    here = FilesOptions(type="files", manifest="manifest.json")
    (found,) = inspect_manifest(here, (), Sample()).collections
    whole = Split(id="0", pieces=found.extents, rows=190, bytes=0)
    batches_ = read_manifest(here, "docs", whole, ["id"], 500)
    assert sum(map(len, batches_)) == 190


@pytest.mark.parametrize("format_", FORMATS)
def test_a_manifest_behind_a_url(format_: str) -> None:
    import fsspec

    url = f"memory://manifest-{format_}/out"
    fill(target(url, format_))
    (found,) = inspect_manifest(config(url), (), Sample()).collections
    whole = Split(id="0", pieces=found.extents, rows=190, bytes=0)
    table = pa.Table.from_batches(read_manifest(config(url), "docs", whole, ["id", "v"], 64))
    assert table["id"].to_pylist() == list(range(190))
    fsspec.filesystem("memory").rm(url, recursive=True)
