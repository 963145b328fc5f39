"""What the passes of `compile` hand on: a frozen draft of the plan that fills up from left to
right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import Capabilities, Facts, SourceCollection, SourceField, TargetCollection
from mmc.plan.ddl import Change
from mmc.plan.mapping import (
    Column,
    Constant,
    Expression,
    Generated,
    Mapping,
    Origin,
    RestColumn,
)
from mmc.plan.model import (
    ExecutorKind,
    Layout,
    Split,
    Staging,
    Step,
    Write,
)
from mmc.plan.reading import UnmappedMode
from mmc.spec.load import Spec
from mmc.spec.models import CollectionSpec, FieldSpec
from mmc.types import UNMAPPED, Collection, Field, FieldType, Index

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDraft:
    """One target field on its way to a Mapping.

    Attributes:
        to: target name.
        at: place in the spec that speaks of it, or of its collection.
        spec: the entry of `fields`, when there is one.
        source: source column, for plain mappings.
        arrow: type before the cast; "" for constants and auto-id.
        type: set by the `casts` pass.
    """

    to: str
    at: Path
    spec: FieldSpec | None = None
    source: SourceField | None = None
    arrow: str = ""
    type: FieldType | None = None
    cast: str = ""
    nullable: bool = False
    primary_key: bool = False
    constant: Constant | None = None
    note: str = ""

    @property
    def expr(self) -> str:
        return (self.spec.expr or "") if self.spec else ""

    @property
    def declared(self) -> Field | None:
        """The field as the source states it, when it does."""
        return self.source.declared if self.source is not None else None

    @property
    def auto_id(self) -> bool:
        return bool(self.spec and self.spec.auto_id)

    def place(self, key: str) -> Path:
        """Where the spec says `key` of this field, or may say it."""
        return (*self.at, key) if self.spec is not None else self.at

    @property
    def made_of(self) -> Origin:
        """What the mapping of this field says."""
        if self.auto_id:
            return Generated()
        if self.constant is not None:
            return self.constant
        if self.source is not None:
            return Column(self.source.name, self.arrow, self.cast)
        return Expression(self.expr, self.arrow, self.cast)

    @property
    def origin(self) -> str:
        """What the value comes from, for people."""
        if self.source is not None:
            return f"source column `{self.source.name}`"
        return f"`{self.expr}`" if self.expr else "a constant"


@dataclass(frozen=True, slots=True)
class RefusedField:
    """A field that no type or cast fits, and so is none. `column`: its source column, or ""."""

    column: str
    reason: str
    finding: Diagnostic


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionDraft:
    """One collection on its way to its steps.

    Attributes:
        refused: set by the `casts` pass.
        lost: of a collection that is replaced: what the new one will not have.
        changes, new_description: of one that exists and stays.
    """

    at: Path
    spec: CollectionSpec
    source: SourceCollection
    to: str
    existing: TargetCollection | None = None
    fields: tuple[FieldDraft, ...] = ()
    refused: tuple[RefusedField, ...] = ()
    rest: tuple[RestColumn, ...] = ()
    unmapped: UnmappedMode = UnmappedMode.REPORT
    unmapped_drop: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    collection: Collection | None = None
    mappings: tuple[Mapping, ...] = ()
    indexes: tuple[tuple[str, Index, str], ...] = ()
    route: str = ""
    reason: str = ""
    write: Write = Write.INSERT
    batch_rows: int = 0
    batch_bytes: int = 0
    layout: Layout | None = None
    staging: Staging | None = None
    splits: tuple[Split, ...] = ()
    lost: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    new_description: Change | None = None

    @property
    def dynamic_at(self) -> Path:
        """The key of the spec that fills the dynamic field."""
        alone = all(column.source == UNMAPPED for column in self.rest)
        return (*self.at, "unmapped" if self.rest and alone else "rest")

    @property
    def instead_of_dynamic(self) -> str:
        """What the spec may say instead where there is no dynamic field."""
        return "unmapped: report" if self.dynamic_at[-1] == "unmapped" else "rest: drop"

    def with_fields(self, fields: Iterable[FieldDraft]) -> CollectionDraft:
        return replace(self, fields=tuple(fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The state between two passes. Passes never change it; they return a new one."""

    spec: Spec
    facts: Facts
    collections: tuple[CollectionDraft, ...] = ()
    steps: tuple[Step, ...] = ()
    workers: int = 1
    executor: ExecutorKind = ExecutorKind.THREADS
    diagnostics: tuple[Diagnostic, ...] = ()

    def able(self, collection: CollectionDraft) -> Capabilities:
        """What the target takes by the route of a collection, in the format of its files."""
        bulk = self.facts.bulk
        if bulk is None or collection.route != f"{bulk.type}.{bulk.route}":
            return self.facts.target.capabilities
        able = bulk.capabilities
        if collection.layout is None:
            return able
        format_ = collection.layout.format
        nulls = format_ in able.format_nulls
        return replace(
            able,
            types=frozenset(dict(able.format_types).get(format_, ())),
            elements=frozenset(dict(able.format_elements).get(format_, able.elements)),
            nullable=able.nullable and nulls,
            nullable_vectors=able.nullable_vectors and nulls,
            nullable_arrays=able.nullable_arrays and format_ not in able.format_empty_is_null,
        )

    def say(self, findings: Iterable[Diagnostic]) -> Draft:
        return replace(self, diagnostics=self.diagnostics + tuple(findings))

    def finding(
        self,
        code: str,
        message: str,
        at: Path,
        *,
        severity: Severity = Severity.ERROR,
        label: str = "",
        hint: str = "",
        key: bool = False,
    ) -> Diagnostic:
        """A diagnostic at a place of the spec (or at its nearest ancestor that is written)."""
        return Diagnostic(
            code,
            message,
            severity=severity,
            span=self.spec.span(*at, key=key),
            label=label,
            hint=hint,
            path=path_text(at),
        )


def path_text(at: Path) -> str:
    """`collections[0].fields[1].type`"""
    text = ""
    for part in at:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
