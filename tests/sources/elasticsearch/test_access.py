"""What privileges hide is told: on a real node with a trial licence, and, of OpenSearch, whose
security plug-in does not run here, by answers as its source writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mmc.errors import SourceBusy
from mmc.facts import SourceCollection
from mmc.sources.elasticsearch.source import ElasticsearchSource
from mmc.spi import Sample
from tests.servers.elasticsearch.node import ElasticsearchNode, own_node
from tests.servers.elasticsearch.rest import basic, request
from tests.sources.elasticsearch.indexed import fill, make, numbered, options_of
from tests.sources.elasticsearch.tampering import tampering

PASSWORD = "pass-word-1"
READ = ["read", "view_index_metadata"]
SECRET = {"field_security": {"grant": ["*"], "except": ["k"]}}
ONLY = {"field_security": {"grant": ["n*", "_*"]}}
TENANT = {"query": {"term": {"k": "k1"}}}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ElasticsearchNode]:
    folder = tmp_path_factory.mktemp("secured")
    trial = {"xpack.license.self_generated.type": "trial"}
    with own_node(folder, password=PASSWORD, settings=trial) as node:
        for name in ("docs-1", "docs-2"):
            make(node, name=name, shards=1)
            fill(node, name, numbered(20))
        add = [{"add": {"index": name, "alias": "both"}} for name in ("docs-1", "docs-2")]
        node.request("POST", "/_aliases", {"actions": add})
        yield node


def grants(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"names": ["docs-*"], "privileges": READ, **part} for part in parts]


def looked_at(
    node: ElasticsearchNode, monkeypatch: pytest.MonkeyPatch, index: str, **auth: Any
) -> SourceCollection:
    monkeypatch.setenv("THE_SECRET", auth.pop("secret"))
    (kind,) = auth
    secret = {"secret": "env:THE_SECRET"}
    who = {kind: auth[kind], "password": secret} if kind == "username" else {kind: secret}
    options = options_of(node.url, index, auth=who)
    (found,) = ElasticsearchSource().inspect(options, (), Sample(100, 7)).collections
    return found


def told(found: SourceCollection) -> dict[str, str]:
    return {problem.code: problem.message for problem in found.problems}


USERS: list[tuple[str, list[list[dict[str, Any]]], str, int, dict[str, str]]] = [
    ("plain", [grants({})], "docs-1", 20, {}),
    ("documents", [grants(TENANT)], "docs-1", 4, {"MMC469": "docs-1: document-level"}),
    ("fields", [grants(SECRET)], "docs-1", 20, {"MMC470": "(without k)"}),
    ("some fields", [grants(ONLY)], "docs-1", 20, {"MMC470": "(only n*, _* shown)"}),
    ("both ways", [grants(TENANT | SECRET)], "docs-1", 4, {"MMC469": "", "MMC470": ""}),
    # One role that shows all lifts what another hides.
    ("two roles", [grants(SECRET | TENANT), grants({})], "docs-1", 20, {}),
    ("two parts", [grants(SECRET, {})], "docs-1", 20, {}),
    ("elsewhere", [grants({}), grants(SECRET | {"names": ["other-*"]})], "docs-1", 20, {}),
    (
        "one of two",
        [grants(TENANT | {"names": ["docs-2"]}, {"names": ["docs-1", "both"]})],
        "docs-*",
        24,
        {"MMC469": "docs-2: document-level"},
    ),
    ("by pattern", [grants(SECRET | {"names": ["/docs-[0-9]/"]})], "docs-1", 20, {"MMC470": ""}),
    ("metadata", [grants({}), grants(SECRET | {"privileges": ["monitor"]})], "docs-1", 20, {}),
]


@pytest.mark.parametrize("who", USERS, ids=[user[0] for user in USERS])
def test_what_a_user_is_not_shown_is_told(
    secured: ElasticsearchNode,
    monkeypatch: pytest.MonkeyPatch,
    who: tuple[str, list[list[dict[str, Any]]], str, int, dict[str, str]],
) -> None:
    name, roles, index, rows, wanted = who
    user = name.replace(" ", "-")
    for number, role in enumerate(roles):
        secured.request("PUT", f"/_security/role/{user}-{number}", {"indices": role})
    body = {"password": "pass-word-2", "roles": [f"{user}-{n}" for n in range(len(roles))]}
    secured.request("PUT", f"/_security/user/{user}", body)
    monkeypatch.setenv("THE_SECRET", "pass-word-2")
    auth = {"username": user, "password": {"secret": "env:THE_SECRET"}}
    options = options_of(secured.url, index, auth=auth)
    found = ElasticsearchSource().inspect(options, (), Sample(100, 7)).collections
    assert sum(one.rows or 0 for one in found) == rows
    problems = {code: text for one in found for code, text in told(one).items()}
    assert problems.keys() == wanted.keys()
    for code, part in wanted.items():
        assert part in problems[code]
    assert not any("cannot be asked" in note for one in found for note in one.notes)


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ({}, set()),
        (TENANT, {"MMC469"}),
        (SECRET, {"MMC470"}),
        (None, set()),
    ],
)
def test_an_api_key_is_asked_for_its_own_privileges(
    secured: ElasticsearchNode,
    monkeypatch: pytest.MonkeyPatch,
    part: dict[str, Any] | None,
    wanted: set[str],
) -> None:
    roles = {} if part is None else {"role_descriptors": {"r": {"indices": grants(part)}}}
    key = secured.request("POST", "/_security/api_key", {"name": "k", **roles})
    found = looked_at(secured, monkeypatch, "docs-1", api_key=True, secret=key["encoded"])
    assert told(found).keys() == wanted
    unknown = [note for note in found.notes if "cannot be asked" in note]
    # One without privileges of its own has those of its owner, which it is told.
    assert len(unknown) == (part is not None)
    assert all("the owner of the API key" in note for note in unknown)


def test_what_the_owner_of_a_key_is_not_shown_is_told_where_it_can_be(
    secured: ElasticsearchNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = {"cluster": ["manage_own_api_key"], "indices": grants(TENANT | SECRET)}
    secured.request("PUT", "/_security/role/owner", role)
    secured.request("PUT", "/_security/user/owner", {"password": PASSWORD, "roles": ["owner"]})

    def key(roles: dict[str, Any]) -> str:
        headers = basic(PASSWORD, "owner")
        body = {"name": "k", "role_descriptors": roles}
        made = request(secured.url, "POST", "/_security/api_key", body, headers=headers)
        return str(made["encoded"])

    found = looked_at(secured, monkeypatch, "docs-1", api_key=True, secret=key({}))
    assert (found.rows, told(found).keys()) == (4, {"MMC469", "MMC470"})
    whole = key({"r": {"indices": grants({})}})
    found = looked_at(secured, monkeypatch, "docs-1", api_key=True, secret=whole)
    assert (found.rows, told(found).keys()) == (4, {"MMC469"})
    assert any("the owner of the API key may see less" in note for note in found.notes)


def test_a_node_without_security_hides_nothing(elasticsearch: ElasticsearchNode) -> None:
    name = make(elasticsearch, shards=1)
    fill(elasticsearch, name, numbered(3))
    options = options_of(elasticsearch.url, name)
    (found,) = ElasticsearchSource().inspect(options, (), Sample(10, 7)).collections
    assert (found.problems, found.notes) == ((), ())


ROOT = {"version": {"distribution": "opensearch", "number": "2.19.4"}}
HIDING = {"error": {"type": "security_exception", "reason": "Profiling is not supported"}}
UNALLOWED = {"status": "FORBIDDEN", "message": "No permission to access REST API"}
OFF = {"error": "no handler found for uri [/_plugins/_security/authinfo] and method [GET]"}


def role(**said: Any) -> tuple[int, Any]:
    part = {"index_patterns": ["*"], "dls": "", "fls": [], "masked_fields": [], **said}
    return 200, {"reader": {"index_permissions": [part]}}


@pytest.mark.parametrize(
    ("info", "roles", "profile", "codes", "note"),
    [
        ((400, OFF), None, None, set(), ""),
        ((200, {"roles": ["reader"]}), role(), None, set(), ""),
        ((200, {"roles": ["reader"]}), role(fls=["~k"]), None, {"MMC470": "role reader: ~k"}, ""),
        (
            (200, {"roles": ["reader"]}),
            role(masked_fields=["k"]),
            None,
            {"MMC470": "masked: k"},
            "",
        ),
        (
            (200, {"roles": ["reader"]}),
            role(fls=["~k"], index_patterns=["other"]),
            None,
            set(),
            "",
        ),
        ((200, {"roles": ["reader"]}), role(), (500, HIDING), {"MMC469": "document-level"}, ""),
        ((200, {"roles": ["reader"]}), (403, UNALLOWED), None, set(), "its roles reader"),
        ((403, UNALLOWED), None, None, set(), "status 403"),
        ((404, {}), None, None, set(), "status 404"),
    ],
)
def test_opensearch_is_asked_as_far_as_it_tells(
    elasticsearch: ElasticsearchNode,
    info: tuple[int, Any],
    roles: tuple[int, Any] | None,
    profile: tuple[int, Any] | None,
    codes: Any,
    note: str,
) -> None:
    name = make(elasticsearch, shards=1)
    fill(elasticsearch, name, numbered(5))

    def spoil(path: str, asked: bytes, answer: bytes) -> bytes | tuple[int, bytes]:
        told = answer
        if path == "/":
            return 200, json.dumps(ROOT).encode()
        if path.endswith("/authinfo"):
            return info[0], json.dumps(info[1]).encode()
        if path.endswith("/roles/reader") and roles:
            return roles[0], json.dumps(roles[1]).encode()
        if b'"profile"' in asked and profile:
            return profile[0], json.dumps(profile[1]).encode()
        return told

    with tampering(elasticsearch.url, spoil, product=False) as url:
        options = options_of(url, name)
        (found,) = ElasticsearchSource().inspect(options, (), Sample(10, 7)).collections
    assert told(found).keys() == set(codes)
    for code in codes:
        assert codes[code] in told(found)[code]
    notes = [text for text in found.notes if "cannot be asked" in text]
    assert len(notes) == bool(note) and all(note in text for text in notes)


def test_privileges_that_cannot_be_asked_for_now_are_asked_again(
    elasticsearch: ElasticsearchNode,
) -> None:
    name = make(elasticsearch, shards=1)

    def spoil(path: str, asked: bytes, answer: bytes) -> bytes | tuple[int, bytes]:
        return (503, b"") if "_security" in path else answer

    with tampering(elasticsearch.url, spoil) as url, pytest.raises(SourceBusy) as raised:
        ElasticsearchSource().inspect(options_of(url, name), (), Sample(10, 7))
    assert raised.value.code == "MMC450"
