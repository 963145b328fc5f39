"""Sparse vectors of a page: objects of token and weight into one map column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmc.documents.arrays import Misfit, array_of
from mmc.sources.elasticsearch.decoding.builders import NUMBER, one_of
from mmc.sources.elasticsearch.decoding.documents import NUMBERS, plain
from mmc.sources.elasticsearch.decoding.tokens import LARGEST, TokenTable, is_text

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,9}")
"""One form only: `7` and `07` are two tokens, and may not become one dimension."""


def sparse(cells: list[Any], tokens: TokenTable | None) -> tuple[pa.Array, list[Misfit]]:
    """map<uint32, float>, indices ascending; null where a document has none, or none that fits.

    Args:
        tokens: what numbers them; None: the tokens are numbers, in decimal digits.
    """
    return array_of(cells, _Sparse(tokens))


@dataclass(frozen=True, slots=True)
class _Sparse:
    """Objects of token and weight."""

    tokens: TokenTable | None
    type = pa.map_(pa.uint32(), pa.float32())

    def at_once(self, values: Sequence[Any]) -> pa.Array | None:
        objects = list(map(plain, values))
        if not set(map(type, objects)) <= {dict, type(None)}:
            return None
        absent = pa.array([members is None for members in objects])
        objects = [members or {} for members in objects]
        pairs = _pairs(objects, self.tokens)
        if pairs is None:
            return None
        offsets = np.zeros(len(objects) + 1, np.int32)
        np.cumsum([len(members) for members in objects], out=offsets[1:])
        keys, weights = map(pa.array, pairs)
        return pa.MapArray.from_arrays(
            pa.array(offsets), keys, weights, type=self.type, mask=absent
        )

    def one(self, value: Any) -> list[tuple[int, float]] | None:
        try:
            members = one_of(plain(value))
        except ValueError:
            raise ValueError("several sparse vectors in one document") from None
        if members is None:
            return None
        if not isinstance(members, dict):
            raise ValueError("no object of token and weight")
        pairs = _pairs([members], self.tokens)
        if pairs is None:
            members = _as_indexed(members)
            pairs = _pairs([members], self.tokens)
        if pairs is None:
            raise ValueError(_reason(members, self.tokens))
        indices, weights = pairs
        return list(zip(indices.tolist(), weights.tolist(), strict=True))


def _as_indexed(members: dict[str, Any]) -> dict[str, Any]:
    """As Elasticsearch takes them: a weight may be written as text, and null is none."""
    return {
        token: float(weight) if isinstance(weight, str) and NUMBER.fullmatch(weight) else weight
        for token, weight in members.items()
        if weight is not None
    }


def _pairs(
    objects: list[dict[str, Any]], tokens: TokenTable | None
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]] | None:
    """Indices and weights of all the objects in order; None where any does not fit."""
    given = list(chain.from_iterable(members.values() for members in objects))
    if not set(map(type, given)) <= NUMBERS:
        return None
    try:
        numbers = np.array(_numbers(chain.from_iterable(objects), tokens), np.int64)
        weights = np.array(given, np.float64)
    except (TypeError, OverflowError):
        return None
    with np.errstate(over="ignore"):
        narrow = weights.astype(np.float32)
    rows = np.repeat(np.arange(len(objects)), [len(members) for members in objects])
    order = np.lexsort((numbers, rows))
    numbers = numbers[order]
    outside = (numbers < 0) | (numbers > LARGEST)
    if outside.any() or not np.isfinite(narrow).all():
        return None
    return numbers.astype(np.uint32), narrow[order]


def is_dimension(token: str) -> bool:
    """Whether a token is itself the number of a dimension."""
    return _DECIMAL.fullmatch(token) is not None and int(token) <= LARGEST


def _numbers(names: Iterable[str], tokens: TokenTable | None) -> list[int | None]:
    if tokens is not None:
        return list(map(tokens.numbers.get, names))
    return [int(name) if _DECIMAL.fullmatch(name) else None for name in names]


def _reason(members: dict[str, Any], tokens: TokenTable | None) -> str:
    found = _numbers(members, tokens)
    if any(number is None or not 0 <= number <= LARGEST for number in found):
        if not all(map(is_text, members)):
            return "a token with half a character (a lone surrogate)"
        if tokens is None:
            return "a token that is no number of a dimension"
        command = f"mmc tokens SPEC -o {tokens.path}"
        return f"a token that {tokens.path} does not number: `{command}` adds it"
    return "a weight that is no number, or that a float cannot hold"
