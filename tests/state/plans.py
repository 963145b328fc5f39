"""A small plan for tests of the store."""

from __future__ import annotations

from mmc.plan.canonical import digest
from mmc.plan.model import Endpoint, Executor, OnDrift, OnError, Plan, RowPolicy, Seen, Summary
from mmc.types import freeze

SECRET = {"secret": "env:TOKEN"}


def plan(name: str = "one", uri: str = "http://milvus:19530") -> Plan:
    seen = Seen(digest(()), (), ())
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
        executor=Executor.THREADS,
        summary=Summary(0, 0, 0, 0, 0, 0, 0),
    )
