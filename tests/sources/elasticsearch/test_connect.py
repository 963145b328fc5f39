from __future__ import annotations

import base64
import socket
from typing import Any

import pytest

from mmc.errors import SecretError, SourceBusy, SourceError
from mmc.secrets import REDACTOR
from mmc.sources.elasticsearch.client.answers import as_object
from mmc.sources.elasticsearch.client.connect import Connection, connect, path_of
from mmc.sources.elasticsearch.client.server import look
from mmc.sources.elasticsearch.errors import refusal
from tests.servers.elasticsearch.fixtures import Starts
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import fresh, options_of

NOBODY = "http://127.0.0.1:1"


def asked(**said: Any) -> Any:
    with connect(options_of(**said)) as opened:
        return opened.get("/_search", as_object, {"size": 0})


def test_a_node_that_is_not_reached_is_tried_again() -> None:
    with pytest.raises(SourceBusy, match=r"127\.0\.0\.1:1: Connection refused") as raised:
        asked(url=NOBODY)
    assert (raised.value.code, bool(raised.value.hint)) == ("MMC450", True)


def test_a_name_that_nobody_has_is_said() -> None:
    with pytest.raises(SourceBusy, match=r"nobody\.invalid:9200") as raised:
        asked(url="http://nobody.invalid:9200")
    assert "object at" not in str(raised.value)


@pytest.mark.parametrize("url", ["localhost:9200", "http://u:secret1@"])
def test_what_is_no_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SourceError, match="no address") as raised:
        asked(url=url)
    assert "secret1" not in str(raised.value)


def test_a_cloud_id_says_where_the_cluster_is() -> None:
    cloud = "docs:" + base64.b64encode(b"nobody.invalid$0123$").decode()
    with pytest.raises(SourceBusy, match=r"https://0123\.nobody\.invalid:443"):
        asked(cloud_id=cloud)
    with pytest.raises(SourceError, match="cloud_id"):
        asked(cloud_id="docs:x")


def test_a_node_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(SourceBusy, match=r"no answer in 0\.2 s"):
            asked(url=f"http://127.0.0.1:{port}", timeout=0.2)


def test_another_node_answers_for_one_that_is_down(elasticsearch: ElasticsearchNode) -> None:
    with connect(options_of([NOBODY, elasticsearch.url])) as opened:
        assert [look(opened).major for _ in range(4)] == [8] * 4


def test_https_to_a_node_without_is_told(elasticsearch: ElasticsearchNode) -> None:
    with pytest.raises(SourceError, match="WRONG_VERSION_NUMBER") as raised:
        asked(url=elasticsearch.url.replace("http:", "https:"))
    assert (raised.value.code, raised.value.hint) == ("MMC454", "does the server speak http?")


def test_a_query_that_does_not_parse_is_the_specs(elasticsearch: ElasticsearchNode) -> None:
    query = {"trm": {}}
    with (
        connect(options_of(elasticsearch.url, query=query)) as opened,
        pytest.raises(SourceError, match=r"^source\.query is refused.*\[trm\]") as raised,
    ):
        opened.post("/_search", as_object, {"query": query}, {})
    assert raised.value.code == "MMC453"


def test_an_index_that_is_not_there_is_named(connection: Connection) -> None:
    name = fresh("gone")
    with pytest.raises(SourceError, match=name) as raised:
        connection.get(path_of(name, "_search"), as_object)
    assert raised.value.code == "MMC452"


@pytest.mark.parametrize(
    ("status", "kind", "code", "busy"),
    [
        (429, "circuit_breaking_exception", "MMC450", True),
        (503, "search_phase_execution_exception", "MMC459", True),
        (503, "cluster_block_exception", "MMC450", True),
        (404, "search_context_missing_exception", "MMC459", True),
        (400, "index_closed_exception", "MMC462", False),
        (400, "illegal_argument_exception", "MMC461", False),
        (403, "security_exception", "MMC451", False),
        (403, "cluster_block_exception", "MMC451", False),
    ],
)
def test_an_error_of_the_server_says_whether_to_ask_again(
    status: int, kind: str, code: str, busy: bool
) -> None:
    body = f'{{"error": {{"type": "{kind}", "reason": "so"}}}}'.encode()
    error = refusal(status, body, "POST /docs/_search", has_query=False)
    assert (error.code, error.retryable, str(error)) == (code, busy, "POST /docs/_search: so")


def test_a_block_is_no_matter_of_privileges() -> None:
    body = b'{"error": {"type": "cluster_block_exception", "reason": "blocked by: [FORBIDDEN/7]"}}'
    error = refusal(403, body, "POST /docs/_search", has_query=False)
    assert "index.blocks.read" in error.hint


def test_a_proxy_that_answers_in_html_is_shown() -> None:
    error = refusal(502, b"<html>\n<b>Bad Gateway</b>", "GET /", has_query=False)
    assert str(error) == "GET /: <html> <b>Bad Gateway</b>"
    assert error.retryable


def test_names_cannot_leave_their_part_of_the_path() -> None:
    assert path_of("a/../b?c", "_search") == "/a%2F..%2Fb%3Fc/_search"


def test_a_secret_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(SecretError, match="NOT_SET"):
        asked(url=NOBODY, auth={"token": {"secret": "env:NOT_SET"}})


@pytest.mark.parametrize("kind", ["api_key", "token"])
def test_a_key_with_a_newline_is_sent_without_and_shown_nowhere(
    elasticsearch: ElasticsearchNode, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    auth = {kind: {"secret": "env:PASTED"}}
    monkeypatch.setenv("PASTED", " c2VjcmV0LWtleQ==\n")
    with connect(options_of(elasticsearch.url, auth=auth)) as opened:
        assert opened.get("/", as_object)["version"]
    for spoiled in ("c2Vj\ncmV0", "c2Vj\u20accmV0"):
        monkeypatch.setenv("PASTED", spoiled)
        with pytest.raises(SourceError, match=f"source.auth.{kind} has characters") as raised:
            asked(url=elasticsearch.url, auth=auth)
        assert raised.value.code == "MMC451"
        assert "c2Vj" not in str(raised.value)


@pytest.mark.parametrize("fingerprint", ["abcd", "zz" * 32, "ab" * 16, "ab" * 20])
def test_only_a_sha_256_is_a_fingerprint(fingerprint: str) -> None:
    with pytest.raises(SourceError, match="no SHA-256") as raised:
        asked(url="https://127.0.0.1:1", tls={"fingerprint": fingerprint})
    assert raised.value.code == "MMC454"


def test_a_ca_file_that_is_not_there_is_told() -> None:
    with pytest.raises(SourceError, match="TLS cannot be set up") as raised:
        asked(url="https://127.0.0.1:1", tls={"ca": "no/such.crt"})
    assert raised.value.code == "MMC454"


@pytest.mark.slow
def test_credentials_and_certificates(
    own_elasticsearch: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = own_elasticsearch(password="pass-word-1", tls=True)
    assert node.certificates is not None
    known = node.certificates
    monkeypatch.setenv("RIGHT", "pass-word-1")
    monkeypatch.setenv("WRONG", "pass-word-2")
    right = {"username": "elastic", "password": {"secret": "env:RIGHT"}}
    wrong = {"username": "elastic", "password": {"secret": "env:WRONG"}}
    trust: dict[str, Any] = {"ca": str(known.ca)}
    print_ = ":".join(known.fingerprint[n : n + 2] for n in range(0, len(known.fingerprint), 2))
    pair = {"certificate": str(known.client.certificate), "key": str(known.client.key)}
    good = [trust, {"fingerprint": print_}, {"verify": False}, trust | pair]
    for tls in good:
        assert asked(url=node.url, auth=right, tls=tls)["timed_out"] is False
    for tls in [{}, {"fingerprint": "00" * 32}]:
        with pytest.raises(SourceError) as raised:
            asked(url=node.url, auth=right, tls=tls)
        assert raised.value.code == "MMC454", tls
    for auth, said in [(wrong, "elastic"), ({}, "missing authentication")]:
        with pytest.raises(SourceError, match=said) as raised:
            asked(url=node.url, auth=auth, tls=trust)
        assert raised.value.code == "MMC451"
        assert "pass-word" not in str(raised.value)

    node.request("PUT", "/docs-1")
    node.request("PUT", "/other")
    allowed = [{"names": ["docs*"], "privileges": ["read", "view_index_metadata"]}]
    key = node.request(
        "POST",
        "/_security/api_key",
        {"name": "reader", "role_descriptors": {"reader": {"indices": allowed}}},
    )
    monkeypatch.setenv("ENCODED", key["encoded"])
    monkeypatch.setenv("PLAIN", f"{key['id']}:{key['api_key']}")
    for name in ("ENCODED", "PLAIN"):
        auth = {"api_key": {"secret": f"env:{name}"}}
        options = options_of(node.url, tls=trust, auth=auth)
        with connect(options) as opened:
            assert opened.get("/docs-1/_search", as_object)["timed_out"] is False
            with pytest.raises(SourceError, match="unauthorized") as raised:
                opened.get("/other/_search", as_object)
            assert raised.value.code == "MMC451"
            assert "view_index_metadata" in raised.value.hint
    assert key["encoded"] not in REDACTOR.clean(f"ApiKey {key['encoded']}")
