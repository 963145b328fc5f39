"""Dense vectors of a page: lists of numbers straight into one array, no Python per number."""

from __future__ import annotations

import base64
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import simdjson

from mmc.documents.arrays import Misfit, vectors_of
from mmc.sources.elasticsearch.decoding.documents import NUMBERS, Several
from mmc.sources.elasticsearch.mapping.column import Column, Kind

_Made: TypeAlias = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], list[Misfit]]
"""Vectors, a row each; which rows have none; those that are no vectors."""
_TOO_LARGE = "a vector with a number that a float cannot hold"

VECTORS = frozenset({Kind.VECTOR, Kind.BYTE_VECTOR, Kind.BIT_VECTOR})


def vectors(column: Column, listed: list[Any]) -> tuple[pa.Array, list[Misfit]]:
    """One array of fixed width; null where a document has none, and where it has no such vector."""
    if column.kind is Kind.VECTOR:
        made, absent, misfits = _floats(listed, column.dim)
    else:
        made, absent, misfits = _bytes(column, listed)
    if column.kind is Kind.BIT_VECTOR:
        data = [None if gone else one.tobytes() for one, gone in zip(made, absent, strict=True)]
        return pa.array(data, pa.binary(made.shape[1])), misfits
    return vectors_of(made, absent), misfits


def _floats(listed: list[Any], width: int) -> _Made:
    """All vectors at once: what numpy costs a call is more than what one vector costs."""
    absent = np.zeros(len(listed), np.bool_)
    misfits = []
    nothing = bytes(8 * width)
    doubles: list[Any] = []
    for row, value in enumerate(listed):
        buffer = _buffer(value, width)
        if buffer is None:
            buffer, absent[row] = nothing, True
            if value is not None:
                try:
                    buffer = _numbers(Kind.VECTOR, value, width).astype(np.float64).tobytes()
                    absent[row] = False
                except ValueError as error:
                    misfits.append(Misfit(row, str(error), value))
        doubles.append(buffer)
    wide = np.frombuffer(b"".join(doubles), np.float64).reshape(len(listed), width)
    with np.errstate(over="ignore"):
        made = wide.astype(np.float32)
    for row in np.flatnonzero(~np.isfinite(made).all(axis=1)).tolist():
        made[row], absent[row] = 0, True
        misfits.append(Misfit(row, _TOO_LARGE, listed[row]))
    return made, absent, sorted(misfits, key=lambda misfit: misfit.row)


def _buffer(value: Any, width: int) -> Any:
    """The doubles of a plain list of as many numbers; None for all else, which is looked at
    closer.
    """
    if type(value) is not simdjson.Array or len(value) != width or not width:
        return None
    if isinstance(value[0], simdjson.Array):
        return None
    try:
        buffer = value.as_buffer(of_type="d")
    except (TypeError, OverflowError):
        return None
    return buffer if memoryview(buffer).nbytes == 8 * width else None


def _bytes(column: Column, listed: list[Any]) -> _Made:
    width = column.dim // 8 if column.kind is Kind.BIT_VECTOR else column.dim
    made = np.zeros((len(listed), width), np.int8)
    absent = np.zeros(len(listed), np.bool_)
    misfits = []
    for row, value in enumerate(listed):
        if value is None:
            absent[row] = True
            continue
        try:
            made[row] = _numbers(column.kind, value, width)
        except ValueError as error:
            absent[row] = True
            misfits.append(Misfit(row, str(error), value))
    return made, absent, misfits


def _numbers(kind: Kind, value: Any, width: int) -> np.ndarray[Any, Any]:
    """Raises ValueError with the reason."""
    if isinstance(value, Several):
        raise ValueError("several vectors in one document")
    if isinstance(value, str):
        return _text(kind, value, width)
    if not isinstance(value, (simdjson.Array, list)):
        raise ValueError("no vector")
    if len(value) != width:
        raise ValueError(f"a vector of another length than {width}")
    try:
        if isinstance(value, list):
            if any(isinstance(item, list) for item in value):
                raise ValueError("a vector with a list inside")
            if not {type(item) for item in value} <= NUMBERS:
                raise ValueError("a vector with what is no number")
            numbers = np.array(value, np.float64)
        elif len(value) and isinstance(value[0], simdjson.Array):
            raise ValueError("a vector with a list inside")
        else:
            numbers = np.frombuffer(value.as_buffer(of_type="d"), np.float64)
    except TypeError:
        raise ValueError("a vector with what is no number") from None
    except OverflowError:
        raise ValueError("a vector with a number that is too large") from None
    if len(numbers) != width:
        raise ValueError("a vector with a list inside")
    if kind is Kind.VECTOR:
        with np.errstate(over="ignore"):
            narrow = numbers.astype(np.float32)
        if not np.isfinite(narrow).all():
            raise ValueError(_TOO_LARGE)
        return narrow
    bytes_ = (
        numbers.astype(np.int8, casting="unsafe") if np.abs(numbers).max(initial=0) <= 128 else None
    )
    if bytes_ is None or (bytes_ != numbers).any():
        raise ValueError("a vector with a number that a byte cannot hold")
    return bytes_


def _text(kind: Kind, value: str, width: int) -> np.ndarray[Any, Any]:
    """Bytes in hex; floats as base64 of big-endian numbers, which Elasticsearch 9 takes too."""
    try:
        if kind is Kind.VECTOR:
            data = base64.b64decode(value, validate=True)
            made = np.frombuffer(data, ">f4").astype(np.float32)
        else:
            made = np.frombuffer(bytes.fromhex(value), np.int8)
    except ValueError:
        raise ValueError("a text that is no vector") from None
    if len(made) != width or not np.isfinite(made).all():
        raise ValueError(f"a vector of another length than {width}")
    return made
