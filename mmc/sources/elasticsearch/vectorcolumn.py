"""Dense vectors of a page: lists of numbers straight into one array, no Python per number."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pyarrow as pa
import simdjson

from mmc.sources.elasticsearch.builders import Misfit
from mmc.sources.elasticsearch.column import Column, Kind
from mmc.sources.elasticsearch.documents import NUMBERS, Several

VECTORS = frozenset({Kind.VECTOR, Kind.BYTE_VECTOR, Kind.BIT_VECTOR})


def vectors(column: Column, listed: list[Any]) -> tuple[pa.Array, list[Misfit]]:
    """One array of fixed width; null where a document has none, and where it has no such vector."""
    width = column.dim // 8 if column.kind is Kind.BIT_VECTOR else column.dim
    dtype = np.float32 if column.kind is Kind.VECTOR else np.int8
    made = np.zeros((len(listed), width), dtype)
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
    mask = pa.array(absent) if absent.any() else None
    if column.kind is Kind.BIT_VECTOR:
        data = [None if gone else one.tobytes() for one, gone in zip(made, absent, strict=True)]
        return pa.array(data, pa.binary(width)), misfits
    flat = pa.array(made.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, width, mask=mask), misfits


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
            raise ValueError("a vector with a number that a float cannot hold")
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
