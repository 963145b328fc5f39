"""Pass 5: one index for each vector field, from the spec or carried over from the source."""

from __future__ import annotations

from dataclasses import replace

from mmc.compile.draft import CollectionDraft, Draft
from mmc.diagnostics import Diagnostic, Severity
from mmc.plan.model import Mapping, Mode
from mmc.spec.models import IndexSpec
from mmc.types import FieldType, Index, Metric, TypeKind, freeze


def choose_indexes(draft: Draft) -> Draft:
    findings: list[Diagnostic] = []
    collections = []
    for collection in draft.collections:
        chosen = []
        for mapping in collection.mappings:
            index = _choose(draft, collection, mapping, findings)
            if index is not None:
                chosen.append((mapping.field.name, *index))
        collections.append(replace(collection, indexes=tuple(chosen)))
    return replace(draft, collections=tuple(collections)).say(findings)


def _choose(
    draft: Draft, collection: CollectionDraft, mapping: Mapping, findings: list[Diagnostic]
) -> tuple[Index, str] | None:
    field = next((f for f in collection.fields if f.to == mapping.field.name), None)
    said = field.spec.index if field is not None and field.spec is not None else None
    at = field.at if field is not None else collection.at
    type_ = mapping.field.type
    carried = field.source.index if field is not None and field.source is not None else None
    joins = draft.spec.model.load.mode in (Mode.APPEND, Mode.UPSERT)
    if joins and collection.existing is not None:
        return None
    if said == "none" or (said is None and not type_.is_vector):
        return None
    if carried is not None and carried.metric is None and not _says_metric(said):
        findings.append(
            draft.finding(
                "MMC372",
                f"`{mapping.field.name}`: the source's metric has no equal in Milvus",
                at,
                label=field.source.note if field is not None and field.source else "",
                hint=f"settle it: index: {{type: {carried.type}, metric: L2}} (or IP, COSINE)",
            )
        )
        return None
    able = draft.able(collection).index_types
    if isinstance(said, IndexSpec):
        if not type_.is_vector:
            return Index(said.type, None, freeze(said.params)), "as the spec says"
        metric = said.metric or (carried.metric if carried else None)
        note = "as the spec says"
        if metric is None:
            metric = _default_metric(type_)
            findings.append(_metric_note(draft, (*at, "index"), mapping, metric))
        if able and said.type not in able:
            findings.append(
                draft.finding(
                    "MMC516",
                    f"the target cannot build {said.type} on `{mapping.field.name}`",
                    (*at, "index", "type"),
                    hint="it builds " + ", ".join(sorted(able)),
                )
            )
        return Index(said.type, metric, freeze(said.params)), note
    if carried is None or carried.metric is None:
        metric = _default_metric(type_)
        findings.append(_metric_note(draft, at, mapping, metric))
        return Index(_default_type(type_), metric), "the source has no index"
    if able and carried.type not in able:
        findings.append(
            draft.finding(
                "MMC370",
                f"the source's index {carried.type} is not built here: AUTOINDEX is",
                at,
                severity=Severity.NOTE,
                hint="say index.type to choose another",
            )
        )
        return Index(_default_type(type_), carried.metric), f"{carried.type} in the source"
    return carried, "from the source"


def _says_metric(said: IndexSpec | str | None) -> bool:
    return isinstance(said, IndexSpec) and said.metric is not None


def _default_metric(type_: FieldType) -> Metric:
    match type_.kind:
        case TypeKind.BINARY_VECTOR:
            return Metric.HAMMING
        case TypeKind.SPARSE_FLOAT_VECTOR:
            return Metric.IP
        case _:
            return Metric.COSINE


def _default_type(type_: FieldType) -> str:
    match type_.kind:
        case TypeKind.BINARY_VECTOR:
            return "BIN_FLAT"
        case TypeKind.SPARSE_FLOAT_VECTOR:
            return "SPARSE_INVERTED_INDEX"
        case _:
            return "AUTOINDEX"


def _metric_note(
    draft: Draft, at: tuple[str | int, ...], mapping: Mapping, metric: Metric
) -> Diagnostic:
    return draft.finding(
        "MMC371",
        f"`{mapping.field.name}`: neither the source nor the spec says a metric; {metric} is used",
        at,
        severity=Severity.WARNING,
        hint=f"say index: {{type: AUTOINDEX, metric: {metric}}} (or L2, IP) to settle it",
    )
