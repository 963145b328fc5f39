"""A small plan for tests of the store."""

from __future__ import annotations

from dataclasses import replace

from mmc.facts import Extent
from mmc.plan.canonical import digest
from mmc.plan.model import (
    CopySplits,
    CreateCollection,
    Endpoint,
    ExecutorKind,
    OnDrift,
    OnError,
    Plan,
    RowPolicy,
    Seen,
    Split,
    Step,
    Summary,
)
from mmc.types import freeze

SECRET = {"secret": "env:TOKEN"}


def plan(name: str = "one", uri: str = "http://milvus:19530") -> Plan:
    seen = Seen(schema=digest(()), details=(), rows=())
    return Plan(
        name=name,
        spec_digest="",
        source=Endpoint("files", freeze({"path": "x.parquet"})),
        target=Endpoint("milvus", freeze({"uri": uri, "token": SECRET})),
        source_seen=seen,
        target_seen=seen,
        steps=(),
        rows=RowPolicy(OnError.FAIL, None),
        on_drift=OnDrift.FAIL,
        workers=1,
        executor=ExecutorKind.THREADS,
        summary=Summary(create=0, change=0, replace=0, rows=0, bytes=0, splits=0, warnings=0),
    )


def planned(*steps: Step) -> Plan:
    """The plan of these steps, with the sums of their rows."""
    copies = [step for step in steps if isinstance(step, CopySplits)]
    new = sum(not step.exists for step in steps if isinstance(step, CreateCollection))
    splits = sum(len(copy.splits) for copy in copies)
    rows = sum(copy.rows or 0 for copy in copies)
    seen = replace(
        plan().source_seen, rows=tuple((copy.read.collection, copy.rows) for copy in copies)
    )
    summary = Summary(
        create=new, change=0, replace=0, rows=rows, bytes=0, splits=splits, warnings=0
    )
    return replace(plan(), steps=steps, source_seen=seen, summary=summary)


def in_splits(copy: CopySplits, number: int) -> CopySplits:
    """The copy of so many splits, of two rows each."""
    splits = tuple(
        Split(
            id=f"{at:05}",
            pieces=(Extent(locator=(("at", at),), start=0, stop=2, unit="row", rows=2, bytes=0),),
            rows=2,
            bytes=0,
        )
        for at in range(number)
    )
    return replace(copy, splits=splits, rows=2 * number)
