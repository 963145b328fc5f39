"""A source of two columns and a collection that is there, for tests of what a plan makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mmc.compile import compile_plan
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import (
    Extent,
    Facts,
    SourceCollection,
    SourceFacts,
    SourceField,
    TargetCollection,
    TargetFacts,
)
from mmc.milvus.dialect import version_of
from mmc.plan.model import Plan
from mmc.plan.tree import plan_lines
from mmc.registry import target_folder
from mmc.types import Collection, Field, FieldType, Index, Metric, freeze
from tests.spec.reading import parse_spec

HNSW = Index("HNSW", Metric.L2, freeze({"M": 8, "efConstruction": 50}))
FIELDS = (
    Field("id", FieldType.parse("int64"), primary_key=True),
    Field("lang", FieldType.parse("varchar(8)")),
    Field("embedding", FieldType.parse("float_vector(8)")),
)


def there(**options: Any) -> TargetCollection:
    """The collection `words`; options of the schema and of the facts."""
    names = ("fields", "dynamic", "shards", "partitions", "description", "properties")
    schema = {name: options.pop(name) for name in names if name in options}
    made = Collection("words", **{"fields": FIELDS, **schema})
    return TargetCollection(
        **{"schema": made, "rows": 20, "indexes": (("embedding", HNSW),), **options}
    )


@dataclass
class Compiled:
    """A plan, as far as there is one, and what was found."""

    plan: Plan | None
    findings: tuple[Diagnostic, ...]
    lines: list[str] = field(default_factory=list)

    def said(self, code: str, severity: Severity | None = None) -> list[str]:
        return [
            one.message
            for one in self.findings
            if one.code == code and severity in (None, one.severity)
        ]


def compiled(
    mode: str,
    existing: TargetCollection | None,
    spec: str = "",
    load: str = "",
    *,
    server: str = "2.3.5",
    index: Index | None = None,
    partitions: tuple[str, ...] = (),
) -> Compiled:
    """`spec` is text inside the entry of `collections`, `load` inside `load`."""
    text = (
        "version: 1\nsource: {type: files, path: words.parquet}\n"
        "target: {type: milvus, uri: http://localhost:19530}\n"
        f"collections: [{{to: words{', ' if spec else ''}{spec}}}]\n"
        f"load: {{mode: {mode}{', ' if load else ''}{load}}}\n"
    )
    loaded = parse_spec(text, "spec.yaml")
    assert loaded.spec is not None, loaded.diagnostics
    fields = (
        SourceField("id", "int64", key=True, unique=True, nullable=False),
        SourceField("lang", "string", nullable=False),
        SourceField("embedding", "fixed_size_list<float>[8]", nullable=False, index=index),
    )
    parts = partitions or ("",)
    extents = tuple(
        Extent(locator=(), start=0, stop=10, unit="row", rows=10, bytes=400, partition=one)
        for one in parts
    )
    source = SourceCollection(
        "words", fields, extents=extents, rows=10, bytes=400, partitions=partitions
    )
    able = version_of(server).dialect.capabilities
    target = TargetFacts(
        type="milvus",
        route="insert",
        version=server,
        capabilities=able,
        collections=(existing,) if existing else (),
    )
    plan, findings = compile_plan(
        loaded.spec,
        Facts(source=SourceFacts(type="files", version="1", collections=(source,)), target=target),
    )
    return Compiled(
        plan,
        findings,
        [line.strip() for line in plan_lines(plan, folder=target_folder(plan.target))]
        if plan
        else [],
    )
