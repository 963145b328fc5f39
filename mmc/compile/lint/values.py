"""What the sample says about values: too long, too large, null, not finite."""

from __future__ import annotations

from collections.abc import Iterator

from mmc.compile.draft import CollectionDraft, Draft, FieldDraft
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import Evidence
from mmc.plan.mapping import Mapping
from mmc.plan.model import OnError
from mmc.types import TypeKind


def short_varchar(draft: Draft) -> Iterator[Diagnostic]:
    """MMC311: a varchar is shorter than values of the sample."""
    for _, field, mapping, seen in _mapped(draft):
        type_ = mapping.field.type
        if type_.kind is not TypeKind.VARCHAR or type_.length is None or seen.max_bytes is None:
            continue
        if seen.max_bytes > type_.length:
            yield draft.finding(
                "MMC311",
                f"{type_} is shorter than values of {field.origin}",
                field.place("type"),
                severity=Severity.WARNING,
                label=f"longest value seen: {seen.max_bytes} bytes (of {seen.rows:,} sampled)",
                hint=f"use varchar({_round_up(seen.max_bytes)}){_or_quarantine(draft)}",
            )


def nulls_to_fields(draft: Draft) -> Iterator[Diagnostic]:
    """MMC312: nulls were sampled for a field that cannot be null."""
    for _, field, mapping, seen in _mapped(draft):
        if seen.nulls and not mapping.field.nullable and mapping.default is None:
            yield draft.finding(
                "MMC312",
                f"`{field.to}` cannot be null, but {field.origin} is null in "
                f"{seen.nulls:,} of {seen.rows:,} sampled rows",
                field.at,
                severity=Severity.WARNING,
                hint=f"give a `default`, or filter them with `where`{_or_quarantine(draft)}",
            )


def vectors_not_finite(draft: Draft) -> Iterator[Diagnostic]:
    """MMC313: NaN or infinity was sampled in a vector."""
    for collection, field, mapping, seen in _mapped(draft):
        if seen.non_finite and mapping.field.type.is_vector:
            yield draft.finding(
                "MMC313",
                f"`{collection.to}.{field.to}`: NaN or infinity in {seen.non_finite:,} of "
                f"{seen.rows:,} sampled rows",
                field.at,
                severity=Severity.WARNING,
                hint=f"Milvus takes finite vectors only{_or_quarantine(draft)}",
            )


def long_json(draft: Draft) -> Iterator[Diagnostic]:
    """MMC386: JSON of the sample, or one value that goes into the dynamic field, is longer than
    the target takes.
    """
    for collection in draft.collections:
        most = draft.able(collection).json_bytes
        if not most:
            continue
        mappings = {mapping.field.name: mapping for mapping in collection.mappings}
        json = {name for name, one in mappings.items() if one.field.type.kind is TypeKind.JSON}
        into_rest = {column.source for column in collection.rest}
        places = [
            (field.source, field.at)
            for field in collection.fields
            if field.source is not None and field.to in json
        ]
        places += [
            (source, (*collection.at, "rest"))
            for source in collection.source.fields
            if source.name in into_rest
        ]
        for source, at in places:
            seen = source.evidence
            if (seen.max_bytes or 0) > most:
                yield draft.finding(
                    "MMC386",
                    f"the target takes {most:,} bytes of JSON in one value, and source column"
                    f" `{source.name}` has longer ones",
                    at,
                    severity=Severity.WARNING,
                    label=f"longest seen: {seen.max_bytes:,} bytes (of {seen.rows:,} sampled)",
                    hint=f"filter such rows with `where`{_or_quarantine(draft)}",
                )


_BITS = {TypeKind.INT8: 8, TypeKind.INT16: 16, TypeKind.INT32: 32, TypeKind.INT64: 64}


def narrow_integers(draft: Draft) -> Iterator[Diagnostic]:
    """MMC314: an integer type does not hold integers of the sample."""
    for _, field, mapping, seen in _mapped(draft):
        bits = _BITS.get(mapping.field.type.kind)
        if bits is None or seen.min_value is None or seen.max_value is None:
            continue
        most = 2 ** (bits - 1)
        if seen.min_value < -most or seen.max_value >= most:
            yield draft.finding(
                "MMC314",
                f"{mapping.field.type} does not hold values of {field.origin}",
                field.place("type"),
                severity=Severity.WARNING,
                label=f"{seen.min_value} to {seen.max_value} in {seen.rows:,} sampled rows",
                hint=f"use a wider type{_or_quarantine(draft)}",
            )


def _mapped(draft: Draft) -> Iterator[tuple[CollectionDraft, FieldDraft, Mapping, Evidence]]:
    """Fields that come straight from a sampled column."""
    for collection in draft.collections:
        mappings = {mapping.field.name: mapping for mapping in collection.mappings}
        for field in collection.fields:
            if field.source is not None and field.source.evidence.rows and field.to in mappings:
                yield collection, field, mappings[field.to], field.source.evidence


def _or_quarantine(draft: Draft) -> str:
    failing = draft.spec.model.rows.on_error is OnError.FAIL
    return ", or say rows.on_error: quarantine" if failing else ""


def _round_up(length: int) -> int:
    size = 16
    while size < length:
        size *= 2
    return min(size, 65_535)
