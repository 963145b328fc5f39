"""The dynamic field: source columns that have no field of their own, as one JSON object a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mmc.plan.mapping import RestColumn
from mmc.transform.kernels.faults import NOT_JSON, Casted, Fault, fault
from mmc.transform.kernels.jsontext import braces, fragments, key_text, not_json
from mmc.types import DYNAMIC_FIELD, UNMAPPED


class Rest:
    """Compiled rest columns. Nulls are left out of the object.

    A JSON column that is itself named `$meta` (a dynamic field that was exported) gives its
    members, not itself; so does `$unmapped` (what no column of the source takes).

    Args:
        fields: names of the collection's fields; a member of that name would be lost in a target.
        dropped: names in `$unmapped` that are left out.
    """

    def __init__(
        self,
        columns: Sequence[RestColumn],
        fields: Iterable[str] = (),
        dropped: Sequence[str] = (),
    ) -> None:
        self._fields = frozenset(fields) | {DYNAMIC_FIELD}
        whole = (DYNAMIC_FIELD, UNMAPPED)
        self._objects = [c for c in columns if c.source in whole and c.json_text]
        self._columns = [column for column in columns if column not in self._objects]
        self._dropped = dropped

    def __call__(self, source: Callable[[str], pa.Array], rows: int) -> Casted:
        """The column `$meta`; `source` gives a column by name."""
        pieces: list[pa.Array] = []
        faults: tuple[Fault, ...] = ()
        for column in self._objects:
            text = source(column.source).cast(pa.string())
            if column.source == UNMAPPED and self._dropped:
                text = _without(text, self._dropped)
            faults += self._refused(column.source, text)
            pieces.append(_inside(text))
        for column in self._columns:
            array = source(column.source)
            if column.json_text:
                text, found = array.cast(pa.string()), not_json(array)
            else:
                text, found = fragments(array)
            faults += found
            pieces.append(pc.binary_join_element_wise(key_text(column.source), text, ""))
        if not pieces:
            return Casted(pa.array(["{}"]).take(pa.array(np.zeros(rows, dtype=np.int64))))
        return Casted(braces(_joined(pieces)), faults)

    def _refused(self, name: str, text: pa.Array) -> tuple[Fault, ...]:
        """Rows whose `$meta` or `$unmapped` is no JSON object, or has a key that is also a column
        or a field; read one by one.
        """
        names = self._fields | {column.source for column in self._columns}
        wrong, clash = np.zeros(len(text), np.bool_), np.zeros(len(text), np.bool_)
        for row, document in enumerate(text.to_pylist()):
            if document is None:
                continue
            try:
                found = orjson.loads(document)
            except orjson.JSONDecodeError:
                wrong[row] = True
            else:
                wrong[row] = type(found) is not dict
                clash[row] = type(found) is dict and not names.isdisjoint(found)
        refused = fault(wrong, NOT_JSON, f"{name} is not a JSON object")
        return refused + fault(clash, NOT_JSON, f"a key of {name} is also a column or a field")


def is_dropped(name: str, dropped: Sequence[str]) -> bool:
    """Whether a name is one of those that are dropped, or stands below one."""
    return any(name == one or name.startswith(f"{one}.") for one in dropped)


def _without(text: pa.Array, dropped: Sequence[str]) -> pa.Array:
    """Objects without these members. Other members keep every digit that they have."""
    made = []
    for document in text.to_pylist():
        members = json.loads(document) if document is not None else {}
        kept = {name: it for name, it in members.items() if not is_dropped(name, dropped)}
        made.append(json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else None)
    return pa.array(made, pa.string())


def _joined(pieces: Sequence[pa.Array]) -> pa.Array:
    """The pieces of each row that are not null, with commas between.

    Arrow's own `null_handling="skip"` leaves out the whole row when all its pieces are null.
    """
    led = [pc.binary_join_element_wise(",", piece, "") for piece in pieces]
    text = pc.binary_join_element_wise(*led, "", null_handling="replace", null_replacement="")
    return pc.utf8_slice_codeunits(text, 1)


def _inside(text: pa.Array) -> pa.Array:
    """What is between the braces of each object; null where that is nothing."""
    cut = pc.utf8_slice_codeunits(pc.utf8_trim(text, " \t\r\n"), 1, -1)
    return pc.if_else(pc.equal(pc.utf8_trim(cut, " \t\r\n"), ""), pa.scalar(None, pa.string()), cut)
