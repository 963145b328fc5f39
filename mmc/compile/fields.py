"""Which target fields there are and what each is made from.

Entries of `fields` replace the inferred mapping of their column and keep its place; new fields
follow in spec order.
"""

from __future__ import annotations

from dataclasses import replace

from mmc.casts.kinds import TEXT
from mmc.compile.draft import CollectionDraft, Draft, FieldDraft, Path
from mmc.compile.expressions import Expressions, Problem
from mmc.compile.resolve import milvus_name
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import SourceField
from mmc.plan.mapping import Constant, RestColumn
from mmc.plan.reading import UnmappedMode
from mmc.spec.models import CollectionSpec, FieldSpec
from mmc.types import DYNAMIC_FIELD, UNMAPPED, nearest


def map_fields(draft: Draft) -> Draft:
    findings: list[Diagnostic] = []
    sql = Expressions()
    collections = tuple(
        _map_one(draft, collection, sql, findings) for collection in draft.collections
    )
    return replace(draft, collections=collections).say(findings)


def _map_one(
    draft: Draft, collection: CollectionDraft, sql: Expressions, findings: list[Diagnostic]
) -> CollectionDraft:
    spec, source = collection.spec, collection.source
    columns = {field.name: field for field in source.fields}
    types = {field.name: field.arrow for field in source.fields}
    made: list[FieldDraft] = []
    replaced: dict[str, list[FieldDraft]] = {}
    dropped: set[str] = set()
    never_seen: list[str] = []
    for number, entry in enumerate(spec.fields):
        at = (*collection.at, "fields", number)
        column = _column(entry)
        if entry.drop and column not in columns and UNMAPPED in columns:
            never_seen.append(str(column))
            findings.append(_never_seen(draft, at, str(column), list(columns)))
            continue
        if column is not None and column not in columns:
            findings.append(_unknown_column(draft, at, entry, column, list(columns)))
            continue
        if entry.drop:
            dropped.add(column or "")
            continue
        if column is not None:
            field = FieldDraft(
                to=entry.to or milvus_name(column),
                at=at,
                spec=entry,
                source=columns[column],
                arrow=columns[column].arrow,
                nullable=columns[column].nullable,
                note=columns[column].note,
            )
            replaced.setdefault(column, []).append(field)
            continue
        made_field = _made(draft, at, entry, types, sql, findings)
        if made_field is not None:
            made.append(made_field)
    own_key = any(entry.primary_key or entry.auto_id for entry in spec.fields)
    taken = {field.to for field in _all(replaced, made)}
    fields: list[FieldDraft] = []
    rest: list[RestColumn] = []
    for offered in source.fields:
        if offered.name in dropped:
            continue
        if offered.name in replaced:
            fields += replaced[offered.name]
        elif offered.on_request:
            continue
        elif milvus_name(offered.name) in taken:
            if not (offered.unique and offered.key):
                by = next(f for f in _all(replaced, made) if f.to == milvus_name(offered.name))
                findings.append(_column_left_out(draft, offered, by))
        elif offered.unique and offered.key and own_key:
            findings.append(_row_number_left_out(draft, collection.at, offered))
        elif offered.key and not own_key and not _key_named(replaced):
            fields.append(_inferred(collection.at, offered, draft, findings))
        elif spec.rest == "drop":
            continue
        elif offered.name == DYNAMIC_FIELD and (offered.json_text or offered.arrow in TEXT):
            rest.append(RestColumn(offered.name, offered.arrow, json_text=True))
        elif spec.rest == "dynamic" and not offered.vector and offered.name != DYNAMIC_FIELD:
            rest.append(RestColumn(offered.name, offered.arrow, offered.json_text))
        else:
            fields.append(_inferred(collection.at, offered, draft, findings))
    fields += made
    unmapped = _unmapped_mode(spec)
    if unmapped is UnmappedMode.DYNAMIC:
        if UNMAPPED in columns:
            rest.append(RestColumn(UNMAPPED, columns[UNMAPPED].arrow, json_text=True))
        else:
            findings.append(_nothing_unmapped(draft, collection))
    _refuse_twice(draft, fields, findings)
    where = spec.where or ""
    if where:
        problem = sql.condition(where, types)
        if problem is not None:
            findings.append(_problem(draft, (*collection.at, "where"), problem, "MMC336"))
    used = _used(fields, rest, where, types, sql, bad=any(f.is_error for f in findings))
    return replace(
        collection,
        fields=tuple(fields),
        rest=tuple(rest),
        unmapped=unmapped,
        unmapped_drop=tuple(never_seen),
        columns=tuple(field.name for field in source.fields if field.name in used),
    )


def _unmapped_mode(spec: CollectionSpec) -> UnmappedMode:
    """`rest: drop` is a yes to values without a column, where the spec says nothing of them."""
    if spec.rest == "drop" and "unmapped" not in spec.model_fields_set:
        return UnmappedMode.DROP
    return UnmappedMode(spec.unmapped)


def _nothing_unmapped(draft: Draft, collection: CollectionDraft) -> Diagnostic:
    return draft.finding(
        "MMC477",
        f"`{collection.source.name}` has no values beyond its columns, or the source cannot give"
        " them: nothing would go into the dynamic field",
        (*collection.at, "unmapped"),
        hint="leave `unmapped` out",
    )


def _never_seen(draft: Draft, at: Path, name: str, columns: list[str]) -> Diagnostic:
    close = nearest(name, columns)
    return draft.finding(
        "MMC478",
        f"`{name}` is no column of the source: it is dropped where a row has it after all",
        (*at, "from"),
        severity=Severity.WARNING if close else Severity.NOTE,
        hint=f"did you mean `{close}`?" if close else "",
    )


def _column(entry: FieldSpec) -> str | None:
    """The source column an entry speaks of; None when it makes its value otherwise."""
    if entry.expr is not None or entry.auto_id or "constant" in entry.model_fields_set:
        return None
    return entry.from_ if entry.from_ is not None else entry.to


def _key_named(replaced: dict[str, list[FieldDraft]]) -> bool:
    return any(f.spec and f.spec.primary_key for fields in replaced.values() for f in fields)


def _made(
    draft: Draft,
    at: Path,
    entry: FieldSpec,
    types: dict[str, str],
    sql: Expressions,
    findings: list[Diagnostic],
) -> FieldDraft | None:
    """A field from an expression, a constant, or the target's own counter."""
    to = entry.to or "id"
    if entry.auto_id:
        return FieldDraft(to=to, at=at, spec=entry)
    if entry.expr is None:
        null = entry.constant is None
        return FieldDraft(
            to=to, at=at, spec=entry, constant=Constant(entry.constant), nullable=null
        )
    found = sql.type(entry.expr, types)
    if isinstance(found, Problem):
        findings.append(_problem(draft, (*at, "expr"), found, "MMC335"))
        return None
    return FieldDraft(to=to, at=at, spec=entry, arrow=found, nullable=True)


def _inferred(at: Path, field: SourceField, draft: Draft, findings: list[Diagnostic]) -> FieldDraft:
    to = milvus_name(field.name)
    if to != field.name:
        findings.append(
            draft.finding(
                "MMC338",
                f"column `{field.name}` is named `{to}` in the target",
                at,
                severity=Severity.NOTE,
                hint="name it in `fields` to choose another name",
            )
        )
    return FieldDraft(
        to=to,
        at=at,
        spec=None,
        source=field,
        arrow=field.arrow,
        nullable=field.nullable,
        note=field.note,
    )


def _unknown_column(
    draft: Draft, at: Path, entry: FieldSpec, column: str, columns: list[str]
) -> Diagnostic:
    close = nearest(column, columns)
    where = "from" if entry.from_ is not None else "to"
    return draft.finding(
        "MMC339",
        f"the source has no column `{column}`",
        (*at, where),
        hint=f"did you mean `{close}`?" if close else "columns: " + ", ".join(columns[:12]),
    )


def _row_number_left_out(draft: Draft, at: Path, field: SourceField) -> Diagnostic:
    return draft.finding(
        "MMC340",
        f"row number `{field.name}` of the source is left out: the spec names another key",
        at,
        severity=Severity.NOTE,
        hint=f"to keep it, add {{from: {field.name}}} to `fields`",
    )


def _all(replaced: dict[str, list[FieldDraft]], made: list[FieldDraft]) -> list[FieldDraft]:
    return [field for fields in (*replaced.values(), made) for field in fields]


def _column_left_out(draft: Draft, field: SourceField, by: FieldDraft) -> Diagnostic:
    return draft.finding(
        "MMC344",
        f"column `{field.name}` is left out: `{by.to}` is made from {by.origin}",
        by.at,
        severity=Severity.NOTE if by.expr else Severity.WARNING,
        hint=f"to keep it, add {{from: {field.name}, to: ANOTHER_NAME}} to `fields`; "
        f"if it may go, add {{from: {field.name}, drop: true}}",
    )


def _refuse_twice(draft: Draft, fields: list[FieldDraft], findings: list[Diagnostic]) -> None:
    seen: dict[str, FieldDraft] = {}
    for field in fields:
        other = seen.setdefault(field.to, field)
        if other is not field:
            findings.append(
                draft.finding(
                    "MMC341",
                    f"two fields are named `{field.to}`: from {other.origin} "
                    f"and from {field.origin}",
                    (*field.at, "to"),
                    hint="give one of them another `to:`, or drop it",
                )
            )


def _problem(draft: Draft, at: Path, problem: Problem, code: str) -> Diagnostic:
    return draft.finding(code, problem.message, at, hint=problem.hint)


def _used(
    fields: list[FieldDraft],
    rest: list[RestColumn],
    where: str,
    types: dict[str, str],
    sql: Expressions,
    *,
    bad: bool,
) -> set[str]:
    used = {field.source.name for field in fields if field.source is not None}
    used |= {column.source for column in rest}
    if bad:
        return used
    for expression in [where, *(field.expr for field in fields)]:
        if expression:
            used |= set(sql.columns(expression, types))
    return used
