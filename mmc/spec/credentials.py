"""Rendered data -> findings about secrets that are written out, where a reference belongs.

Looks at the endpoints and `vars` by key names, so that it does not depend on a model; findings
never quote a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmc.spec.document import Path, show
from mmc.spec.patterns import (
    PRIVATE_KEY,
    SECRET_HEADER,
    SECRET_KEY,
    SECRET_REF,
    STORAGE_CREDENTIALS,
    URL_CREDENTIALS,
    URL_USER,
)
from mmc.spec.structure import Finding
from mmc.spec.template import Rendered
from mmc.types import JsonValue


def check(rendered: Rendered) -> Iterator[Finding]:
    """Every secret that stands, or would be rendered, into plain text."""
    data = rendered.data if isinstance(rendered.data, dict) else {}
    for part in ("vars", "source", "target", "load"):
        if part in data:
            yield from _walk(data[part], (part,), rendered)


def _walk(value: JsonValue, path: Path, rendered: Rendered) -> Iterator[Finding]:
    if isinstance(value, dict):
        # `storage: {secret: ...}` is the option named secret of a file system, not a reference
        if list(value) == ["secret"] and path[-1] != "storage" and len(path) > 1:
            yield from _reference(value["secret"], path, rendered)
            return
        for name, item in value.items():
            place = (*path, name)
            if _names_secret(name, path) and _is_plain(item):
                yield _plain(place, name, item)
            else:
                yield from _walk(item, place, rendered)
    elif isinstance(value, list):
        first = value[0] if len(value) == 2 else None
        if isinstance(first, str) and _names_secret(first, path) and _is_plain(value[1]):
            # `headers: [[Cookie, abc]]`: a pair, in a list of them
            yield _plain((*path, 1), "", value[1])
            return
        for i, item in enumerate(value):
            yield from _walk(item, (*path, i), rendered)
    elif isinstance(value, str):
        yield from _text(value, path)


def _names_secret(name: str, path: Path) -> bool:
    return bool(SECRET_KEY.fullmatch(name) or ("storage" in path and SECRET_HEADER.fullmatch(name)))


def _is_plain(value: JsonValue) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _text(value: str, path: Path) -> Iterator[Finding]:
    """A text under a key that names no secret."""
    if PRIVATE_KEY.search(value):
        yield _plain(path, str(path[-1]), value)
        return
    in_storage = "storage" in path
    # Elasticsearch's `url: https://reader@host` has a name that is no secret.
    user = path[:2] != ("source", "url") and URL_USER.search(value)
    if user or URL_CREDENTIALS.search(value):
        hint = "take them out of the URL; write a key such as token: {secret: env:NAME}"
    elif in_storage and STORAGE_CREDENTIALS.search(value):
        hint = "take them out; write sas_token: {secret: env:NAME}, or the key of its own"
        if "?" not in value:
            hint = "write {secret: env:NAME} in the place of the text"
    else:
        return
    where = "among its text" if in_storage and "://" not in value else "inside a URL"
    yield Finding(
        "MMC222",
        f"`{show(path)}` has credentials {where}",
        path=path,
        hint=hint,
        secret=True,
        culprit=path,
    )


def _plain(path: Path, name: str, value: JsonValue) -> Finding:
    """`name`: of the key, "" for an item of a list."""
    reference = (
        value if isinstance(value, str) and re.fullmatch(r"env:\w{1,60}", value) else "env:NAME"
    )
    key = f"{name}: " if name else ""
    return Finding(
        "MMC220",
        f"`{show(path)}` holds a secret as plain text",
        path=path,
        hint=f"write {key}{{secret: {reference}}}, and keep the secret in the environment",
        secret=True,
        culprit=path,
    )


def _reference(value: JsonValue, path: Path, rendered: Rendered) -> Iterator[Finding]:
    place = (*path, "secret")
    if place in rendered.from_env:
        yield Finding(
            "MMC223",
            f"`{show(place)}` is made of an environment variable's value",
            path=place,
            hint="name the variable instead: {secret: env:NAME}",
            secret=True,
            culprit=path,
        )
    elif place not in rendered.broken and not (
        isinstance(value, str) and SECRET_REF.fullmatch(value)
    ):
        yield Finding(
            "MMC221",
            f"`{show(place)}` is not a reference to a secret",
            path=place,
            hint="write env:NAME or file:/path; the secret itself never stands in a spec",
            secret=True,
            culprit=path,
        )
