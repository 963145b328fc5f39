"""Kernels whose target is an array: from lists, and from the JSON text of a list."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import orjson
import pyarrow as pa

from mmc.arrow.schema import canonical_type
from mmc.transform.kernels.faults import (
    NOT_READABLE,
    NULL_ELEMENT,
    OVER_CAPACITY,
    Casted,
    Fault,
    fault,
    present,
)
from mmc.transform.kernels.rows import lists_of
from mmc.types import FLOATS, INTEGERS, FieldType, TypeKind


def array_of(array: pa.Array, target: FieldType, cast: Callable[[pa.Array], Casted]) -> Casted:
    """A list column whose elements go through `cast`."""
    lists = lists_of(array)
    elements = cast(lists.child)
    faults: tuple[Fault, ...] = ()
    if lists.child.null_count:
        holes = lists.row_of(np.flatnonzero(~present(lists.child)))
        faults += (Fault(holes, NULL_ELEMENT, "a null element"),) if len(holes) else ()
    over = lists.present & (lists.lengths > (target.capacity or 0))
    faults += fault(over, OVER_CAPACITY, f"more than {target.capacity} elements")
    faults += lists.lift(elements.faults)
    offsets = pa.array(lists.offsets, pa.int32())
    nulls = None if lists.present.all() else pa.array(~lists.present)
    values = pa.ListArray.from_arrays(offsets, elements.values, mask=nulls)
    return Casted(values.cast(canonical_type(target)), faults)


def parse_array(array: pa.Array, target: FieldType, cast: Callable[[pa.Array], Casted]) -> Casted:
    """JSON text of a list; texts are read one by one, as JSON has no columns."""
    unreadable = np.zeros(len(array), dtype=np.bool_)
    rows: list[list[object] | None] = []
    for row, text in enumerate(array.to_pylist()):
        found = None if text is None else _read(text, target)
        unreadable[row] = text is not None and found is None
        rows.append([] if unreadable[row] else found)
    parsed = pa.array(rows, pa.list_(_READ_AS[_group(target)]))
    built = array_of(parsed, target, cast)
    what = f"not the JSON of a list of {target.element}"
    return Casted(built.values, fault(unreadable, NOT_READABLE, what) + built.faults)


_KINDS: dict[str, set[type]] = {
    "integer": {int},
    "float": {int, float},
    "text": {str},
    "bool": {bool},
}
_READ_AS = {
    "integer": pa.int64(),
    "float": pa.float64(),
    "text": pa.string(),
    "bool": pa.bool_(),
}


def element_type(target: FieldType) -> pa.DataType:
    """The type in which elements of JSON text are read, before the cast of the elements."""
    return _READ_AS[_group(target)]


def _group(target: FieldType) -> str:
    assert target.element is not None
    kind = target.element.kind
    if kind in INTEGERS:
        return "integer"
    if kind in FLOATS:
        return "float"
    return "bool" if kind is TypeKind.BOOL else "text"


def _read(text: str, target: FieldType) -> list[object] | None:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    group = _group(target)
    if type(found) is not list or not set(map(type, found)) <= _KINDS[group] | {type(None)}:
        return None
    if group == "integer" and any(
        item is not None and not -(2**63) <= item < 2**63 for item in found
    ):
        return None
    if group == "float":
        return [None if item is None else float(item) for item in found]
    return found
