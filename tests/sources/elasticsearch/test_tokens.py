"""The token table: how it is made, extended, read, and pinned by a plan."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from mmc.cli.main import run
from mmc.errors import SourceChanged, SourceError
from mmc.events import Retrying
from mmc.facts import TokensNumbered
from mmc.plan.model import Split
from mmc.sources.elasticsearch import tokenscan
from mmc.sources.elasticsearch.client.connect import connect
from mmc.sources.elasticsearch.client.server import look
from mmc.sources.elasticsearch.contents import Held, held_by
from mmc.sources.elasticsearch.decoding.page import Page
from mmc.sources.elasticsearch.decoding.tokens import TokenTable, read_tokens, write_tokens
from mmc.sources.elasticsearch.extents import pages
from mmc.sources.elasticsearch.reading.indices import resolve
from mmc.sources.elasticsearch.reading.shards import incomplete
from mmc.sources.elasticsearch.source import ElasticsearchSource
from mmc.spi import Sample
from tests.servers.elasticsearch.fixtures import Starts
from tests.servers.elasticsearch.node import ElasticsearchNode as Node
from tests.servers.elasticsearch.rest import bulk
from tests.sources.elasticsearch.indexed import fresh, options_of, small_pages

SPARSE = {"words": {"type": "sparse_vector"}, "title": {"type": "keyword"}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def indexed(
    node: Node, docs: list[dict[str, Any]], name: str = "", properties: dict[str, Any] = SPARSE
) -> str:
    name = name or fresh()
    body = {"settings": {"number_of_shards": 2}, "mappings": {"properties": properties}}
    node.request("PUT", f"/{name}", body)
    bulk(node.url, name, [{"_id": str(n), **doc} for n, doc in enumerate(docs)])
    return name


def words(*tokens: str) -> dict[str, Any]:
    return {"words": dict.fromkeys(tokens, 1.5)}


def number(node: Node, index: str | list[str], *collections: str, **more: Any) -> TokensNumbered:
    options = options_of(node.url, index, **more)
    return ElasticsearchSource().number_tokens(options, collections, "t.json", lambda event: None)


def table() -> dict[str, int]:
    made: dict[str, int] = json.loads(Path("t.json").read_text(encoding="utf-8"))
    return made


def test_tokens_are_numbered_in_their_order(elasticsearch: Node) -> None:
    index = indexed(elasticsearch, [words("river", "é"), words("a b", "10", "9"), {"title": "x"}])
    done = number(elasticsearch, index)
    assert table() == {"10": 0, "9": 1, "a b": 2, "river": 3, "é": 4}
    assert done == TokensNumbered(
        fields=((index, "words"),), documents=3, found=5, new=5, total=5, written=True
    )


def test_a_second_table_keeps_the_numbers(elasticsearch: Node) -> None:
    index = indexed(elasticsearch, [words("m"), words("z")])
    number(elasticsearch, index)
    first = Path("t.json").read_text()
    assert (number(elasticsearch, index).new, Path("t.json").read_text()) == (0, first)
    bulk(elasticsearch.url, index, [{"_id": "0", **words("a")}, {"_id": "9", **words("b", "z")}])
    done = number(elasticsearch, index)
    assert (done.documents, done.found, done.new, done.total) == (3, 3, 2, 4)
    assert table() == {"m": 0, "z": 1, "a": 2, "b": 3}
    # A diff in git shows the new lines, and the comma before them.
    assert Path("t.json").read_text() == first.replace("\n}\n", ',\n "a": 2,\n "b": 3\n}\n')


def test_a_file_with_nothing_new_is_not_touched(elasticsearch: Node) -> None:
    index = indexed(elasticsearch, [words("b"), words("a")])
    mine = '{"b":7, "unused":3,\n"a":0}'
    Path("t.json").write_text(mine)
    done = number(elasticsearch, index)
    assert (done.new, done.total, done.written) == (0, 3, False)
    assert Path("t.json").read_text() == mine


def test_numbers_go_on_above_the_highest() -> None:
    given = TokenTable("t.json", {"b": 7, "a": 0}).extended(["c", "b", "aa"])
    assert given.numbers == {"b": 7, "a": 0, "aa": 8, "c": 9}
    last = TokenTable("t.json", {"a": 2**32 - 3})
    assert last.extended(["b"]).numbers["b"] == 2**32 - 2
    with pytest.raises(SourceError, match=r"t\.json has no numbers left for 2 new tokens"):
        last.extended(["b", "c"])


def test_tokens_may_be_any_text(elasticsearch: Node) -> None:
    """Half a character is none: what is left of it cannot be written into a file."""
    odd = ['"\\\n', "", "a.b", "words", "\x00", "\U0001f600", "a b"]
    index = indexed(elasticsearch, [words(*odd), {"words": {"a.b": 1, "c.d.e": 2}}])
    half = b'{"words": {"\\ud83d": 1, "whole": 2}}'
    elasticsearch.request("PUT", f"/{index}/_doc/half?refresh=true", half)
    done = number(elasticsearch, index)
    assert (done.documents, table().keys()) == (3, {*odd, "c.d.e", "whole"})
    options = options_of(elasticsearch.url, index, tokens="t.json")
    (seen,) = ElasticsearchSource().inspect(options, (), Sample(10, 7)).collections
    read = {
        row["_id"]: row["words"]
        for batch in ElasticsearchSource().read(
            options,
            index,
            Split(id="00000", pieces=seen.extents, rows=3, bytes=0),
            ["_id", "words"],
            10,
        )
        for row in batch.to_pylist()
    }
    assert read["0"] == sorted((number_, 1.5) for token, number_ in table().items() if token in odd)
    assert dict(read["1"]) == {table()["a.b"]: 1, table()["c.d.e"]: 2}
    assert read["half"] is None


def test_only_documents_that_are_migrated_count(elasticsearch: Node) -> None:
    index = indexed(elasticsearch, [{**words("a"), "title": "x"}, {**words("b"), "title": "y"}])
    other = indexed(elasticsearch, [words("c")])
    done = number(elasticsearch, index, query={"term": {"title": "x"}})
    assert (done.documents, table()) == (1, {"a": 0})
    number(elasticsearch, [index, other], other)
    assert table() == {"a": 0, "c": 1}


def test_fields_of_several_indices_share_a_table(elasticsearch: Node) -> None:
    name = fresh()
    indexed(elasticsearch, [words("b")], f"{name}-1")
    deep = {"ml": {"properties": {"t": {"type": "sparse_vector"}}}}
    indexed(elasticsearch, [{"ml": {"t": {"a": 1}}}], f"{name}-2", deep)
    # Of an index whose mapping does not have the field: `read` would decode it, too.
    closed = {"dynamic": False, "properties": {"k": {"type": "keyword"}}}
    elasticsearch.request("PUT", f"/{name}-3", {"mappings": closed})
    bulk(elasticsearch.url, f"{name}-3", [{"_id": "0", **words("c")}])
    actions = [{"add": {"index": f"{name}-*", "alias": name}}]
    elasticsearch.request("POST", "/_aliases", {"actions": actions})
    done = number(elasticsearch, name)
    assert table() == {"a": 0, "b": 1, "c": 2}
    assert (done.fields, done.documents) == (((name, "words"), (name, "ml.t")), 3)


@pytest.mark.parametrize("method", ["pit", "scroll", "seq_no"])
def test_every_way_to_read_finds_all(elasticsearch: Node, method: str) -> None:
    docs = [words(f"t{n}", "x" * 100) for n in range(1200)]
    index = indexed(elasticsearch, docs)
    done = number(elasticsearch, index, read=small_pages(method, 4096))
    assert (done.documents, done.found) == (1200, 1201)


def test_only_the_tokens_are_asked_for(elasticsearch: Node) -> None:
    index = indexed(elasticsearch, [{**words("a"), "title": "long"}, {"title": "long"}])
    with connect(options_of(elasticsearch.url)) as connection:
        (group,) = resolve(connection, [index])
        held = held_by(connection, look(connection), group, group.indices[0], {})
        bodies = [
            body
            for place, bounds in held.pieces()
            for body in pages(connection, place, bounds, ["words"], only=["words"])
        ]
    sources = [hit["_source"] for body in bodies for hit in orjson.loads(body)["hits"]["hits"]]
    assert sorted(sources, key=len) == [{}, words("a")]


def test_documents_that_change_meanwhile_are_not_overlooked(
    elasticsearch: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = indexed(elasticsearch, [words(f"t{n}") for n in range(20)])

    def then_changed(*args: Any) -> Held:
        held = held_by(*args)
        bulk(elasticsearch.url, index, [{"_id": "3", **words("late")}])
        return held

    monkeypatch.setattr(tokenscan, "held_by", then_changed)
    with pytest.raises(SourceError, match="documents when counted") as failed:
        number(elasticsearch, index)
    assert failed.value.code == "MMC464"
    assert not Path("t.json").exists()


def test_a_piece_that_fails_for_now_is_read_again(
    elasticsearch: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = indexed(elasticsearch, [words(f"t{n}") for n in range(20)])
    parse, calls = Page.parse, []

    def cut(body: bytes) -> Page:
        calls.append(body)
        if len(calls) == 1:
            raise incomplete(index, 0)
        return parse(body)

    monkeypatch.setattr(Page, "parse", cut)
    events: list[Any] = []
    options = options_of(elasticsearch.url, index)
    done = ElasticsearchSource().number_tokens(options, (), "t.json", events.append)
    assert (done.documents, len(table())) == (20, 20)
    (again,) = events
    assert isinstance(again, Retrying) and again.what == f"reading {index}, shard 0"


def test_a_table_made_by_hand_reads_as_it_was_written() -> None:
    made = TokenTable("t.json", {'"\\\u2028': 1, "straße": 0, "": 4})
    write_tokens(made)
    assert read_tokens("t.json") == TokenTable("t.json", made.numbers, digest())
    assert list(table()) == ["straße", '"\\\u2028', ""]


def digest() -> str:
    return f"sha256:{hashlib.sha256(Path('t.json').read_bytes()).hexdigest()}"


def test_what_is_no_table_stays_as_it_is(elasticsearch: Node) -> None:
    index = indexed(elasticsearch, [words("a")])
    Path("t.json").write_text('{"a": 1, "b": 1}')
    with pytest.raises(SourceError, match=r"t\.json gives two tokens the same number") as failed:
        number(elasticsearch, index)
    assert failed.value.code == "MMC463"
    assert Path("t.json").read_text() == '{"a": 1, "b": 1}'


def test_an_index_without_tokens(elasticsearch: Node) -> None:
    nested = {"n": {"type": "nested", "properties": SPARSE}, "title": SPARSE["title"]}
    index = indexed(elasticsearch, [{"n": [words("a")]}], properties=nested)
    with pytest.raises(SourceError, match=f"no field of {index} is a sparse_vector") as failed:
        number(elasticsearch, index)
    assert failed.value.code == "MMC466"
    assert "nested" in failed.value.hint
    assert not Path("t.json").exists()


def test_an_index_whose_documents_lack_the_tokens(
    elasticsearch: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    index = fresh()
    body = {"mappings": {"_source": {"excludes": ["words"]}, "properties": SPARSE}}
    elasticsearch.request("PUT", f"/{index}", body)
    write_spec(f"elasticsearch, url: '{elasticsearch.url}', index: {index}")
    assert run(["tokens", "spec.yaml", "-o", "t.json"]) == 1
    assert "MMC455" in capsys.readouterr().err


def write_spec(source: str) -> None:
    text = f"version: 1\nsource: {{type: {source}}}\ntarget: {{type: files, url: out}}\n"
    Path("spec.yaml").write_text(text)


def test_a_source_that_has_no_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    write_spec("files, path: a.npy")
    assert run(["tokens", "spec.yaml", "-o", "t.json"]) == 1
    assert "a source of type files has no tokens to number" in capsys.readouterr().err
    assert run(["tokens", "spec.yaml"]) == 64


def test_a_line_for_programs(elasticsearch: Node, capsys: pytest.CaptureFixture[str]) -> None:
    index = indexed(elasticsearch, [words("a", "b")])
    write_spec(f"elasticsearch, url: '{elasticsearch.url}', index: {index}")
    assert run(["tokens", "spec.yaml", "-o", "t.json", "--json"]) == 0
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["command"] == "tokens"
    assert last == {
        "type": "tokens",
        "path": "t.json",
        "written": True,
        "fields": [f"{index}/words"],
        "documents": 1,
        "found": 2,
        "new": 2,
        "total": 2,
    }


def test_a_plan_pins_the_table(elasticsearch: Node) -> None:
    index = indexed(elasticsearch, [words("a")])
    number(elasticsearch, index)
    options = options_of(elasticsearch.url, index, tokens="t.json")
    source = ElasticsearchSource()
    (seen,) = source.inspect(options, (), Sample(10, 7)).collections
    assert ("t.json", digest()) in seen.fingerprint
    field = next(field for field in seen.fields if field.name == "words")
    assert (field.vector, field.note) == (
        "sparse_float_vector",
        "sparse_vector: a token becomes the dimension that t.json gives it",
    )
    pieces = tuple(extent for extent in seen.extents if extent.rows)
    split = Split(id="00000", pieces=pieces, rows=1, bytes=0)
    (batch,) = source.read(options, index, split, ["words"], 10)
    assert batch.column(0).to_pylist() == [[(0, 1.5)]]
    Path("t.json").write_text('{"a": 1}')
    with pytest.raises(SourceChanged, match=r"t\.json is not the one of the plan"):
        list(source.read(options, index, split, ["words"], 10))
    # Other columns do not depend on it.
    assert list(source.read(options, index, split, ["_id"], 10))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "es_type"), [("es7", "rank_features"), ("es9", "sparse_vector")]
)
def test_other_versions(own_elasticsearch: Starts, profile: str, es_type: str) -> None:
    """9.x leaves the vectors out of `_source` unless they are asked for."""
    node = own_elasticsearch(profile)
    mapping = {"ml": {"properties": {"t": {"type": es_type}}}, "words": {"type": es_type}}
    docs = [{"ml": {"t": {f"t{n}": 1}}, "words": {"b": 2}} for n in range(50)]
    index = indexed(node, docs, properties=mapping)
    assert number(node, index).documents == 50
    assert table().keys() == {"b", *(f"t{n}" for n in range(50))}
    options = options_of(node.url, index, tokens="t.json")
    (seen,) = ElasticsearchSource().inspect(options, (), Sample(100, 7)).collections
    found = {field.name: field.vector for field in seen.fields}
    assert found["words"] == found["ml.t"] == "sparse_float_vector"
