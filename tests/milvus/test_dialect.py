"""The version table: which types, options and indexes each line of servers gets."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mmc.errors import TargetError
from mmc.milvus.dialect import LITE, SERVERS, version_of
from mmc.milvus.importable import import_capabilities
from mmc.types import Field, FieldType, TypeKind


@pytest.mark.parametrize(
    ("reported", "text", "first"),
    [
        ("v2.3.5-lite", "2.3.5", (2, 3)),  # The server in a wheel, not Milvus Lite.
        ("v2.3.0", "2.3.0", (2, 3)),
        ("2.4.1", "2.4.1", (2, 4)),
        ("2.4.3", "2.4.3", (2, 4, 2)),
        ("2.4.4", "2.4.4", (2, 4, 4)),
        ("2.4.15", "2.4.15", (2, 4, 5)),
        ("v2.5.8-gpu", "2.5.8", (2, 5)),
        ("v2.6.23", "2.6.23", (2, 6)),
        ("v2.6.24", "2.6.24", (2, 6, 24)),
        ("v2.9.1", "2.9.1", (2, 6, 24)),
        ("v3.0", "3.0", (3, 0)),
        ("3.0.2", "3.0.2", (3, 0, 2)),
        ("v4.1", "4.1", (3, 0, 2)),
        ("Zilliz Cloud Vector Database(Compatible with Milvus 2.5)", "2.5", (2, 5)),
    ],
)
def test_servers(reported: str, text: str, first: tuple[int, ...]) -> None:
    version = version_of(reported)
    assert version.text == text
    assert version.dialect is dict(SERVERS)[first]


def test_lite() -> None:
    version = version_of("milvus_lite-3.2.2")
    assert version.text == "milvus-lite 3.2.2"
    assert version.dialect is LITE


@pytest.mark.parametrize("reported", ["v2.2.16", "1.1.1", "v0.10.6"])
def test_too_old(reported: str) -> None:
    with pytest.raises(TargetError, match="too old") as caught:
        version_of(reported)
    assert caught.value.code == "MMC503"


def test_no_version() -> None:
    with pytest.raises(TargetError, match="`nginx`"):
        version_of("nginx")


def test_the_table_ascends_and_only_gains() -> None:
    assert [first for first, _ in SERVERS] == sorted(first for first, _ in SERVERS)
    for (_, older), (_, newer) in pairwise(SERVERS):
        assert older.capabilities.types <= newer.capabilities.types
        assert older.capabilities.index_types <= newer.capabilities.index_types
        gained = dict(newer.capabilities.scalar_indexes)
        for name, types in older.capabilities.scalar_indexes:
            assert set(types) <= set(gained[name]), name


def test_what_each_line_gains() -> None:
    lines = {first: dialect.capabilities for first, dialect in SERVERS}
    v23, v24, v25, v26, v30 = (lines[first] for first in ((2, 3), (2, 4), (2, 5), (2, 6), (3, 0)))
    assert not {"float16_vector", "sparse_float_vector"} & v23.types
    assert {"float16_vector", "bfloat16_vector", "sparse_float_vector"} <= v24.types
    assert (v23.vector_fields, v24.vector_fields, v25.vector_fields) == (1, 10, 10)
    assert [one.max_vector_fields for one in (v23, v24, v26, v30)] == [0, 4, 4, 10]
    assert not v23.nullable and not v24.nullable and v25.nullable
    assert not v24.defaults and v25.defaults
    assert "int8_vector" not in v25.types and "int8_vector" in v26.types
    assert not v26.nullable_vectors and v30.nullable_vectors
    assert v23.index_defaults and v24.index_defaults and not v25.index_defaults
    assert (v24.max_partitions, v25.max_partitions, v25.max_fields) == (4096, 1024, 64)
    for one in (v23, v24, v25, v26, v30):
        assert one.varchar_unit == "bytes"
        assert one.keyed_replay and not one.auto_id and not one.embedded


def test_every_type_is_one_of_ours() -> None:
    kinds = {str(kind) for kind in TypeKind}
    for dialect in (LITE, *(dialect for _, dialect in SERVERS)):
        assert dialect.capabilities.types <= kinds
        assert dialect.capabilities.elements <= kinds


def carries(version: str, format_: str, type_: str, **options: bool) -> bool:
    imports = version_of(version).dialect.imports
    assert imports is not None
    field = Field("f", FieldType.parse(type_), **options)
    return any(one.name == format_ and one.carries(field) for one in imports.formats)


@pytest.mark.parametrize(
    ("type_", "format_", "never", "first"),
    [
        # milvus PR 33391: text in Parquet, floats in JSON; PR 33788: bytes in NumPy.
        ("sparse_float_vector", "parquet", "2.4.3", "2.4.4"),
        ("sparse_float_vector", "json", "2.4.3", "2.4.4"),
        ("float16_vector(4)", "parquet", "2.4.3", "2.4.4"),
        ("bfloat16_vector(4)", "json", "2.4.3", "2.4.4"),
        ("float16_vector(4)", "numpy", "2.4.4", "2.4.5"),
        ("int8_vector(4)", "parquet", "2.5.9", "2.6.0"),
    ],
)
def test_types_that_an_early_import_spoils(
    type_: str, format_: str, never: str, first: str
) -> None:
    assert not carries(never, format_, type_)
    assert carries(first, format_, type_)


@pytest.mark.parametrize("version", ["2.5.0", "2.6.0", "2.6.24", "3.0.0", "3.0.2"])
def test_an_empty_array_that_an_import_makes_null(version: str) -> None:
    """milvus#53438: by Parquet, where the field is nullable."""
    array = "array<int64>(8)"
    assert carries(version, "parquet", array)
    assert not carries(version, "parquet", array, nullable=True)
    assert carries(version, "json", array, nullable=True)
    assert carries(version, "parquet", "int64", nullable=True)


@pytest.mark.parametrize(
    ("version", "flaw", "keyed"),
    [
        ("2.3.5", False, False),
        ("2.4.0", True, True),
        ("2.4.1", True, True),
        ("2.4.2", True, False),
        ("2.4.3", True, False),
        ("2.4.4", False, False),
        ("2.4.13", False, False),
    ],
)
def test_imports_that_are_better_left_alone(version: str, flaw: bool, keyed: bool) -> None:
    imports = version_of(version).dialect.imports
    assert imports is not None
    able = import_capabilities(version_of(version).dialect.capabilities, imports)
    assert (bool(able.import_flaw), bool(able.partition_key_flaw)) == (flaw, keyed)
