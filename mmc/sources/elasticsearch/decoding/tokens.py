"""The table that numbers the tokens of sparse vectors: Milvus knows dimensions by number only.

Kept beside the spec, since a query's tokens need the same numbers: the vocabulary of the model, or
what `mmc tokens` makes of the documents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from mmc.errors import SourceChanged, SourceError

LARGEST = 2**32 - 2
"""The largest dimension of a sparse vector in Milvus."""
MAKES_A_TABLE = (
    "`mmc tokens SPEC -o tokens.json` numbers its tokens, `source.tokens: tokens.json` makes it a"
    " sparse vector, unless the spec gives it a type"
)


@dataclass(frozen=True, slots=True)
class TokenTable:
    """Token -> number of a dimension, each number once.

    Attributes:
        path: as the spec says it.
        digest: `sha256:` and the hex of the file's; "" of what is no file.
    """

    path: str
    numbers: Mapping[str, int]
    digest: str = ""

    def extended(self, tokens: Iterable[str]) -> TokenTable:
        """With numbers for those it does not have, in their order, from above its highest on:
        what a token had is never given to another, even where the token was taken out.

        Raises:
            SourceError: there are more than dimensions (MMC463).
        """
        first = max(self.numbers.values(), default=-1) + 1
        new = sorted(token for token in set(tokens) if token not in self.numbers)
        if first + len(new) > LARGEST + 1:
            raise _refused(self.path, f"has no numbers left for {len(new):,} new tokens")
        given = dict(zip(new, range(first, first + len(new)), strict=True))
        return TokenTable(self.path, {**self.numbers, **given})


def read_tokens(path: str) -> TokenTable | None:
    """The table at `path`, a JSON object of token -> number below 2^32 - 1; None for no path.

    Raises:
        SourceError: it cannot be read, or is no such table (MMC463).
    """
    if not path:
        return None
    from mmc.storage.urls import open_blob

    try:
        with open_blob(path, {}) as blob:
            text = blob.read_at(0, blob.size)
    except SourceError as error:
        raise SourceError(
            f"source.tokens: {error}", hint="`mmc tokens SPEC -o FILE` makes it", code=error.code
        ) from None
    try:
        table = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _refused(path, f"is not JSON: {error}") from None
    if not isinstance(table, dict) or not all(
        type(number) is int and 0 <= number <= LARGEST for number in table.values()
    ):
        raise _refused(path, "is no object of token -> number")
    if len(set(table.values())) != len(table):
        raise _refused(path, "gives two tokens the same number")
    return TokenTable(path, table, f"sha256:{hashlib.sha256(text).hexdigest()}")


def known_tokens(path: str) -> TokenTable:
    """As `read_tokens`; an empty table where there is no file."""
    from mmc.storage.urls import exists

    return (read_tokens(path) if exists(path) else None) or TokenTable(path, {})


def write_tokens(table: TokenTable) -> None:
    """A token a line, by number: new ones come last, so that a diff shows them and nothing else.

    Raises:
        TargetError: it cannot be written; then what was there still is.
    """
    from mmc.storage.atomic import open_atomic

    ordered = sorted(table.numbers.items(), key=lambda pair: pair[1])
    lines = [f" {json.dumps(token, ensure_ascii=False)}: {number}" for token, number in ordered]
    with open_atomic(table.path) as file:
        file.write(("{\n" + ",\n".join(lines) + "\n}\n").encode())
        file.commit()


def is_text(token: str) -> bool:
    """Not half a character (a lone surrogate), which Elasticsearch takes and no file can hold."""
    try:
        token.encode()
    except UnicodeEncodeError:
        return False
    return True


def ensure_planned(table: TokenTable | None, digest: str) -> None:
    """Numbers of the one table mean nothing in another.

    Args:
        digest: of the table when the plan was made; "" where there was none.

    Raises:
        SourceChanged: it is another one by now (MMC463).
    """
    if digest != (table.digest if table else ""):
        path = table.path if table else ""
        raise SourceChanged(
            f"token table {path} is not the one of the plan", hint="plan again", code="MMC463"
        )


def _refused(path: str, what: str) -> SourceError:
    return SourceError(
        f"token table {path} {what}", hint='such as {"berlin": 0, "river": 1}', code="MMC463"
    )
