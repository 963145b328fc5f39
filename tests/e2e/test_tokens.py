"""`mmc tokens` on a real node: words of sparse vectors into Milvus Lite, value by value."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.mmc_command import mmc
from tests.servers.elasticsearch.node import ElasticsearchNode as Node
from tests.servers.elasticsearch.rest import bulk

MAPPING = {
    "properties": {
        "words": {"type": "sparse_vector"},
        "ml": {"properties": {"tokens": {"type": "sparse_vector"}, "n": {"type": "integer"}}},
        "parts": {"type": "nested", "properties": {"n": {"type": "integer"}}},
    }
}
DOTS = re.MULTILINE | re.DOTALL
LITE = {"type": "milvus", "uri": "./tokens.db"}


def documents(count: int) -> list[dict[str, Any]]:
    """Each with words of its own and shared ones; every third writes the object as a dotted name,
    the others have nested documents.
    """
    made = []
    for n in range(count):
        tokens = {f"é{n % 7}": 1, "##ing": n / 3 + 0.5}
        made.append(
            {
                "_id": f"d{n}",
                "words": {f"w{n}": n + 0.25, "river": 2, f"shared {n % 50}": 0.5},
                **({"ml.tokens": tokens} if n % 3 else {"ml": {"tokens": tokens, "n": n}}),
                "parts": [{"n": n}] * (n % 3),
            }
        )
    return made


def make_index(node: Node, name: str, docs: list[dict[str, Any]]) -> None:
    settings = {"number_of_shards": 3, "number_of_replicas": 0}
    node.request("PUT", f"/{name}", {"settings": settings, "mappings": MAPPING})
    bulk(node.url, name, docs)


def write_spec(
    folder: Path, node: Node, index: str, load: dict[str, Any] | None = None, **source: Any
) -> None:
    text = {
        "version": 1,
        "name": "tokens",
        "source": {"type": "elasticsearch", "url": node.url, "index": index, **source},
        "target": LITE,
        "rows": {"on_error": "quarantine"},
        "load": load or {},
    }
    (folder / "spec.yaml").write_text(json.dumps(text))


def table_of(folder: Path) -> dict[str, int]:
    table: dict[str, int] = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    return table


def digest(folder: Path) -> str:
    return "sha256:" + hashlib.sha256((folder / "tokens.json").read_bytes()).hexdigest()


def words_in(docs: list[dict[str, Any]]) -> set[str]:
    sparse = [doc["words"] for doc in docs] + [tokens_of(doc) for doc in docs]
    return {token for members in sparse for token in members}


def tokens_of(doc: dict[str, Any]) -> dict[str, float]:
    tokens: dict[str, float] = doc["ml.tokens"] if "ml.tokens" in doc else doc["ml"]["tokens"]
    return tokens


def vectors_in(path: Path, collection: str, name: str) -> dict[str, dict[int, float]]:
    from pymilvus import MilvusClient

    with closing(MilvusClient(str(path))) as client:
        client.load_collection(collection)
        rows = client.query(collection, filter="", limit=10_000, output_fields=["_id", name])
        return {row["_id"]: dict(row[name]) for row in rows}


@pytest.mark.milvus_lite
def test_words_become_dimensions_of_one_table(tmp_path: Path, elasticsearch: Node) -> None:
    docs = documents(900)
    make_index(elasticsearch, "tokens_lite", docs)
    # What was overwritten or deleted has no tokens any more.
    docs[5] = {**docs[5], "words": {"anew": 1.5}}
    bulk(elasticsearch.url, "tokens_lite", [docs[5]])
    elasticsearch.request("DELETE", "/tokens_lite/_doc/d7?refresh=true")
    del docs[7]
    write_spec(tmp_path, elasticsearch, "tokens_lite")
    command = "mmc tokens SPEC -o tokens.json"
    assert command in mmc(tmp_path, "plan", "spec.yaml", code=1).err
    seen = json.loads(mmc(tmp_path, "inspect", "spec.yaml").out)["facts"]["source"]
    notes = {field["name"]: field["note"] for field in seen["collections"][0]["fields"]}
    assert command in notes["words"] and command in notes["ml.tokens"]
    made = mmc(tmp_path, "tokens", "spec.yaml", "-o", "tokens.json")
    table = table_of(tmp_path)
    wanted = sorted(words_in(docs))
    assert table == {token: number for number, token in enumerate(wanted)}
    assert not {"w5", "w7"} & table.keys()
    assert made.out == (
        "tokens_lite: ml.tokens\ntokens_lite: words\n"
        f"899 documents, {len(wanted)} tokens, {len(wanted)} new\n"
        f"Saved tokens.json: {len(wanted)} tokens.\n"
        "To migrate with it, say  source.tokens: tokens.json\n"
    )
    write_spec(tmp_path, elasticsearch, "tokens_lite", tokens="tokens.json")
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    mmc(tmp_path, "apply", "plan.json", "--report", "report.json")
    assert mmc(tmp_path, "verify", "plan.json").code == 0
    (copied,) = json.loads((tmp_path / "report.json").read_text())["collections"]
    assert ["tokens.json", digest(tmp_path)] in copied["fingerprint"]
    for name in ("words", "ml.tokens"):
        field = name.replace(".", "_")
        found = vectors_in(tmp_path / "tokens.db", "tokens_lite", field)
        assert found.keys() == {doc["_id"] for doc in docs}
        for doc in docs:
            given = doc["words"] if name == "words" else tokens_of(doc)
            assert found[doc["_id"]] == {
                table[token]: float(np.float32(weight)) for token, weight in given.items()
            }


@pytest.mark.milvus_lite
def test_a_token_the_table_lacks_is_a_bad_row_until_the_table_has_it(
    tmp_path: Path, elasticsearch: Node
) -> None:
    make_index(elasticsearch, "tokens_later", documents(10))
    write_spec(tmp_path, elasticsearch, "tokens_later", tokens="tokens.json")
    mmc(tmp_path, "tokens", "spec.yaml", "-o", "tokens.json")
    first = table_of(tmp_path)
    late = {**documents(1)[0], "_id": "late", "words": {"a late one": 1, "river": 2}}
    bulk(elasticsearch.url, "tokens_later", [late])
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    mmc(tmp_path, "apply", "plan.json", code=3)
    (quarantine,) = tmp_path.rglob("quarantine/*.jsonl")
    (bad,) = map(json.loads, quarantine.read_text().splitlines())
    assert (bad["code"], bad["field"], bad["values"]["_id"]) == ("MMC614", "words", "late")
    command = "mmc tokens SPEC -o tokens.json"
    assert bad["reason"] == f"a token that tokens.json does not number: `{command}` adds it"

    source = {"tokens": "tokens.json", "load": {"mode": "upsert"}}
    write_spec(tmp_path, elasticsearch, "tokens_later", **source)
    mmc(tmp_path, "plan", "spec.yaml", "-o", "again.json")
    extended = mmc(tmp_path, "tokens", "spec.yaml", "-o", "tokens.json").out
    assert "1 new\nSaved tokens.json" in extended and "say  source.tokens" not in extended
    assert table_of(tmp_path) == {**first, "a late one": len(first)}
    stale = mmc(tmp_path, "apply", "again.json", code=4).err
    assert "tokens_later/file tokens.json: sha256:" in stale
    mmc(tmp_path, "apply", "spec.yaml", "--yes")
    found = vectors_in(tmp_path / "tokens.db", "tokens_later", "words")
    assert len(found) == 11
    assert found["late"] == {len(first): 1.0, first["river"]: 2.0}


@pytest.mark.milvus_lite
def test_the_section_in_the_docs_runs_as_written(tmp_path: Path, elasticsearch: Node) -> None:
    make_index(elasticsearch, "articles_of_words", documents(20))
    page = Path(__file__).parents[2] / "docs/sources/elasticsearch.md"
    (section,) = re.findall(r"^## Words in sparse vectors\n(.*?)^## ", page.read_text(), DOTS)
    ((title, spec),) = re.findall(r"^```yaml (\S+)\n(.*?)^```", section, DOTS)
    for said, here in (
        ("http://localhost:9200", elasticsearch.url),
        ("index: articles\n", "index: articles_of_words\n"),
    ):
        assert said in spec
        spec = spec.replace(said, here)
    (tmp_path / title).write_text(spec)
    ((commands),) = re.findall(r"^```sh\n(.*?)^```", section, DOTS)
    for line in commands.splitlines():
        program, *args = line.split()
        assert program == "mmc"
        mmc(tmp_path, *args)
    assert len(vectors_in(tmp_path / "articles.db", "articles_of_words", "words")) == 20
