"""A real Elasticsearch node into Milvus Lite and into files, compared value by value."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.e2e.mmc_command import mmc, start
from tests.servers.elasticsearch.node import ElasticsearchNode as Node
from tests.servers.elasticsearch.rest import bulk
from tests.sources.elasticsearch.tampering import tampering

DIM = 16
MAPPING = {
    "properties": {
        "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
        "lang": {"type": "keyword"},
        "views": {"type": "long"},
        "price": {"type": "double"},
        "live": {"type": "boolean"},
        "published": {"type": "date"},
        "tags": {"type": "keyword"},
        "author": {"properties": {"name": {"type": "keyword"}, "age": {"type": "integer"}}},
        "parts": {"type": "nested", "properties": {"n": {"type": "integer"}}},
        "place": {"type": "geo_point"},
        "embedding": {"type": "dense_vector", "dims": DIM, "index": False},
    }
}


def documents(count: int, seed: int = 3) -> list[dict[str, Any]]:
    """Documents with the forms that Elasticsearch takes for one and the same value."""
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    day = datetime(2024, 2, 28, 23, 59, 59, 123000, tzinfo=UTC)
    made = []
    for n in range(count):
        when = day + timedelta(hours=n)
        made.append(
            {
                "_id": f"doc-{n}",
                "title": f"Straße {n}",
                "lang": "en" if n % 3 else "de",
                "views": 2**53 + n if n % 2 else str(n),
                "price": n / 7,
                "live": n % 2 == 0,
                "published": when.isoformat() if n % 2 else int(when.timestamp() * 1000),
                "tags": ["a", f"t{n}"] if n % 4 else "single",
                "author": {"name": f"n{n}", "age": n},
                "parts": [{"n": n}, {"n": n + 1}],
                "place": [13.4, 52.5] if n % 2 else {"lat": 52.5, "lon": 13.4},
                "embedding": vectors[n].tolist(),
            }
        )
    return made


def make_index(node: Node, name: str, docs: list[dict[str, Any]], **settings: Any) -> None:
    wanted = {"number_of_shards": 2, "number_of_replicas": 0, **settings}
    node.request("PUT", f"/{name}", {"settings": wanted, "mappings": MAPPING})
    for first in range(0, len(docs), 500):
        bulk(node.url, name, docs[first : first + 500])
    node.request("POST", f"/{name}/_refresh")


def spec(folder: Path, node: Node, index: str, target: str, **more: Any) -> str:
    source = {"type": "elasticsearch", "url": node.url, "index": index, **more.pop("source", {})}
    text = {"version": 1, "name": "es", "source": source, "target": target, **more}
    (folder / "spec.yaml").write_text(json.dumps(text))
    return "spec.yaml"


LITE: Any = {"type": "milvus", "uri": "./es.db"}
FILES: Any = {"type": "files", "url": "out", "format": "parquet"}


def read_out(folder: Path) -> dict[str, dict[str, Any]]:
    manifest = json.loads((folder / "out/manifest.json").read_text())
    rows: dict[str, dict[str, Any]] = {}
    for file in manifest["files"]:
        for row in pq.read_table(folder / "out" / file["path"]).to_pylist():
            assert row["_id"] not in rows, "a document came twice"
            rows[row["_id"]] = row
    return rows


def test_every_live_document_arrives_with_its_values(tmp_path: Path, elasticsearch: Node) -> None:
    docs = documents(1200)
    make_index(elasticsearch, "e2e_values", docs)
    gone = {f"doc-{n}" for n in range(0, 1200, 11)}
    for key in sorted(gone):
        elasticsearch.request("DELETE", f"/e2e_values/_doc/{key}")
    changed = [{**doc, "title": "new"} for doc in docs[1:1200:7] if doc["_id"] not in gone]
    bulk(elasticsearch.url, "e2e_values", changed)
    elasticsearch.request("POST", "/e2e_values/_refresh")
    live = {doc["_id"]: doc for doc in [*docs, *changed] if doc["_id"] not in gone}
    file = spec(tmp_path, elasticsearch, "e2e_values", FILES)
    assert mmc(tmp_path, "apply", file, "--yes").code == 0
    found = read_out(tmp_path)
    assert found.keys() == live.keys()
    for key, doc in live.items():
        row = found[key]
        number = int(key.removeprefix("doc-"))
        assert row["title"] == doc["title"]
        assert row["views"] == int(doc["views"])
        assert row["price"] == doc["price"]
        assert row["live"] == doc["live"]
        assert row["published"] == 1709164799123 + 3_600_000 * number
        assert row["tags"] == (doc["tags"] if isinstance(doc["tags"], list) else [doc["tags"]])
        assert json.loads(row["author"]) == doc["author"]
        assert json.loads(row["parts"]) == doc["parts"]
        assert json.loads(row["place"]) == {"lat": 52.5, "lon": 13.4}
        assert row["embedding"] == doc["embedding"]


@pytest.mark.milvus_lite
def test_an_index_goes_into_lite_and_is_proved(tmp_path: Path, elasticsearch: Node) -> None:
    make_index(elasticsearch, "e2e_lite", documents(300))
    file = spec(tmp_path, elasticsearch, "e2e_lite", LITE)
    mmc(tmp_path, "plan", file, "-o", "plan.json")
    applied = mmc(tmp_path, "apply", "plan.json", "--json")
    (verified,) = [event for event in applied.events if event["type"] == "verified"]
    assert verified["ok"]
    assert verified["rows_found"] == 300
    assert mmc(tmp_path, "verify", "plan.json").code == 0


def test_a_query_is_pushed_down(tmp_path: Path, elasticsearch: Node) -> None:
    make_index(elasticsearch, "e2e_query", documents(90))
    query = {"source": {"query": {"term": {"lang": "de"}}}}
    file = spec(tmp_path, elasticsearch, "e2e_query", FILES, **query)
    assert mmc(tmp_path, "apply", file, "--yes").code == 0
    assert {row["lang"] for row in read_out(tmp_path).values()} == {"de"}
    assert len(read_out(tmp_path)) == 30


def test_a_document_changed_after_the_plan_stops_the_run(
    tmp_path: Path, elasticsearch: Node
) -> None:
    docs = documents(60)
    make_index(elasticsearch, "e2e_changed", docs)
    file = spec(tmp_path, elasticsearch, "e2e_changed", FILES)
    mmc(tmp_path, "plan", file, "-o", "plan.json")
    bulk(elasticsearch.url, "e2e_changed", [{**docs[5], "title": "later"}])
    elasticsearch.request("POST", "/e2e_changed/_refresh")
    applied = mmc(tmp_path, "apply", "plan.json", code=4)
    assert "MMC653" in applied.err
    assert not (tmp_path / "out/manifest.json").exists()


def test_an_index_made_anew_is_not_the_planned_one(tmp_path: Path, elasticsearch: Node) -> None:
    make_index(elasticsearch, "e2e_anew", documents(20))
    file = spec(tmp_path, elasticsearch, "e2e_anew", FILES)
    mmc(tmp_path, "plan", file, "-o", "plan.json")
    elasticsearch.request("DELETE", "/e2e_anew")
    make_index(elasticsearch, "e2e_anew", documents(20))
    assert "e2e_anew" in mmc(tmp_path, "apply", "plan.json", code=4).err
    elasticsearch.request("DELETE", "/e2e_anew")
    gone = mmc(tmp_path, "apply", "plan.json", code=4).err
    assert "it was there when the plan was made" in gone and "plan again" in gone


def test_a_value_of_another_kind_is_a_bad_row_with_its_value(
    tmp_path: Path, elasticsearch: Node
) -> None:
    docs = documents(40)
    docs[7]["views"] = 1.5
    make_index(elasticsearch, "e2e_flaw", docs)
    rows = {"rows": {"on_error": "quarantine"}}
    file = spec(tmp_path, elasticsearch, "e2e_flaw", FILES, **rows)
    mmc(tmp_path, "apply", file, "--yes", code=3)
    assert read_out(tmp_path).keys() == {doc["_id"] for doc in docs} - {"doc-7"}
    (file_of_bad,) = tmp_path.rglob("quarantine/*.jsonl")
    (bad,) = map(json.loads, file_of_bad.read_text().splitlines())
    assert (bad["code"], bad["field"], bad["values"]["views"]) == ("MMC614", "views", "1.5")
    assert bad["values"]["_id"] == "doc-7"


@pytest.mark.parametrize("method", ["pit", "scroll"])
def test_the_other_ways_to_read_give_the_same(
    tmp_path: Path, elasticsearch: Node, method: str
) -> None:
    make_index(elasticsearch, f"e2e_{method}", documents(700))
    source = {"source": {"read": {"method": method, "page_bytes": 65536}}}
    file = spec(tmp_path, elasticsearch, f"e2e_{method}", FILES, **source)
    assert mmc(tmp_path, "apply", file, "--yes").code == 0
    assert len(read_out(tmp_path)) == 700


def test_several_indices_behind_an_alias_are_one_collection(
    tmp_path: Path, elasticsearch: Node
) -> None:
    docs = documents(50)
    make_index(elasticsearch, "e2e_part1", docs[:30])
    make_index(elasticsearch, "e2e_part2", docs[30:])
    actions = [{"add": {"index": "e2e_part*", "alias": "e2e_all"}}]
    elasticsearch.request("POST", "/_aliases", {"actions": actions})
    file = spec(tmp_path, elasticsearch, "e2e_all", FILES)
    assert mmc(tmp_path, "apply", file, "--yes").code == 0
    assert len(read_out(tmp_path)) == 50


def test_index_and_routing_are_fields_where_the_spec_names_them(
    tmp_path: Path, elasticsearch: Node
) -> None:
    docs: list[dict[str, Any]] = documents(20)
    docs[0]["_routing"] = "here"
    # Two documents of one id: only with its index is it a key.
    make_index(elasticsearch, "e2e_meta1", docs)
    make_index(elasticsearch, "e2e_meta2", docs[:3])
    actions = [{"add": {"index": "e2e_meta*", "alias": "e2e_meta"}}]
    elasticsearch.request("POST", "/_aliases", {"actions": actions})
    fields = [
        {"to": "id", "expr": "_index || '/' || _id", "type": "varchar(600)", "primary_key": True},
        {"from": "_index", "to": "source_index", "type": "varchar(255)"},
        {"from": "_routing", "to": "routing"},
    ]
    collections = [{"from": "e2e_meta", "fields": fields, "rest": "map"}]
    file = spec(tmp_path, elasticsearch, "e2e_meta", FILES, collections=collections)
    assert mmc(tmp_path, "apply", file, "--yes").code == 0
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    rows = [
        row
        for file in manifest["files"]
        for row in pq.read_table(tmp_path / "out" / file["path"]).to_pylist()
    ]
    assert {row["id"] for row in rows} == {
        *(f"e2e_meta1/doc-{n}" for n in range(20)),
        *(f"e2e_meta2/doc-{n}" for n in range(3)),
    }
    assert len(rows) == 23
    for row in rows:
        assert row["id"] == f"{row['source_index']}/{row['_id']}"
        assert row["routing"] == ("here" if row["_id"] == "doc-0" else None)
        assert not row.keys() & {"_index", "_routing"}


@pytest.mark.slow
def test_a_node_killed_and_restarted_in_mid_run_loses_and_doubles_nothing(
    tmp_path: Path, own_elasticsearch: Any
) -> None:
    node = own_elasticsearch()
    docs = documents(6000)
    make_index(node, "e2e_killed", docs)
    limits = {"read": {"page_bytes": 65536, "requests_per_second": 20}, "timeout": 5}
    load = {"load": {"split_bytes": 1 << 20}}
    file = spec(tmp_path, node, "e2e_killed", FILES, source=limits, **load)
    mmc(tmp_path, "plan", file, "-o", "plan.json")
    running = start(tmp_path, "apply", "plan.json", "--yes")
    time.sleep(3)
    assert running.poll() is None, "the run was over before the node was killed"
    node.kill()
    time.sleep(1)
    node.start()
    running.communicate(timeout=120)
    node.request("POST", "/_forcemerge")
    mmc(tmp_path, "apply", "plan.json", "--yes")
    assert read_out(tmp_path).keys() == {doc["_id"] for doc in docs}
    assert mmc(tmp_path, "verify", "plan.json").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["es9", "os2"])
def test_other_versions_give_the_same(tmp_path: Path, own_elasticsearch: Any, profile: str) -> None:
    node = own_elasticsearch(profile)
    docs = documents(400)
    mapping = json.loads(json.dumps(MAPPING))
    if profile == "os2":
        mapping["properties"]["embedding"] = {"type": "knn_vector", "dimension": DIM}
    node.request("PUT", "/same", {"settings": {"number_of_shards": 2}, "mappings": mapping})
    bulk(node.url, "same", docs)
    node.request("POST", "/same/_refresh")
    assert mmc(tmp_path, "apply", spec(tmp_path, node, "same", FILES), "--yes").code == 0
    found = read_out(tmp_path)
    assert found.keys() == {doc["_id"] for doc in docs}
    for doc in docs:
        row = found[doc["_id"]]
        assert row["views"] == int(doc["views"])
        assert row["embedding"] == doc["embedding"]


@pytest.mark.slow
@pytest.mark.parametrize("type_", ["", "int64"])
def test_an_unsigned_long_is_text_or_the_int64_that_the_spec_wants(
    tmp_path: Path, own_elasticsearch: Any, type_: str
) -> None:
    """On OpenSearch 2.19: the nodes of Elasticsearch lack the type."""
    node = own_elasticsearch("os2")
    node.request("PUT", "/big", {"mappings": {"properties": {"n": {"type": "unsigned_long"}}}})
    given = {"a": 0, "b": 2**53 + 1, "c": 2**63 - 1, "d": 2**63, "e": 2**64 - 1}
    bulk(node.url, "big", [{"_id": key, "n": number} for key, number in given.items()])
    fields = [{"from": "n", "type": type_}] if type_ else []
    more = {"collections": [{"from": "big", "fields": fields, "rest": "map"}]}
    file = spec(tmp_path, node, "big", FILES, rows={"on_error": "quarantine"}, **more)
    mmc(tmp_path, "apply", file, "--yes", code=3 if type_ else 0)
    found = {key: row["n"] for key, row in read_out(tmp_path).items()}
    if type_:
        assert found == {key: number for key, number in given.items() if key < "d"}
        (bad,) = tmp_path.rglob("quarantine/*.jsonl")
        keys = {json.loads(line)["values"]["_id"] for line in bad.read_text().splitlines()}
        assert keys == {"d", "e"}
    else:
        assert found == {key: str(number) for key, number in given.items()}


@pytest.mark.milvus_lite
def test_the_example_runs_as_it_stands(tmp_path: Path, elasticsearch: Node) -> None:
    docs = [{**doc, "internal": "no"} for doc in documents(90)]
    del docs[1]["embedding"]
    make_index(elasticsearch, "articles", docs)
    example = str(Path(__file__).parents[2] / "examples/elasticsearch-to-milvus.yaml")
    mmc(tmp_path, "plan", example, "--var", f"url={elasticsearch.url}", "-o", "plan.json")
    applied = mmc(tmp_path, "apply", "plan.json", "--json")
    (verified,) = [event for event in applied.events if event["type"] == "verified"]
    assert verified["ok"]
    # A third is `de`, and one of the others has no vector.
    assert verified["rows_found"] == 59


def test_single_requests_that_fail_are_asked_again_and_told(
    tmp_path: Path, elasticsearch: Node
) -> None:
    make_index(elasticsearch, "e2e_faults", documents(40))
    faults: dict[str, tuple[int, bytes] | None] = {
        "/e2e_faults/_settings": None,
        "/e2e_faults/_mapping": (404, b"<html>default backend - 404</html>"),
        "/e2e_faults/_search": (429, b"{}"),
        "/e2e_faults/_search_shards": (200, b"{}"),
    }

    def spoil(path: str, asked: bytes, answer: bytes) -> bytes | tuple[int, bytes] | None:
        return faults.pop(path.partition("?")[0], answer)

    with tampering(elasticsearch.url, spoil) as url:
        file = spec(tmp_path, elasticsearch, "e2e_faults", FILES, source={"url": url})
        told = mmc(tmp_path, "plan", file, "-o", "plan.json").err
        assert not faults
        assert told.count("trying again") == 4 and "GET /e2e_faults/_mapping" in told
        faults["/e2e_faults/_settings"] = None
        assert "trying again" in mmc(tmp_path, "apply", "plan.json").err
    assert len(read_out(tmp_path)) == 40
