from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmc.errors import SpecInvalid
from mmc.spec.document import parse
from mmc.spec.models import TypeMapping, field_type
from mmc.types import JsonValue
from tests.spec.reading import format_spec
from tests.spec.texts import yaml_texts

UNTIDY = """\
# yaml-language-server: $schema=x
# about the file

# the target
target:   # where to
    uri: 'http://localhost:19530'
    type: milvus
    # the token
    token: {secret: env:MILVUS_TOKEN}   # never here


source: {path: 'data/*.parquet', type: files}
collections:
# the first
- to: articles
  from: articles
  where: >-
      lang = 'en'
      AND price > 0
  rest: dynamic
  # fields here
  fields:
  - {to: id, from: _id, type: {kind: varchar, length: 64}, primary_key: true}
  - from: body_vec
    # the index
    index: # why
      {type: HNSW, params: {M: 16, efConstruction: 200, another: 123456789}, metric: COSINE}
    to: embedding
  - {from: published, # when
     type: int64, cast: epoch_ms}
  # - {from: left_out}
  - to: key
    expr: |
      lower(
        trim(title))

    type: VARCHAR( 256 )
  # the end of fields
version: 1
# the end
"""

TIDY = """\
# yaml-language-server: $schema=x
# about the file

version: 1

source: {type: files, path: "data/*.parquet"}
# the target
target:  # where to
  type: milvus
  uri: "http://localhost:19530"
  # the token
  token: {secret: env:MILVUS_TOKEN}  # never here
collections:
  # the first
  - from: articles
    to: articles
    where: >-
      lang = 'en'
      AND price > 0
    # fields here
    fields:
      - {from: _id, to: id, type: varchar(64), primary_key: true}
      - from: body_vec
        to: embedding
        # the index
        index:  # why
          type: HNSW
          metric: COSINE
          params: {M: 16, efConstruction: 200, another: 123456789}
      - from: published  # when
        type: int64
        cast: epoch_ms
      # - {from: left_out}
      - to: key
        expr: |
          lower(
            trim(title))

        type: varchar(256)
      # the end of fields
    rest: dynamic
# the end
"""


def test_order_indent_quotes_types_and_comments() -> None:
    assert format_spec(UNTIDY) == TIDY
    assert format_spec(TIDY) == TIDY


def test_byte_order_mark_and_windows_line_ends_go() -> None:
    assert format_spec("\ufeffversion: 1\r\nname: x # y\r\n") == "version: 1\nname: x  # y\n"


def test_anchors_keep_the_order_of_keys() -> None:
    text = "target: &t {type: files, url: out}\nversion: 1\nsource: *t\n"
    assert format_spec(text) == text


@pytest.mark.parametrize(
    ("index", "formatted"),
    [
        ("{type: HNSW}", "HNSW"),
        ("{type: 'HNSW'}", "HNSW"),
        ('"HNSW"', '"HNSW"'),
        ("none", "none"),
        ("{type: none}", "{type: none}"),
        ("{type: true}", "{type: true}"),
        ("{type: HNSW, metric: L2}", "{type: HNSW, metric: L2}"),
        ("{type: '{{ vars.x }}'}", '{type: "{{ vars.x }}"}'),
        ("{type: &a HNSW}", "{type: &a HNSW}"),
    ],
)
def test_an_index_of_which_only_the_type_is_said(index: str, formatted: str) -> None:
    text = "version: 1\ncollections:\n  - fields:\n      - {{to: v, index: {}}}\n"
    assert format_spec(text.format(index)) == text.format(formatted)
    assert format_spec(text.format(formatted)) == text.format(formatted)


def test_an_index_over_several_lines() -> None:
    head = "version: 1\ncollections:\n  - fields:\n      - to: v\n"
    text = head + "        index:\n          type: FLAT\n"
    assert format_spec(text).endswith("      - to: v\n        index: FLAT\n")
    text = text.replace("FLAT", "FLAT  # exact")
    assert format_spec(text) == text


def test_type_with_a_comment_inside_stays_as_it_is() -> None:
    text = (
        "collections:\n  - fields:\n      - type:\n"
        "          kind: varchar  # text\n          length: 5\n"
    )
    assert format_spec(text) == text


def test_text_that_does_not_parse_is_refused_with_its_diagnostics() -> None:
    with pytest.raises(SpecInvalid) as caught:
        format_spec("a: 1\na: 2\nb: !x y\n", "s.yaml")
    assert [(d.code, str(d.span)) for d in caught.value.diagnostics] == [
        ("MMC108", "s.yaml:2:1"),
        ("MMC110", "s.yaml:3:4"),
    ]


def test_refuses_rather_than_lose_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmc.spec import format as module

    monkeypatch.setattr(module._Printer, "print", lambda self, tree: "version: 1\n")
    with pytest.raises(SpecInvalid, match="without changing"):
        format_spec("version: 1  # one\n")
    with pytest.raises(SpecInvalid, match="without changing"):
        format_spec("version: 2\n")


def meaning(data: JsonValue, key: str = "") -> JsonValue:
    """Data with types in one form, found by their key alone: an oracle that knows no model."""
    if isinstance(data, list):
        return [meaning(item) for item in data]
    if key == "type" and isinstance(data, (str, dict)):
        try:
            return str(
                field_type(data if isinstance(data, str) else TypeMapping.model_validate(data))
            )
        except ValueError:
            pass
    if key == "index" and isinstance(data, dict) and list(data) == ["type"]:
        return data["type"]
    if isinstance(data, dict):
        return {name: meaning(value, name) for name, value in data.items()}
    return data


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(yaml_texts())
def test_keeps_meaning_and_comments_and_is_idempotent(text: str) -> None:
    before = parse(text, "s.yaml")
    assert not before.diagnostics
    once = format_spec(text)
    assert format_spec(once) == once
    after = parse(once, "s.yaml")
    assert json.dumps(meaning(after.data), sort_keys=True) == json.dumps(
        meaning(before.data), sort_keys=True
    )
    for mark in ("# note", "#x", "#   y", "# behind", "#b", "# head"):
        assert once.count(mark) == text.count(mark)


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="ab: -#\n\t{}[],'\"|>&*!%?\\é漢\u2028\x85\r0", max_size=40))
def test_any_text_is_formatted_or_refused(text: str) -> None:
    try:
        once = format_spec(text)
    except SpecInvalid as refused:
        assert refused.diagnostics
        return
    assert format_spec(once) == once
