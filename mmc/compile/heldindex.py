"""The indexes of a collection that exists: one that stays, or is replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mmc.compile.carry import loses, replaced
from mmc.compile.draft import CollectionDraft, Draft, Path
from mmc.compile.indexfit import misfit
from mmc.diagnostics import Diagnostic, Severity
from mmc.plan.ddl import Loss
from mmc.plan.mapping import Mapping
from mmc.plan.model import Mode
from mmc.spec.models import IndexSpec
from mmc.types import Field, Index, JsonValue


def staying(draft: Draft, collection: CollectionDraft) -> dict[str, Index] | None:
    """The indexes of a collection that stays, by field; None where it is new or made anew."""
    joins = draft.spec.model.load.mode in (Mode.APPEND, Mode.UPSERT)
    return dict(collection.existing.indexes) if joins and collection.existing else None


def contradicts(
    draft: Draft,
    collection: CollectionDraft,
    field: str,
    at: Path,
    said: IndexSpec | str,
    there: Index,
) -> Iterator[Diagnostic]:
    """MMC373 where the spec wants another index than the existing collection has, MMC374 where only
    its parameters are others.
    """
    name = f"`{collection.to}.{field}`"
    if not isinstance(said, IndexSpec):
        yield draft.finding(
            "MMC374",
            f"{name}: the spec says no index, the existing collection has {shown(there)} and keeps"
            " it",
            (*at, "index"),
            severity=Severity.WARNING,
        )
        return
    pairs = [("type", said.type, there.type)]
    if said.metric is not None:
        pairs.append(("metric", said.metric.value, str(there.metric)))
    for key, wanted, found in pairs:
        if wanted != found:
            yield draft.finding(
                "MMC373",
                f"{name}: the spec says {key} {wanted}, the index of the existing collection has"
                f" {found}",
                (*at, "index", key),
                hint=f"say `{key}: {found}`, or drop that index in the collection first; load.mode:"
                " replace makes it anew",
            )
    have = dict(there.params)
    other = {
        key: value
        for key, value in said.params.items()
        if key not in have or not _same(value, have[key])
    }
    if other and said.type == there.type:
        yield draft.finding(
            "MMC374",
            f"{name}: the spec says {_params(other)}, the index of the existing collection has"
            f" {_params({key: have.get(key) for key in other})} and keeps it",
            (*at, "index", "params"),
            severity=Severity.WARNING,
            hint="remove params, or build the index anew in the collection first",
        )


def handed_on(draft: Draft, collection: CollectionDraft, mapping: Mapping) -> Index | None:
    """The index of the collection that is replaced, where the new field can have it."""
    old = replaced(draft, collection)
    if old is None:
        return None
    found = [index for field, index in old.indexes if field == mapping.field.name]
    return found[0] if found and _fits(draft, collection, mapping.field, found[0]) else None


def lost_indexes(
    draft: Draft, collection: CollectionDraft, findings: list[Diagnostic]
) -> tuple[str, ...]:
    """Indexes of the collection that is replaced that cannot be made again, and of which the spec
    says nothing.
    """
    old = replaced(draft, collection)
    if old is None:
        return ()
    fields = {mapping.field.name: mapping.field for mapping in collection.mappings}
    gone = {field.name for field in old.schema.fields if field.name not in fields}
    said = {one.to for one in collection.fields if one.spec and one.spec.index is not None}
    times: Counter[str] = Counter()
    lost = []
    for name, index in old.indexes:
        times[name] += 1
        if name in gone or name in said:
            continue
        field = fields.get(name)
        first = times[name] == 1
        if field is None or not first or not _fits(draft, collection, field, index):
            lost.append(f"index {name} ({shown(index)})")
            findings.append(loses(draft, collection, Loss.INDEXES, lost[-1]))
    return tuple(lost)


def _fits(draft: Draft, collection: CollectionDraft, field: Field, index: Index) -> bool:
    if field.type.is_vector and index.metric is None:
        return False
    able = draft.able(collection)
    return misfit(index, field.type, able, key=field.primary_key) is None


def shown(index: Index) -> str:
    """`HNSW COSINE M=16`"""
    parts = [index.type, index.metric or "", _params(dict(index.params))]
    return " ".join(filter(None, parts))


def _params(params: dict[str, JsonValue]) -> str:
    return " ".join(
        f"{key}={'(not said)' if value is None else value}" for key, value in params.items()
    )


def _same(one: JsonValue, other: JsonValue) -> bool:
    """A server gives parameters back as texts; those that look like numbers are read as such."""
    return one == other or str(one) == str(other)
