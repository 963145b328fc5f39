"""The table of casts: which cast goes where, what is refused, what is inferred."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmc.casts import CASTS, Cast, Exactness, Refused, choose, infer
from mmc.casts.page import tables
from mmc.types import ArrowType, FieldType, TypeKind

DOCS = Path(__file__).parent.parent / "docs"


def chosen(source: str, target: str, wanted: str = "", *, json_text: bool = False) -> str:
    found = choose(
        ArrowType.parse(source), FieldType.parse(target), wanted=wanted, json_text=json_text
    )
    assert isinstance(found, Cast), found
    return found.name


def refused(source: str, target: str, wanted: str = "") -> Refused:
    found = choose(ArrowType.parse(source), FieldType.parse(target), wanted=wanted)
    assert isinstance(found, Refused), found
    assert found.reason and found.hint
    return found


DEFAULTS = [
    ("int64", "int64", "identity"),
    ("uint8", "int16", "widen"),
    ("uint8", "int8", "narrow"),
    ("uint64", "int64", "narrow"),
    ("bool", "int8", "widen"),
    ("double", "int64", "whole"),
    ("decimal128(10, 2)", "int64", "whole"),
    ("float", "double", "finite"),
    ("double", "float", "exact"),
    ("int32", "double", "widen"),
    ("uint32", "double", "widen"),
    ("int64", "double", "exact"),
    ("int16", "float", "widen"),
    ("int32", "float", "exact"),
    ("string", "int8", "parse"),
    ("string", "varchar(9)", "fits"),
    ("dictionary<string>", "varchar(9)", "fits"),
    ("binary", "varchar(9)", "utf8"),
    ("double", "varchar(9)", "text"),
    ("timestamp[us, tz=UTC]", "varchar(32)", "iso"),
    ("timestamp[ms]", "int64", "epoch_ms"),
    ("timestamp[ns, tz=UTC]", "int64", "epoch_ns"),
    ("date32[day]", "int64", "epoch_ms"),
    ("list<int64>", "varchar(9)", "json"),
    ("struct<a: int64>", "json", "json"),
    ("string", "json", "json_text"),
    ("list<int64>", "array<int8>(4)", "array"),
    ("string", "array<int8>(4)", "parse"),
    ("fixed_size_list<float>[4]", "float_vector(4)", "vector"),
    ("list<double>", "float_vector(4)", "round"),
    ("list<double>", "float16_vector(4)", "vector"),
    ("list<uint8>", "binary_vector(32)", "bytes"),
    ("list<uint8>", "float_vector(4)", "vector"),
    ("list<uint8>", "int8_vector(4)", "vector"),
    ("fixed_size_list<uint8>[8]", "bfloat16_vector(4)", "bytes"),
    ("fixed_size_list<uint8>[4]", "bfloat16_vector(4)", "vector"),
    ("fixed_size_binary[8]", "bfloat16_vector(4)", "bytes"),
    ("fixed_size_binary[4]", "binary_vector(32)", "bytes"),
    ("string", "float_vector(4)", "parse"),
    ("map<uint32, float>", "sparse_float_vector", "sparse"),
    ("list<struct<index: int64, value: double>>", "sparse_float_vector", "round"),
    ("struct<indices: list<uint32>, values: list<float>>", "sparse_float_vector", "sparse"),
    ("string", "sparse_float_vector", "parse"),
    ("null", "float_vector(4)", "nulls"),
]


@pytest.mark.parametrize(("source", "target", "name"), DEFAULTS)
def test_the_default_cast(source: str, target: str, name: str) -> None:
    assert chosen(source, target) == name


NAMED = [
    ("double", "float", "round"),
    ("decimal128(10, 2)", "double", "round"),
    ("list<double>", "float_vector(4)", "vector"),
    ("list<double>", "array<float>(4)", "round"),
    ("list<timestamp[us]>", "array<int64>(4)", "epoch_s"),
    ("string", "int64", "epoch_ms"),
    ("string", "varchar(64)", "wkt"),
    ("timestamp[us]", "int64", "epoch_s"),
    ("timestamp[ns]", "int64", "epoch_us"),
    ("string", "json", "json"),
    ("binary", "json", "base64"),
    ("fixed_size_binary[16]", "varchar(32)", "hex"),
]


@pytest.mark.parametrize(("source", "target", "wanted"), NAMED)
def test_casts_by_name(source: str, target: str, wanted: str) -> None:
    assert chosen(source, target, wanted) == wanted


@pytest.mark.parametrize(
    ("source", "target", "reason", "hint"),
    [
        ("decimal128(10, 2)", "double", "would round", "cast: round"),
        ("int8", "bool", "no truth value", "flag <> 0"),
        ("timestamp[us]", "int32", "does not fit", "int64"),
        ("binary", "json", "no form in JSON", "base64"),
        ("list<binary>", "json", "no form in JSON", "to_base64"),
        ("struct<a: map<double, int64>>", "json", "keys of type double", "expr"),
        ("int64", "array<int64>(4)", "no list", "[column]"),
        ("list<list<int64>>", "array<int64>(4)", "nested", "json"),
        ("list<decimal128(4, 1)>", "array<float>(4)", "elements: ", "cast: round"),
        ("int64", "float_vector(4)", "no vector", "list of numbers"),
        ("list<string>", "float_vector(4)", "elements of type string", "768"),
        ("fixed_size_list<float>[8]", "float_vector(4)", "8 elements", "dimension"),
        ("fixed_size_binary[5]", "binary_vector(32)", "5 bytes", "bits"),
        ("list<float>", "binary_vector(32)", "elements of type float", "bits"),
        ("list<float>", "sparse_float_vector", "no sparse vector", "map<uint32, float>"),
        ("duration[us]", "int64", "does not go into", "expr"),
    ],
)
def test_what_is_refused(source: str, target: str, reason: str, hint: str) -> None:
    found = refused(source, target)
    assert reason in found.reason and hint in found.hint


def test_a_cast_that_does_not_exist_or_does_not_apply() -> None:
    assert "did you mean epoch_ms?" in refused("timestamp[us]", "int64", "epoch_msec").hint
    assert refused("int64", "varchar(9)", "epoch_ms").hint == "possible: text"
    assert refused("duration[us]", "int64", "parse").reason.startswith("cast parse does not go")


def test_rounding_of_scalars_is_never_the_default() -> None:
    scalars = ["halffloat", "float", "double", "int64", "uint64", "decimal128(9, 2)", "string"]
    for source in scalars:
        for target in ("float", "double", "int8", "int64", "varchar(9)", "json"):
            found = choose(ArrowType.parse(source), FieldType.parse(target))
            assert isinstance(found, Refused) or found.name != "round"


def inferred(source: str, **more: Any) -> str:
    return str(infer(ArrowType.parse(source), **more))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("int8", "int8"),
        ("uint8", "int16"),
        ("uint32", "int64"),
        ("halffloat", "float"),
        ("double", "double"),
        ("bool", "bool"),
        ("string", "varchar(65535)"),
        ("dictionary<string>", "varchar(65535)"),
        ("timestamp[us]", "int64"),
        ("date32[day]", "int64"),
        ("decimal128(18, 0)", "int64"),
        ("list<int32>", "array<int32>(4096)"),
        ("list<string>", "array<varchar(65535)>(4096)"),
        ("list<list<int32>>", "json"),
        ("list<struct<a: int64>>", "json"),
        ("list<null>", "json"),
        ("list<uint64>", "json"),
        ("map<string, int64>", "json"),
        ("struct<a: int64>", "json"),
        ("fixed_size_list<float>[8]", "float_vector(8)"),
        ("fixed_size_list<double>[8]", "float_vector(8)"),
        ("fixed_size_list<int32>[8]", "array<int32>(8)"),
        ("fixed_size_list<int32>[5000]", "json"),
    ],
)
def test_inferred_types(source: str, target: str) -> None:
    assert inferred(source) == target
    found = infer(ArrowType.parse(source))
    assert isinstance(found, FieldType)
    assert isinstance(choose(ArrowType.parse(source), found), Cast)


def test_inferred_sizes_have_headroom() -> None:
    sizes = {0: 16, 8: 16, 9: 64, 32: 64, 91: 256, 8192: 16384, 8193: 65535, 65535: 65535}
    for seen, length in sizes.items():
        assert inferred("string", max_bytes=seen) == f"varchar({length})"
    assert inferred("list<int8>", max_items=9) == "array<int8>(64)"
    assert inferred("list<string>", max_items=3, max_bytes=5) == "array<varchar(16)>(16)"
    assert inferred("list<int8>", max_items=4096) == "array<int8>(4096)"
    assert inferred("list<int8>", max_items=4097) == "json"
    assert isinstance(infer(ArrowType.parse("string"), max_bytes=65_536), Refused)


def test_the_source_knows_best() -> None:
    assert inferred("fixed_size_binary[16]", vector="binary_vector(128)") == "binary_vector(128)"
    assert inferred("string", json_text=True) == "json"
    found = infer(ArrowType.parse("list<float>"), vector="float_vector(40000)")
    assert isinstance(found, Refused) and "40000" in found.reason


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("uint64", "int64"),
        ("decimal128(20, 2)", "cast: round"),
        ("decimal128(20, 0)", "varchar"),
        ("binary", "cast: utf8"),
        ("fixed_size_binary[16]", "binary_vector(128)"),
        ("list<binary>", "to_base64"),
        ("time64[us]", "varchar(18)"),
        ("duration[us]", "expr"),
        ("null", "write the type"),
        ("month_day_nano_interval", "expr"),
    ],
)
def test_types_that_are_not_inferred(source: str, hint: str) -> None:
    found = infer(ArrowType.parse(source))
    assert isinstance(found, Refused) and hint in found.hint and found.reason


def test_exact_casts_are_those_without_bad_rows() -> None:
    exact = {name for name, cast in CASTS.items() if cast.exactness is Exactness.EXACT}
    assert exact == {"identity", "widen", "nulls"}


def test_every_cast_is_chosen_for_some_pair() -> None:
    assert {name for _, _, name in [*DEFAULTS, *NAMED]} == set(CASTS)


def test_the_documented_table_is_current() -> None:
    page = (DOCS / "casts.md").read_text("utf-8")
    between = page.split("<!-- table -->")[1].split("<!-- /table -->")[0].strip()
    assert between == tables().strip(), "write the table again: python -m mmc.casts.page"


def test_the_table_needs_neither_arrow_nor_numpy() -> None:
    code = "import sys, mmc.casts; sys.exit('pyarrow' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_all_targets_have_a_way_in() -> None:
    samples = {"varchar": "varchar(9)", "array": "array<int64>(4)"}
    for kind in TypeKind:
        text = samples.get(kind, f"{kind}(8)" if kind.endswith("_vector") else str(kind))
        text = "sparse_float_vector" if kind is TypeKind.SPARSE_FLOAT_VECTOR else text
        assert chosen("null", text) == "nulls"
