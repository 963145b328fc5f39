"""A mapping as columns: the value that `mapping` makes of one index and `merging` of several."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from mmc.diagnostics import Diagnostic
from mmc.sources.elasticsearch.mapping.column import Column
from mmc.types import Index


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedField:
    """One field that has values in `_source`.

    Attributes:
        es_type: as the mapping names it; of several indices that differ, joined by ", ".
        vector: Milvus type text, such as `binary_vector(64)`, or "".
        note: one line for the plan, or "".
        copied: a target of `copy_to`, which does not write `_source`: documents have values only
            where they were sent with some. `without_copies` takes those out that a sample shows
            to have none.
    """

    column: Column
    es_type: str
    vector: str = ""
    index: Index | None = None
    note: str = ""
    copied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Columns of an index in the order of its mapping.

    Attributes:
        notes: lines for the plan: what is left out, and why.
        opened: paths of the objects whose members are columns.
        objects: paths of all objects that `flatten` may name.
    """

    fields: tuple[MappedField, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    opened: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    def without_copies(self, seen: Collection[str]) -> Mapped:
        """Leaves out the targets of `copy_to` whose path is not among those `seen` with values."""
        gone = [f for f in self.fields if f.copied and f.column.path not in seen]
        if not gone:
            return self
        names = ", ".join(field.column.path for field in gone)
        kept = tuple(field for field in self.fields if field not in gone)
        note = (
            f"{names}: filled by copy_to, without values in the `_source` of the sample: left out"
        )
        return replace(self, fields=kept, notes=(*self.notes, note))
