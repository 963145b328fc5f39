"""One index for each vector field, from the spec or carried over from the source, with all
its parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmc.compile.draft import CollectionDraft, Draft, Path
from mmc.compile.heldindex import contradicts, handed_on, lost_indexes, staying
from mmc.compile.indexfit import Misfit, misfit, of_gpu, with_defaults
from mmc.compile.indexparams import fitted, plain, wrong_params
from mmc.diagnostics import Diagnostic, Severity
from mmc.plan.mapping import Mapping
from mmc.spec.checks import INDEX_TYPES
from mmc.spec.models import NO_INDEX, IndexSpec
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
        lost = (*collection.lost, *lost_indexes(draft, collection, findings))
        collections.append(replace(collection, indexes=tuple(chosen), lost=lost))
    return replace(draft, collections=tuple(collections)).say(findings)


def _choose(
    draft: Draft, collection: CollectionDraft, mapping: Mapping, findings: list[Diagnostic]
) -> tuple[Index, str] | None:
    field = next((f for f in collection.fields if f.to == mapping.field.name), None)
    said = field.spec.index if field is not None and field.spec is not None else None
    at = field.at if field is not None else collection.at
    type_ = mapping.field.type
    carried = field.source.index if field is not None and field.source is not None else None
    old = handed_on(draft, collection, mapping)
    held, name = staying(draft, collection), mapping.field.name
    if held is not None and said is not None and name in held:
        findings += contradicts(draft, collection, name, at, said, held[name])
    if held is not None and (said is None or name in held):
        return None
    if said == NO_INDEX or (said is None and old is None and not type_.is_vector):
        return None
    if carried is not None and carried.metric is None and not _says_metric(said):
        findings.append(
            draft.finding(
                "MMC372",
                f"`{mapping.field.name}`: the source's metric has no equal in Milvus, or is not"
                " known",
                at,
                label=field.source.note if field is not None and field.source else "",
                hint=f"settle it: index: {{type: {_known(carried, type_)}, {_metrics(type_)}",
            )
        )
        return None
    able = draft.able(collection)
    key = mapping.field.primary_key
    if isinstance(said, IndexSpec):
        metric = said.metric or (old or carried or said).metric
        if metric is None and type_.is_vector:
            metric = _default_metric(type_)
            findings.append(_metric_note(draft, (*at, "index"), mapping, metric))
        params = freeze(said.params)
        if not params and old is not None and old.type == said.type:
            params = old.params
        index = Index(said.type, metric if type_.is_vector else None, params)
        index = plain(index, type_, able)
        made = with_defaults(index, able)
        if refused := list(_refused(draft, collection, mapping, (*at, "index"), made)):
            findings += refused
        elif able.index_types and of_gpu(made):
            findings.append(_gpu_only(draft, collection, mapping, (*at, "index", "type"), made))
        return made, "as the spec says" if made == index else "as the spec says, with defaults"
    if old is not None:
        if carried is not None and carried.metric != old.metric:
            findings.append(_metrics_differ(draft, collection, mapping, at, carried, old))
        return old, "as the collection that is replaced has it"
    if carried is None or carried.metric is None:
        metric = _default_metric(type_)
        findings.append(_metric_note(draft, at, mapping, metric))
        return Index(_default_type(type_), metric), "the source has no index"
    fitting, changes = fitted(carried, type_, able)
    made = with_defaults(fitting, able)
    foreign = carried.type not in INDEX_TYPES
    found = None if foreign else misfit(made, type_, able, key=key)
    if found is None and able.index_types and of_gpu(carried):
        found = Misfit("only a server that was built for GPUs builds it", "params", "")
    if foreign or found is not None:
        instead = _default_type(type_)
        reason = f" ({found.reason})" if found is not None and found.key != "type" else ""
        findings.append(
            draft.finding(
                "MMC370",
                f"`{collection.to}.{mapping.field.name}`: the source's index {carried.type} is not"
                f" built here{reason}: {instead} is, with the metric {carried.metric}",
                at,
                severity=Severity.WARNING if foreign else Severity.NOTE,
                hint="say index.type to choose another",
            )
        )
        return Index(instead, carried.metric), f"{carried.type} in the source"
    if changes:
        findings.append(
            draft.finding(
                "MMC385",
                f"`{collection.to}.{mapping.field.name}`: the source's {carried.type} does not fit"
                f" the target as it is: {', '.join(changes)}",
                at,
                severity=Severity.NOTE,
                hint="say index.params to choose",
            )
        )
        return made, "from the source, made to fit"
    return made, "from the source" if made == carried else "from the source, with defaults"


def _metrics_differ(
    draft: Draft,
    collection: CollectionDraft,
    mapping: Mapping,
    at: Path,
    carried: Index,
    old: Index,
) -> Diagnostic:
    return draft.finding(
        "MMC378",
        f"`{collection.to}.{mapping.field.name}`: the source ranks by {carried.metric}, the"
        f" collection that is replaced by {old.metric}; {old.metric} stays",
        at,
        severity=Severity.WARNING,
        hint=f"say index: {{type: {old.type}, metric: {old.metric}}} (or {carried.metric}) to"
        " settle it",
    )


def _gpu_only(
    draft: Draft, collection: CollectionDraft, mapping: Mapping, at: Path, index: Index
) -> Diagnostic:
    return draft.finding(
        "MMC551",
        f"`{collection.to}.{mapping.field.name}`: only a server that was built for GPUs builds"
        f" {index.type}, and another may take it and never be done",
        at,
        severity=Severity.WARNING,
        hint="be sure that this server is such a one, or take HNSW or IVF_FLAT",
    )


def _refused(
    draft: Draft, collection: CollectionDraft, mapping: Mapping, at: Path, index: Index
) -> Iterator[Diagnostic]:
    """Why the target would not build the index as the spec says it: parameters that are not known
    or out of range, each; else what is missing.
    """
    able, type_ = draft.able(collection), mapping.field.type
    name = f"`{collection.to}.{mapping.field.name}`"
    found = misfit(index, type_, able, key=mapping.field.primary_key)
    wrong = [] if found is not None and found.key == "type" else wrong_params(index, type_, able)
    told = False
    for param in wrong:
        told = True
        yield draft.finding(
            "MMC384" if param.known else "MMC383",
            f"{name}: {param.reason}",
            (*at, "params", param.name),
            hint=param.hint,
            key=not param.known,
        )
    if found is not None and not told:
        yield draft.finding("MMC516", f"{name}: {found.reason}", (*at, found.key), hint=found.hint)


def _says_metric(said: IndexSpec | str | None) -> bool:
    return isinstance(said, IndexSpec) and said.metric is not None


def _known(carried: Index, type_: FieldType) -> str:
    return carried.type if carried.type in INDEX_TYPES else _default_type(type_)


def _metrics(type_: FieldType) -> str:
    if type_.kind is TypeKind.BINARY_VECTOR:
        return "metric: HAMMING} (or JACCARD)"
    return "metric: L2} (or IP, COSINE)"


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


def _metric_note(draft: Draft, at: Path, mapping: Mapping, metric: Metric) -> Diagnostic:
    return draft.finding(
        "MMC371",
        f"`{mapping.field.name}`: neither the source nor the spec says a metric; {metric} is used",
        at,
        severity=Severity.WARNING,
        hint=f"say index: {{type: AUTOINDEX, metric: {metric}}} (or L2, IP) to settle it",
    )
