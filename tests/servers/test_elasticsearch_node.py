"""The nodes that tests start: what they keep, whom they let in, and what is said without Java."""

from __future__ import annotations

import shutil
import socket
import ssl
import time
from pathlib import Path

import pytest

from tests.servers.elasticsearch import home as homes
from tests.servers.elasticsearch import node as nodes
from tests.servers.elasticsearch.fixtures import Starts
from tests.servers.elasticsearch.node import ElasticsearchNode, own_node, shared_node
from tests.servers.elasticsearch.profiles import PROFILES
from tests.servers.elasticsearch.rest import Refused, basic, bulk, request, trusting

DOCS = [{"_id": str(n), "n": n, "text": f"量子 {n}"} for n in range(3000)]


def test_serves_what_was_put_in(elasticsearch: ElasticsearchNode) -> None:
    assert request(elasticsearch.url, "GET", "/")["version"]["number"].startswith("8.19.")
    assert bulk(elasticsearch.url, "node-serves", DOCS) == 3000
    assert elasticsearch.request("GET", "/node-serves/_count")["count"] == 3000
    assert elasticsearch.request("GET", "/node-serves/_doc/7")["_source"] == {
        "n": 7,
        "text": "量子 7",
    }


def test_routing_is_no_part_of_a_document(elasticsearch: ElasticsearchNode) -> None:
    bulk(elasticsearch.url, "node-routing", [{"_id": "a", "_routing": "x", "n": 1}])
    found = elasticsearch.request("GET", "/node-routing/_doc/a?routing=x")
    assert (found["_routing"], found["_source"]) == ("x", {"n": 1})


def test_one_refused_document_is_told(elasticsearch: ElasticsearchNode) -> None:
    with pytest.raises(Refused, match="document_parsing_exception") as refused:
        bulk(elasticsearch.url, "node-refuses", [{"n": 1}, {"n": "one"}])
    assert refused.value.status == 400


def test_one_node_for_a_whole_run(elasticsearch: ElasticsearchNode) -> None:
    with shared_node(elasticsearch.folder) as other:
        assert other.url == elasticsearch.url
        assert other.pid() == elasticsearch.pid()


def test_keeps_its_data_when_killed(own_elasticsearch: Starts) -> None:
    node = own_elasticsearch()
    bulk(node.url, "kept", DOCS, refresh=False)
    first = node.pid()
    node.kill()
    with pytest.raises(ConnectionRefusedError):
        request(node.url, "GET", "/")
    node.restart()
    assert node.pid() != first
    assert node.request("GET", "/kept/_count")["count"] == 3000


def test_wants_the_password(own_elasticsearch: Starts) -> None:
    node = own_elasticsearch(password="s3cret: ü")
    with pytest.raises(Refused) as refused:
        request(node.url, "GET", "/_cluster/health")
    assert refused.value.status == 401
    with pytest.raises(Refused) as refused:
        request(node.url, "GET", "/_cluster/health", headers=basic("wrong"))
    assert refused.value.status == 401
    key = node.request("POST", "/_security/api_key", {"name": "k"})["encoded"]
    headers = {"Authorization": f"ApiKey {key}"}
    assert request(node.url, "GET", "/_security/_authenticate", headers=headers)["username"]


@pytest.mark.slow
def test_speaks_tls(own_elasticsearch: Starts) -> None:
    node = own_elasticsearch(
        password="secret",
        tls=True,
        settings={"xpack.security.http.ssl.client_authentication": "required"},
    )
    assert node.url.startswith("https://")
    assert node.request("GET", "/_security/_authenticate")["username"] == "elastic"
    assert node.certificates is not None
    without = trusting(node.certificates.ca)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        request(node.url, "GET", "/", headers=basic("secret"), tls=without)
    with pytest.raises(ssl.SSLCertVerificationError):
        request(node.url, "GET", "/", tls=ssl.create_default_context())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "version"),
    [("es7", "7.17."), ("es9", "9.5."), ("os2", "2.19."), ("os3", "3.5.")],
)
def test_other_versions(own_elasticsearch: Starts, profile: str, version: str) -> None:
    node = own_elasticsearch(profile)
    said = node.request("GET", "/")["version"]
    assert said["number"].startswith(version)
    assert (said.get("distribution") == "opensearch") is profile.startswith("os")
    bulk(node.url, "docs", DOCS)
    node.restart()
    assert node.request("GET", "/docs/_count")["count"] == 3000


@pytest.mark.slow
def test_vectors_of_7_17_are_of_one_length(own_elasticsearch: Starts) -> None:
    node = own_elasticsearch("es7")
    mapping = {"properties": {"v": {"type": "dense_vector", "dims": 2}}}
    node.request("PUT", "/vectors", {"mappings": mapping})
    assert node.request("GET", "/vectors")["vectors"]["mappings"] == mapping
    bulk(node.url, "vectors", [{"_id": "a", "v": [0.1, 2]}])
    assert node.request("GET", "/vectors/_doc/a")["_source"] == {"v": [0.1, 2]}
    with pytest.raises(Refused, match="3 dimensions instead of 2"):
        bulk(node.url, "vectors", [{"v": [1, 2, 3]}])


@pytest.mark.slow
def test_ends_with_the_last_who_holds_it(own_elasticsearch: Starts, tmp_path: Path) -> None:
    nodes.require("es8")
    folder = tmp_path / "shared"
    with shared_node(folder):
        with shared_node(folder) as node:
            pass
        assert node.request("GET", "/_cluster/health")["status"] == "green"
    deadline = time.monotonic() + 30
    while node.data.exists():
        assert time.monotonic() < deadline, "the data are still there"
        time.sleep(0.05)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", node.port)) != 0


def test_says_why_it_ended(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"es8 ended while it started:\n(?s:.)*no\.such"),
        own_node(tmp_path, settings={"no.such": "1"}),
    ):
        pass


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "mvn" else name)
    assert nodes.missing(PROFILES["es8"]) == (
        "mvn not found: apt-get install default-jdk-headless maven"
    )


def test_without_java_it_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("MMC_REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not found: apt-get install"):
        nodes.require("es8")
    monkeypatch.setenv("MMC_REQUIRE_SERVERS", "1")
    with pytest.raises(pytest.fail.Exception, match="not found: apt-get install"):
        nodes.require("es8")


def test_says_what_mvn_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mvn = tmp_path / "mvn"
    mvn.write_text("#!/bin/sh\necho nobody is at home\nexit 1\n")
    mvn.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("MMC_ELASTICSEARCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(homes.NotPrepared, match=r"of es8 cannot be resolved:\nnobody is at home"):
        homes.home(PROFILES["es8"])
