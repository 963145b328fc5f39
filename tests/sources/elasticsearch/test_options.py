"""What a spec leaves out, the ways to say the same, and what is wrong with options together."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.sources.elasticsearch.indexed import options_of

PASSWORD = {"secret": "env:P"}


def test_an_address_alone_has_the_defaults() -> None:
    options = options_of("http://a:9200")
    assert options.urls == ("http://a:9200",)
    assert (options.indices, options.earlier_plans, options.query) == ((), (), {})
    assert (options.read.method, options.read.concurrency) == ("auto", 4)
    assert options.read.requests_per_second is None
    assert options.tls.verify
    assert list(options.problems()) == []


@pytest.mark.parametrize(
    ("said", "names"),
    [("", ()), ("a", ("a",)), ([], ()), (["b", "a", "b", ""], ("b", "a"))],
)
def test_one_or_several(said: str | list[str], names: tuple[str, ...]) -> None:
    options = options_of(said, said, after=said)
    assert options.urls == options.indices == options.earlier_plans == names


@pytest.mark.parametrize(
    ("said", "code", "path", "told"),
    [
        ({}, "MMC450", (), "needs an address"),
        ({"url": []}, "MMC450", (), "needs an address"),
        ({"url": "http://a", "cloud_id": "docs:x"}, "MMC450", ("cloud_id",), "not both"),
        (
            {"url": "http://a", "auth": {"username": "u", "password": PASSWORD, "token": PASSWORD}},
            "MMC451",
            ("auth",),
            "`{place}` has username and token: there is one way to sign in",
        ),
        (
            {"cloud_id": "docs:x", "auth": {"api_key": PASSWORD, "token": PASSWORD}},
            "MMC451",
            ("auth",),
            "has api_key and token",
        ),
    ],
)
def test_what_does_not_go_together(
    said: dict[str, Any], code: str, path: tuple[str, ...], told: str
) -> None:
    (found,) = options_of(**said).problems()
    assert (found.code, found.path, told in found.message) == (code, path, True)
    assert found.hint


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"url": 9200}, "url"),
        ({"query": "lang:en"}, "query"),
        ({"auth": {"password": "plain"}}, "auth.password"),
        ({"read": {"method": "slices"}}, "read.method"),
        ({"read": {"page_bytes": 4096}}, "read.page_bytes"),
        ({"read": {"concurrency": 0}}, "read.concurrency"),
        ({"read": {"requests_per_second": 0}}, "read.requests_per_second"),
        ({"timeout": 0}, "timeout"),
        ({"tls": {"cert": "x"}}, "tls.cert"),
    ],
)
def test_what_fits_no_option(said: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as raised:
        options_of(**{"url": "http://a", **said})
    assert any(".".join(map(str, one["loc"])).startswith(place) for one in raised.value.errors())
