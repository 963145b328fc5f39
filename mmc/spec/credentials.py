"""Rendered data -> findings about secrets that are written out, where a reference belongs.

Looks at the endpoints and `vars` by key names, so that it does not depend on a model; findings
never quote a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmc.spec.document import Path, show
from mmc.spec.patterns import SECRET_KEY, SECRET_REF, URL_CREDENTIALS
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
            if (
                SECRET_KEY.fullmatch(name)
                and isinstance(item, (str, int, float))
                and not isinstance(item, bool)
            ):
                yield _plain(place, item)
            else:
                yield from _walk(item, place, rendered)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _walk(item, (*path, i), rendered)
    elif isinstance(value, str) and URL_CREDENTIALS.search(value):
        yield Finding(
            "MMC222",
            f"`{show(path)}` has credentials inside a URL",
            path,
            "take them out of the URL; write a key such as token: {secret: env:NAME}",
            secret=True,
            culprit=path,
        )


def _plain(path: Path, value: JsonValue) -> Finding:
    name = path[-1]
    reference = (
        value if isinstance(value, str) and re.fullmatch(r"env:\w{1,60}", value) else "env:NAME"
    )
    return Finding(
        "MMC220",
        f"`{show(path)}` holds a secret as plain text",
        path,
        f"write {name}: {{secret: {reference}}}, and keep the secret in the environment",
        secret=True,
        culprit=path,
    )


def _reference(value: JsonValue, path: Path, rendered: Rendered) -> Iterator[Finding]:
    place = (*path, "secret")
    if place in rendered.from_env:
        yield Finding(
            "MMC223",
            f"`{show(place)}` is made of an environment variable's value",
            place,
            "name the variable instead: {secret: env:NAME}",
            secret=True,
            culprit=path,
        )
    elif place not in rendered.broken and not (
        isinstance(value, str) and SECRET_REF.fullmatch(value)
    ):
        yield Finding(
            "MMC221",
            f"`{show(place)}` is not a reference to a secret",
            place,
            "write env:NAME or file:/path; the secret itself never stands in a spec",
            secret=True,
            culprit=path,
        )
