from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mmc.layouts.manifest import (
    Manifest,
    ManifestEntry,
    ManifestError,
    ManifestFile,
    ManifestPart,
    dump,
    parse,
)
from mmc.plan.codec import to_json
from mmc.types import Collection, Index, Metric, freeze
from tests.layouts.batches import FULL, field

INDEX = Index("HNSW", Metric.L2, freeze({"M": 16, "efConstruction": 200}))


def part(collection: str, name: str, rows: int = 5, **options: Any) -> ManifestPart:
    path = f"{collection}/{name}"
    return ManifestPart(
        path=path,
        collection=collection,
        partition="",
        split=name[5:10],
        rows=rows,
        bytes=99,
        sha256="ab" * 32,
        **options,
    )


def entry(schema: Collection, rows: int, format_: str = "parquet") -> ManifestEntry:
    return ManifestEntry(
        name=schema.name,
        plan="f00d",
        format=format_,
        directory=schema.name,
        rows=rows,
        bytes=99,
        schema=schema,
        indexes=(("v", INDEX),),
    )


FOLDER = replace(
    part("full", "part-00001", rows=7),
    sha256="",
    files=(ManifestFile("full/part-00001/id.npy", 9, "cd" * 32),),
)
MANIFEST = Manifest("f00d").adding(entry(FULL, 12), (part("full", "part-00000.parquet"), FOLDER))


def changed(**changes: Any) -> str:
    body = json.loads(dump(MANIFEST))
    body.update(changes)
    return json.dumps(body)


def test_the_text_is_read_again_as_the_same_value() -> None:
    assert parse(dump(MANIFEST)) == MANIFEST
    assert parse(dump(Manifest(""))) == Manifest("")


def test_the_ddl_is_the_json_that_plans_hold() -> None:
    body = json.loads(dump(MANIFEST))
    assert body["format"] == "mmc-manifest"
    assert body["version"] == 1
    assert body["collections"][0]["schema"] == to_json(FULL)
    assert body["collections"][0]["indexes"] == to_json((("v", INDEX),))
    assert body["files"][0]["sha256"] == "ab" * 32


def test_a_part_is_a_line() -> None:
    lines = [line for line in dump(MANIFEST).splitlines() if '"path"' in line]
    assert len(lines) == 2
    assert all(json.loads(line.rstrip(",")) for line in lines)


def test_adding_replaces_the_collection_of_that_name_and_keeps_the_others() -> None:
    other = Collection("a", (field("id", "int64", primary_key=True),))
    both = MANIFEST.adding(entry(other, 5), (part("a", "part-00000.parquet"),))
    assert [found.name for found in both.collections] == ["a", "full"]
    again = both.adding(entry(FULL, 3), (part("full", "part-00009.parquet", rows=3),))
    assert [found.path for found in again.files] == [
        "a/part-00000.parquet",
        "full/part-00009.parquet",
    ]
    assert again.without("full").parts("full") == ()
    assert again.without("full").entry("full") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no manifest"),
        (changed(format="mmc-plan"), "no manifest"),
        (changed(version=2), "format version 2"),
        (changed(collections=[{}]), r"collections\.0\.name: Field required"),
        (changed(collections=[]), "belongs to collection full, not listed"),
        (changed(files=[]), "collection full has 12 rows, its files have 0"),
    ],
)
def test_what_is_no_manifest_is_refused(text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        parse(text)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x.parquet", "a/../../x", "s3://b/x", "a//b", "", "a\\b", "./a"]
)
def test_a_path_that_leads_out_is_refused(path: str) -> None:
    """A manifest's files are read, and removed by `mode: replace`."""
    for inside in (
        replace(part("full", "part-00000.parquet", rows=12), path=path),
        replace(FOLDER, rows=12, files=(ManifestFile(path, 9, "cd" * 32),)),
    ):
        with pytest.raises(ManifestError, match="path"):
            parse(dump(replace(MANIFEST, files=(inside,))))
    moved = replace(MANIFEST.collections[0], directory=path)
    with pytest.raises(ManifestError, match="path"):
        parse(dump(replace(MANIFEST, collections=(moved,))))
