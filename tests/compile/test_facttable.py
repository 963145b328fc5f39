"""The tables of golden cases: what is wrong in one is said by line, and what is written is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmc.compile import compile_plan
from mmc.facts import Capabilities, Extent, SourceField
from mmc.types import Field, FieldType, Index, JsonValue, Metric
from tests.compile import facttable
from tests.compile.facttable import TableError, read_case, read_table
from tests.compile.plantext import plan_text
from tests.compile.tableline import Line, attributes_text, pairs_text
from tests.spec.reading import parse_spec

CASE = Path(__file__).parents[1] / "cases" / "compile" / "everything_said"
SHOWN = (facttable.__doc__ or "").partition("\n\n")[2].partition("\n\n")[0]


def test_the_table_in_the_docstring() -> None:
    facts = read_table(SHOWN)
    (articles,) = facts.source.collections
    assert (facts.source.version, articles.rows, articles.bytes) == ("1", 55_000, 10_490_000)
    assert [(one.start, one.stop, one.rows) for one in articles.extents[:3]] == [
        (0, 5000, 5000),
        (0, 64, 12_500),
        (64, 128, 12_500),
    ]
    key, vector = articles.fields
    assert (key.key, key.nullable, key.evidence.max_bytes) == (True, True, 91)
    assert (vector.nullable, vector.index) == (False, Index("FLAT", Metric.L2))
    (known,) = facts.target.collections
    assert (known.loaded, known.schema.primary.type) == (False, FieldType.parse("varchar(64)"))
    assert known.indexes == (("embedding", Index("FLAT", Metric.IP)),)
    assert (facts.target.capabilities.load_first, facts.target.capabilities.index_first) == (0, 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("feild _id string", "`feild` says nothing of a collection: field, extent"),
        ("field _id", "the Arrow type is missing"),
        ("field _id string keyy", "no attribute of SourceField or Evidence; did you mean `key`?"),
        ("field _id string max_bytes=long", "max_bytes: Input should be a valid integer"),
        ("field _id string key not_key", "`key` stands twice"),
        ('field _id string note="open', 'cannot be cut into words at `note="open`'),
        ('field _id string index="HNSW L3"', "'L3' is not a valid Metric"),
        ("extent 0-5 row bytes=1 at path=x", "`0-5` is neither 0..64 nor 4 x 64"),
        ("extent 0..5 list bytes=1 at path=x", "`rows` of an extent in units of list is missing"),
        ("extent 0..5 row at path=x", "bytes: Field required"),
        ("extent 0..5 row bytes=1 at x", "`x` stands where name=value belongs"),
        ("note two words", "`words` is more than this line has a place for"),
        ("target milvus insert 2.2.1", "Milvus 2.2.1 is too old"),
        ("target milvus upsert 2.3.5", "`milvus upsert` is no target"),
        ("bulk milvus bulk milvus-lite-3.2.2", "milvus-lite-3.2.2 imports nothing"),
    ],
)
def test_a_wrong_line_is_named(line: str, message: str) -> None:
    with pytest.raises(TableError) as raised:
        read_table(f"source files 1\n\ncollection a\n  {line}\n", "case/facts.txt")
    assert str(raised.value).startswith("case/facts.txt:4: ")
    assert message in str(raised.value)
    assert str(raised.value).endswith(f": {line}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("field a int64", "1: no `field` before a `collection` or a `target`"),
        ("target files numpy 1\nfield a int64", "2: no `field` of a target before an `existing`"),
        ("target files numpy 1\nnote x", "2: `note` says nothing of a target: capabilities,"),
        ("source files 1", " a table needs a `source` line and a `target` line"),
    ],
)
def test_a_line_in_the_wrong_place(text: str, message: str) -> None:
    with pytest.raises(TableError) as raised:
        read_table(text, "facts.txt")
    assert str(raised.value).startswith(f"facts.txt:{message}")


ODD: list[JsonValue] = [
    "",
    "1",
    "true",
    "null",
    "a b",
    'q"x',
    "[x",
    "{",
    "#",
    "a=b",
    "not_x",
    "量子",
    "a\nb",
    "\\",
]


@pytest.mark.parametrize("value", [*ODD, 1, 0.5, None, True, [[26]], {"b": 1, "a b": ['"]']}])
def test_what_is_written_is_read(value: JsonValue) -> None:
    pairs = (("a", value), ("b", "end"))
    assert Line(" ".join(pairs_text(pairs))).pairs() == pairs
    extent = Extent(
        locator=pairs, start=0, stop=1, unit="row", rows=None, bytes=0, partition=str(value)
    )
    (said,) = Line(" ".join(attributes_text(extent, "locator"))).attributes(Extent)
    assert Extent(locator=pairs, **said) == extent


def test_attributes_that_are_texts_of_their_own() -> None:
    declared = Field("a b", FieldType.parse("array<int64>(3)"), nullable=True)
    index = Index("IVF_PQ", Metric.IP, (("m", 4), ("nlist", 64)))
    field = SourceField("a", "int64", index=index, declared=declared, nullable=False)
    (said,) = Line(" ".join(attributes_text(field))).attributes(SourceField)
    assert SourceField(**said) == field


def test_a_plan_text_shows_any_change() -> None:
    spec = parse_spec((CASE / "spec.yaml").read_text(encoding="utf-8"), "spec.yaml").spec
    assert spec is not None
    facts = read_case(CASE)
    plan, _ = compile_plan(spec, facts)
    assert plan is not None
    (copy,) = plan.copies
    first, second, *others = copy.splits
    middle = replace(second, pieces=(replace(second.pieces[0], partition="p"),))
    for changed in (
        replace(plan, steps=plan.steps[1:]),
        replace(plan, diagnostics=()),
        replace(plan, steps=(replace(copy, reason="none"),)),
        replace(plan, steps=(replace(copy, splits=(first, middle, *others)),)),
    ):
        assert plan_text(changed) != plan_text(plan)
        assert plan_text(changed).splitlines()[0] != plan_text(plan).splitlines()[0]
    able = facts.target.capabilities
    assert isinstance(able, Capabilities)
    less = replace(facts.target, capabilities=replace(able, max_fields=63))
    other, _ = compile_plan(spec, replace(facts, target=less))
    assert other is not None
    assert plan_text(other) != plan_text(plan)
