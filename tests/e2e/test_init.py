"""`mmc init` on sources that are really there: the spec it writes is valid, canonical, and plans as
the smallest spec does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.mmc_command import mmc
from tests.e2e.test_elasticsearch import DIM, MAPPING, documents
from tests.generators.milvus1.generate import generate
from tests.servers.elasticsearch.fixtures import Starts
from tests.servers.elasticsearch.node import ElasticsearchNode as Node
from tests.servers.elasticsearch.rest import bulk
from tests.sources.faiss.build import factory, save, vectors

LITE = {"type": "milvus", "uri": "./spec.db"}


def made(plan: Path) -> list[dict[str, Any]]:
    """The steps of a plan without their notes for people."""
    steps: list[dict[str, Any]] = json.loads(plan.read_text())["plan"]["steps"]
    for step in steps:
        step.pop("note", None)
        for mapping in step.get("mappings", ()):
            del mapping["note"]
    return steps


def check(folder: Path, source: dict[str, Any], target: dict[str, Any]) -> str:
    """spec.yaml is what `init` wrote; the smallest spec of the same plans the same. The text."""
    mmc(folder, "validate", "spec.yaml")
    mmc(folder, "fmt", "--check", "spec.yaml")
    mmc(folder, "inspect", "spec.yaml", "-o", "facts.json")
    mmc(folder, "plan", "spec.yaml", "--facts", "facts.json", "-o", "spec.plan.json")
    smallest = {"version": 1, "name": "spec", "source": source, "target": target}
    (folder / "small.yaml").write_text(json.dumps(smallest))
    mmc(folder, "plan", "small.yaml", "--facts", "facts.json", "-o", "small.plan.json")
    assert made(folder / "spec.plan.json") == made(folder / "small.plan.json")
    return (folder / "spec.yaml").read_text()


def fill(node: Node, *names: str, count: int = 300) -> None:
    """Indices with what a mapping may hold; every fourth document lacks a title."""
    vector = {"type": "dense_vector", "dims": DIM, "index": True, "similarity": "cosine"}
    properties = {**MAPPING["properties"], "embedding": vector}  # type: ignore[dict-item]
    mappings = {"runtime": {"shout": {"type": "keyword"}}, "properties": properties}
    for name in names:
        wanted = {"number_of_shards": 2, "number_of_replicas": 0}
        node.request("PUT", f"/{name}", {"settings": wanted, "mappings": mappings})
        docs = documents(count)
        for doc in docs[::4]:
            del doc["title"]
        bulk(node.url, name, docs)
        node.request("POST", f"/{name}/_refresh")


def test_indices_become_a_spec(tmp_path: Path, elasticsearch: Node) -> None:
    fill(elasticsearch, "init-two-a", "init-two-b")
    done = mmc(tmp_path, "init", "--from", f"{elasticsearch.url}/init-two-*", "-o", "spec.yaml")
    assert "mmc plan spec.yaml" in done.out
    assert not (tmp_path / "spec.db").exists()
    source = {"type": "elasticsearch", "url": elasticsearch.url, "index": "init-two-*"}
    text = check(tmp_path, source, LITE)
    assert "in elasticsearch 8." in text and text.count("- from: init-two-") == 2
    for line in (
        "# 300 rows",
        "# shout: runtime fields without a script: columns only where the sample has values",
        "# multi-fields of title are other indexings of the same values: not copied",
        "# not taken unless `fields` names them: _index, _routing, $unmapped",
        "# a secret is a reference: auth: {password: {secret: env:NAME}}",
        "# the source's own key, each value once; longest 7 bytes of 300 sampled",
        "{from: _id, type: varchar(16), primary_key: true}",
        "{from: title, type: varchar(64)}  # text; longest 11 bytes, 25 % missing of 300 sampled",
        "# dense_vector; int8_hnsw, cosine in the source index;",
        "index: {type: HNSW, metric: COSINE, params: {M: 16, efConstruction: 100}}",
        "# keyword; at most 2 items, longest item 6 bytes, none missing of 300 sampled",
        "{from: published, type: int64, cast: epoch_ms}",
        "{from: views, type: int64}  # long; 0 to 9007199254741291, none missing of 300 sampled",
    ):
        assert line in text, line


def test_what_init_wrote_can_be_applied(tmp_path: Path, elasticsearch: Node) -> None:
    fill(elasticsearch, "init-applied", count=100)
    place = f"{elasticsearch.url}/init-applied"
    mmc(tmp_path, "init", "--from", place, "--to", "out/", "-o", "spec.yaml")
    check(
        tmp_path,
        {"type": "elasticsearch", "url": elasticsearch.url, "index": "init-applied"},
        {"type": "files", "url": "out/"},
    )
    mmc(tmp_path, "apply", "spec.yaml", "--yes")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert sum(file["rows"] for file in manifest["files"]) == 100


def test_a_missing_index_and_one_without_a_vector(tmp_path: Path, elasticsearch: Node) -> None:
    place = f"{elasticsearch.url}/init-nothing"
    done = mmc(tmp_path, "init", "--from", place, "-o", "spec.yaml", code=1)
    assert "MMC452" in done.err and not (tmp_path / "spec.yaml").exists()
    elasticsearch.request(
        "PUT", "/init-plain", {"mappings": {"properties": {"n": {"type": "long"}}}}
    )
    bulk(elasticsearch.url, "init-plain", [{"_id": "1", "n": 1}])
    elasticsearch.request("POST", "/init-plain/_refresh")
    place = f"{elasticsearch.url}/init-plain"
    done = mmc(tmp_path, "init", "--from", place, "-o", "spec.yaml", code=1)
    assert "spec.yaml" in done.out and "error[MMC354]" in done.err
    assert (
        "# error[MMC354]: `init_plain` has no vector field" in (tmp_path / "spec.yaml").read_text()
    )
    mmc(tmp_path, "validate", "spec.yaml")


@pytest.mark.slow
def test_a_user_is_in_the_address_and_the_password_is_a_reference(
    tmp_path: Path, own_elasticsearch: Starts
) -> None:
    node = own_elasticsearch(password="over the hills")
    vector = {"type": "dense_vector", "dims": 2}
    node.request("PUT", "/words", {"mappings": {"properties": {"v": vector}}})
    node.request("PUT", "/words/_doc/1?refresh=true", {"v": [1.0, 2.0]})
    scheme, _, host = node.url.partition("://")
    place = f"{scheme}://elastic@{host.rpartition('@')[2]}/words"
    setting = "source.auth.password=env:INIT_PASSWORD"
    env = {"INIT_PASSWORD": "over the hills"}
    args = ("init", "--from", place, "--set", setting, "-o", "spec.yaml")
    done = mmc(tmp_path, *args, env=env)
    text = (tmp_path / "spec.yaml").read_text()
    assert "auth: {username: elastic, password: {secret: env:INIT_PASSWORD}}" in text
    assert "over the hills" not in text + done.out + done.err
    mmc(tmp_path, "plan", "spec.yaml", env=env)
    done = mmc(tmp_path, "init", "--from", place, code=1)
    assert "MMC451" in done.err and "--set source.auth.password=env:NAME" in done.err


@pytest.mark.slow
def test_the_answer_tells_opensearch(tmp_path: Path, own_elasticsearch: Starts) -> None:
    node = own_elasticsearch("os2")
    node.request("PUT", "/words", {"mappings": {"properties": {"v": {"type": "keyword"}}}})
    bulk(node.url, "words", [{"_id": str(n), "v": "x"} for n in range(5)])
    node.request("POST", "/words/_refresh")
    args = ("--from", f"{node.url}/words", "--to", "out/", "-o", "spec.yaml")
    mmc(tmp_path, "init", *args)
    target = {"type": "files", "url": "out/"}
    text = check(tmp_path, {"type": "opensearch", "url": node.url, "index": "words"}, target)
    assert "type: opensearch" in text and "in opensearch 2." in text


def test_a_faiss_index(tmp_path: Path) -> None:
    save(factory("IVF16,Flat", vectors(500, 8)), tmp_path / "words.index")
    mmc(tmp_path, "init", "--from", "words.index", "-o", "spec.yaml")
    text = check(tmp_path, {"type": "faiss", "path": "words.index"}, LITE)
    assert "index: {type: IVF_FLAT, metric: L2, params: {nlist: 16}}" in text


def test_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data/vectors.npy", vectors(50, 8))
    mmc(tmp_path, "init", "--from", "data", "-o", "spec.yaml")
    check(tmp_path, {"type": "files", "path": "data"}, LITE)
    mmc(tmp_path, "init", "--from", "data", "--to", "out/", "-o", "spec.yaml", "--force")
    mmc(tmp_path, "apply", "spec.yaml", "--yes")
    mmc(tmp_path, "init", "--from", "out", "-o", "spec.yaml", "--force")
    text = check(tmp_path, {"type": "files", "manifest": "out/manifest.json"}, LITE)
    assert "as the source declares it" in text


def test_milvus_1_by_folder_and_by_metadata(tmp_path: Path) -> None:
    server = generate(tmp_path / "milvus", 3, nan=False)
    data = str(server.tables[0])
    settings = ["--set", "source.wal=replay", "--set", "source.duplicates=keep_all"]
    if len(server.tables) > 1:
        folders = json.dumps([str(path) for path in server.tables])
        settings += ["--set", f"source.data={folders}"]
    place = str(server.meta).removeprefix("sqlite://")
    target = {"type": "files", "url": "out/"}
    mmc(tmp_path, "init", "--from", place, *settings, "--to", "out/", "-o", "spec.yaml")
    folders = [str(path) for path in server.tables]
    source = {"type": "milvus1", "data": data if len(folders) == 1 else folders, "meta": place}
    check(tmp_path, {**source, "wal": "replay", "duplicates": "keep_all"}, target)
