"""The data of the smallest spec: targets, settings, texts that look like templates."""

from __future__ import annotations

from typing import Any

import pytest

from mmc.errors import SpecInvalid
from mmc.init.minimal import checked, literal, minimal
from mmc.registry import MODELS


def made(*settings: tuple[str, str], target: str = "./a.db") -> Any:
    return minimal("elasticsearch", {"url": "http://es"}, target, MODELS, settings)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("./a.db", {"type": "milvus", "uri": "./a.db"}),
        ("http://host:19530", {"type": "milvus", "uri": "http://host:19530"}),
        ("out/", {"type": "files", "url": "out/"}),
        ("s3://bucket/out", {"type": "files", "url": "s3://bucket/out"}),
    ],
)
def test_target(target: str, said: dict[str, str]) -> None:
    assert made(target=target)["target"] == said


@pytest.mark.parametrize(
    ("key", "text", "place", "value"),
    [
        ("source.auth.api_key", "env:K", ("source", "auth", "api_key"), {"secret": "env:K"}),
        ("target.token", "file:/t", ("target", "token"), {"secret": "file:/t"}),
        ("source.tls.verify", "false", ("source", "tls", "verify"), False),
        ("sample.rows", "100", ("sample", "rows"), 100),
        ("source.flatten", '["a", "b"]', ("source", "flatten"), ["a", "b"]),
        ("source.url", "http://other=1", ("source", "url"), "http://other=1"),
        ("source.index", "[torn", ("source", "index"), "[torn"),
        ("name", ".inf", ("name",), ".inf"),
    ],
)
def test_settings(key: str, text: str, place: tuple[str, ...], value: Any) -> None:
    found = made((key, text))
    for part in place:
        found = found[part]
    assert found == value


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("version", "init writes it"),
        ("collections.0.to", "init writes it"),
        ("source", "write the key"),
        ("source..x", "write the key"),
        ("source.url.host", "`url` has a value of its own"),
    ],
)
def test_keys_that_are_none(key: str, hint: str) -> None:
    with pytest.raises(SpecInvalid) as raised:
        made((key, "x"))
    (found,) = raised.value.diagnostics
    assert found.code == "MMC201" and hint in found.hint and key in found.message


def test_a_plain_secret_is_refused_and_not_repeated() -> None:
    with pytest.raises(SpecInvalid) as raised:
        checked(made(("source.auth.password", "hunter22")), MODELS)
    (found,) = raised.value.diagnostics
    assert found.code == "MMC220" and found.span is None
    assert "hunter22" not in f"{found}"


def test_a_text_with_braces_stands_for_itself() -> None:
    for text in ("a{{ x }}b", "{% if %}", '{#"', "{{ '\\' }}", "plain"):
        spec = checked(
            {
                "version": 1,
                "source": {"type": "faiss", "path": literal(text)},
                "target": {"type": "files", "url": "out"},
            },
            MODELS,
        )
        assert spec.source.options["path"] == text
