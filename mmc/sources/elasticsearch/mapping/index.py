"""The mapping of one index -> the columns that its documents have. Pure: the sample tells later
which of them hold lists.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as made
from typing import Any

from mmc.sources.elasticsearch.mapping.column import Column, Kind
from mmc.sources.elasticsearch.mapping.kinds import (
    NESTED,
    OBJECTS,
    SPARSE,
    kind_of,
    note_of,
)
from mmc.sources.elasticsearch.mapping.mapped import Mapped, MappedField
from mmc.sources.elasticsearch.mapping.stored import (
    Stored,
    leaves,
    listed,
    on_excluded,
    on_source,
    on_unmapped,
    said,
)
from mmc.sources.elasticsearch.mapping.vectors import DENSE, KnnSettings, dimension, read_vector
from mmc.types import Index, Metric

_OPENED_BY = (*DENSE, *SPARSE)
_NAMES = {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}
_LEFT_OUT = {
    "alias": "other names of fields: left out",
    "token_count": "counts of tokens of a text: left out",
    "no dimension": "vectors without a dimension, which no document has yet: left out",
    "runtime": "runtime fields, computed when searched: left out",
    "own values": "runtime fields without a script: columns only where the sample has values",
    "derived": "derived fields, computed when searched: left out",
    "multi": "multi-fields of {} are other indexings of the same values: not copied",
    "null_value": "null_value is what the index searches for: nulls stay nulls",
    "malformed": "ignore_malformed: documents may have values that are not of the type",
}


@dataclass(slots=True)
class _Seen:
    """What a walk gathers beside the fields."""

    names: dict[str, list[str]] = made(default_factory=dict)
    unmapped: dict[str, str] = made(default_factory=dict)
    missing: list[str] = made(default_factory=list)
    missing_vectors: list[str] = made(default_factory=list)
    opened: list[str] = made(default_factory=list)

    def leave(self, kind: str, path: str) -> None:
        self.names.setdefault(kind, []).append(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    flatten: Collection[str]
    engine: str
    dims: Mapping[str, int]
    stored: Stored
    targets: frozenset[str]
    seen: _Seen
    knn: KnnSettings | None

    def members(
        self, properties: Mapping[str, Any], at: str, dynamic: str
    ) -> Iterator[MappedField]:
        """Fields of an object. `dynamic`: its setting, or the one it has from above."""
        for name, mapping in properties.items():
            path = f"{at}.{name}" if at else name
            if not _is_object(mapping):
                found = self._leaf(path, mapping)
                if found is not None:
                    yield found
                continue
            below = said(mapping.get("dynamic")) or dynamic
            if not self._opens(path, mapping):
                yield from self._whole(path, mapping)
                continue
            self.seen.opened.append(path)
            if below in ("false", "runtime"):
                self.seen.unmapped[path] = f"dynamic: {below}"
            yield from self.members(mapping["properties"], path, below)

    def _opens(self, path: str, mapping: Mapping[str, Any]) -> bool:
        if mapping.get("type") == NESTED or not _parsed(mapping):
            return False
        named = any(name == path or name.startswith(f"{path}.") for name in self.flatten)
        return named or any(_vectors(mapping, through_nested=False))

    def _whole(self, path: str, mapping: Mapping[str, Any]) -> Iterator[MappedField]:
        """An object as one JSON column."""
        es_type = str(mapping.get("type", "object"))
        inside = list(leaves(mapping, path))
        missing = [leaf for leaf in inside if self._is_missing(leaf)]
        self.seen.missing.extend(missing)
        if missing and len(missing) == len(inside):
            return
        notes = [f"{es_type} kept as JSON"]
        if said(mapping.get("enabled")) == "false":
            notes.append("not indexed in the source (enabled: false)")
        elif es_type == NESTED:
            if held := list(_vectors(mapping, through_nested=True)):
                many = listed(f"{path}.{name}" for name in held)
                notes.append(f"with the vectors in it ({many}), several a document")
        elif mapping.get("properties"):
            notes.append(f"`flatten: [{path}]` makes columns of its members")
        yield MappedField(column=Column(path, Kind.JSON), es_type=es_type, note="; ".join(notes))

    def _leaf(self, path: str, mapping: Mapping[str, Any]) -> MappedField | None:
        es_type = str(mapping["type"])
        if es_type in ("alias", "token_count"):
            self.seen.leave(es_type, path)
            return None
        if es_type != "constant_keyword" and self._is_missing(path):
            self.seen.missing.append(path)
            if es_type in _OPENED_BY:
                self.seen.missing_vectors.append(path)
            return None
        if path in self.targets and not self.stored.holds(path):
            return None
        if mapping.get("fields"):
            self.seen.leave("multi", path)
        if mapping.get("null_value") is not None:
            self.seen.leave("null_value", path)
        if said(mapping.get("ignore_malformed")) == "true":
            self.seen.leave("malformed", path)
        if es_type in DENSE:
            return self._vector(path, es_type, mapping)
        kind = kind_of(es_type)
        formats = str(mapping.get("format") or "") if kind in (Kind.DATE, Kind.DATE_NANOS) else ""
        column = Column(
            path,
            kind,
            formats=tuple(filter(None, formats.split("||"))),
            constant=mapping.get("value") if es_type == "constant_keyword" else None,
        )
        dot_product = Index("SPARSE_INVERTED_INDEX", Metric.IP)
        return MappedField(
            column=column,
            es_type=es_type,
            vector="sparse_float_vector" if kind is Kind.SPARSE else "",
            index=dot_product if es_type == "sparse_vector" else None,
            note=note_of(es_type),
            copied=path in self.targets,
        )

    def _vector(self, path: str, es_type: str, mapping: Mapping[str, Any]) -> MappedField | None:
        dim = dimension(mapping) or self.dims.get(path, 0)
        vector = read_vector(mapping, dim, self.knn)
        if vector is None:
            element = mapping.get("element_type") or mapping.get("data_type")
            note = f"{es_type} of {element} is not known: kept as JSON"
            return MappedField(column=Column(path, Kind.JSON), es_type=es_type, note=note)
        if not dim and mapping.get("model_id"):
            note = f"the dimension stands in the model {mapping['model_id']}: kept as JSON"
            return MappedField(column=Column(path, Kind.JSON), es_type=es_type, note=note)
        if not dim:
            self.seen.leave("no dimension", path)
            return None
        return MappedField(
            column=Column(path, vector.kind, dim=dim),
            es_type=es_type,
            vector=vector.text,
            index=vector.index,
            note=vector.note,
            copied=path in self.targets,
        )

    def _is_missing(self, path: str) -> bool:
        return path not in self.targets and not self.stored.holds(path)


def read_mapping(
    mappings: Mapping[str, Any],
    *,
    flatten: Collection[str],
    engine: str,
    source_mode: str = "",
    dims: Mapping[str, int] | None = None,
    knn: KnnSettings | None = None,
) -> Mapped:
    """Columns of one concrete index.

    Args:
        mappings: object `mappings` of the index in the answer of `GET <index>/_mapping`.
        flatten: dotted paths of objects whose members become columns. Objects on the way to one,
            or to a vector, are opened too; others are one JSON column.
        engine: "elasticsearch" or "opensearch".
        source_mode: setting `index.mapping.source.mode`, or "".
        dims: dimension of the vectors, by path, whose mapping has none.
        knn: settings of an index of OpenSearch; None elsewhere.
    """
    properties = mappings.get("properties") or {}
    seen, stored = _Seen(), Stored(mappings)
    targets = frozenset(_copy_targets(properties))
    reader = _Reader(
        flatten=flatten,
        engine=engine,
        dims=dims or {},
        stored=stored,
        targets=targets,
        seen=seen,
        knn=knn,
    )
    dynamic = said(mappings.get("dynamic"))
    if said(mappings.get("enabled")) == "false":
        seen.unmapped[""] = "enabled: false"
    elif dynamic in ("false", "runtime"):
        seen.unmapped[""] = f"dynamic: {dynamic}"
    fields = tuple(reader.members(properties, "", dynamic))
    for section in ("runtime", "derived"):
        for name, field in (mappings.get(section) or {}).items():
            computed = section == "derived" or "script" in field or field["type"] == "lookup"
            seen.leave(section if computed else "own values", name)
    whole = on_source(mappings, source_mode)
    disabled = any(found.is_error for found in whole)
    lost = [] if disabled else on_excluded(seen.missing, seen.missing_vectors)
    return Mapped(
        fields=fields,
        notes=tuple(_notes(mappings, fields, seen, engine)),
        problems=(*whole, *lost, *on_unmapped(seen.unmapped)),
        opened=tuple(seen.opened),
        objects=tuple(_objects(properties, "")),
    )


def _notes(
    mappings: Mapping[str, Any], fields: tuple[MappedField, ...], seen: _Seen, engine: str
) -> Iterator[str]:
    for kind, text in _LEFT_OUT.items():
        if names := listed(seen.names.get(kind, ())):
            yield text.format(names) if "{}" in text else f"{names}: {text}"
    if (mappings.get("_routing") or {}).get("required"):
        yield "the index requires a routing: the column `_routing` has it"
    if metrics := {field.index.metric for field in fields if field.index is not None}:
        such = " (cosine: (1 + cosine) / 2)" if Metric.COSINE in metrics else ""
        yield (
            f"`_score` of {_NAMES.get(engine, engine)} is made of the distance{such}; Milvus"
            " answers the distance"
        )


def _parsed(mapping: Mapping[str, Any]) -> bool:
    """Whether the mapping knows members of an object."""
    return bool(mapping.get("properties")) and said(mapping.get("enabled")) != "false"


def _is_object(mapping: Mapping[str, Any]) -> bool:
    return mapping.get("type", "object") in (*OBJECTS, NESTED)


def _objects(properties: Mapping[str, Any], at: str) -> Iterator[str]:
    for name, mapping in properties.items():
        if _is_object(mapping) and mapping.get("type") != NESTED and _parsed(mapping):
            yield f"{at}{name}"
            yield from _objects(mapping["properties"], f"{at}{name}.")


def _vectors(mapping: Mapping[str, Any], *, through_nested: bool) -> Iterator[str]:
    """Paths of the vectors in an object, from it on."""
    for name, member in (mapping.get("properties") or {}).items():
        if not _is_object(member):
            if member["type"] in _OPENED_BY:
                yield name
        elif _parsed(member) and (through_nested or member.get("type") != NESTED):
            for below in _vectors(member, through_nested=through_nested):
                yield f"{name}.{below}"


def _copy_targets(properties: Mapping[str, Any]) -> Iterator[str]:
    for mapping in properties.values():
        to = mapping.get("copy_to") or ()
        yield from [to] if isinstance(to, str) else to
        yield from _copy_targets(mapping.get("properties") or {})
