"""Sizes of staged files, as people write them."""

from __future__ import annotations

import pytest

from tests.spec.reading import parse_spec

SPEC = """version: 1
source: {type: files, path: words.parquet}
target: {type: milvus, uri: "http://milvus:19530"}
load: {staging: {url: /staging, file_size: SIZE}}
"""


@pytest.mark.parametrize(
    ("said", "bytes_"),
    [
        ("1MiB", 1 << 20),
        ("1048576", 1 << 20),
        ("1024 KiB", 1 << 20),
        ("8GiB", 1 << 33),
        ("1.5 GB", 1_500_000_000),
        ("512mib", 512 << 20),
    ],
)
def test_sizes(said: str, bytes_: int) -> None:
    spec = parse_spec(SPEC.replace("SIZE", said)).spec
    assert spec is not None and spec.model.load.staging is not None
    assert spec.model.load.staging.bytes_wanted == bytes_


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("512KiB", "must be at least 1 MiB"),
        ("1MB", "must be at least 1 MiB"),
        ("1000", "must be at least 1 MiB"),
        ("0", "must be at least 1 MiB"),
        ("9GiB", "must be at most 8 GiB"),
        ("many", "is no size: `many`"),
        ("1MiB2", "is no size: `1MiB2`"),
        ('"12"', "is no size: `12`"),
    ],
)
def test_what_is_no_size_of_a_file(said: str, problem: str) -> None:
    (found,) = parse_spec(SPEC.replace("SIZE", said)).diagnostics
    assert found.code == "MMC205" and problem in found.message
    assert found.path == "load.staging.file_size" and found.span is not None
    assert found.span.line == 4
