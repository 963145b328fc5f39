"""The table that numbers the tokens of sparse vectors: Milvus knows dimensions by number only.

Kept beside the spec, since a query's tokens need the same numbers: the vocabulary of the model, for
one.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from mmc.errors import SourceError


def read_tokens(path: str) -> Mapping[str, int] | None:
    """The table at `path`, a JSON object of token -> number below 2^32 - 1; None for no path.

    Raises:
        SourceError: it cannot be read, or is no such table (MMC463).
    """
    if not path:
        return None
    from mmc.io.urls import open_blob

    with open_blob(path, {}) as blob:
        text = blob.read_at(0, blob.size)
    try:
        table = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _refused(path, f"is not JSON: {error}") from None
    if not isinstance(table, dict) or not all(
        type(number) is int and 0 <= number < 2**32 - 1 for number in table.values()
    ):
        raise _refused(path, "is no object of token -> number")
    if len(set(table.values())) != len(table):
        raise _refused(path, "gives two tokens the same number")
    return table


def _refused(path: str, what: str) -> SourceError:
    return SourceError(
        f"source.tokens: {path} {what}", hint='such as {"berlin": 0, "river": 1}', code="MMC463"
    )
