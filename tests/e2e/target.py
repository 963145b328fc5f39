"""Small migrations into a real target, in this process: for tests of what is there already."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pymilvus import DataType

from mmc import api
from mmc.plan.model import Plan
from mmc.report.report import Report
from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from mmc.sinks.milvus.insert.target import InsertTarget
from mmc.sinks.milvus.options import MilvusTargetOptions
from mmc.spec.load import Spec
from tests.servers.milvus_lite import options_at

DIM = 8
OLD, NEW = 1.0, 2.0
"""First component of the vectors that are there, and of those that come."""


def a_name() -> str:
    return f"c{uuid.uuid4().hex[:12]}"


@dataclass(frozen=True)
class Desk:
    """A folder with a State of its own, and a target: an address or the path of a Milvus Lite.

    Attributes:
        route: insert | bulk.
    """

    folder: Path
    uri: str
    route: str = "insert"

    @contextmanager
    def target(self, database: str = "") -> Iterator[InsertTarget]:
        """The target, open; a Milvus Lite only for so long."""
        with MilvusInsertSink().open(self._options(database)) as target:
            yield target

    def _options(self, database: str = "") -> MilvusTargetOptions:
        return options_at(self.uri, database=database)

    def another(self) -> Desk:
        """The same target, from another folder with another State."""
        folder = self.folder / a_name()
        folder.mkdir()
        return replace(self, folder=folder)

    def fill(self, name: str, parts: dict[str, Sequence[int]], alias: str = "") -> None:
        """A collection of OLD vectors that mmc did not make, loaded; keys by partition."""
        with self.target() as target:
            client = target._client
            schema = client.create_schema()
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=DIM)
            client.create_collection(name, schema=schema)
            for part, keys in parts.items():
                if part != "_default":
                    client.create_partition(name, part)
                rows = [{"id": key, "embedding": _vector(key, OLD)} for key in keys]
                client.insert(name, rows, partition_name=part)
            index = client.prepare_index_params()
            index.add_index("embedding", index_type="FLAT", metric_type="L2")
            client.create_index(name, index)
            client.load_collection(name)
            if alias:
                client.create_alias(name, alias)

    def spec(self, to: str, keys: Sequence[int], mode: str) -> Spec:
        """A spec that brings NEW vectors under these keys."""
        path = self.folder / f"{a_name()}.parquet"
        vectors = np.stack([_vector(key, NEW) for key in keys])
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM)
        pq.write_table(pa.table({"id": pa.array(keys, pa.int64()), "embedding": flat}), path)
        load = f"mode: {mode}, route: {self.route}"
        if self.route == "bulk":
            load += f", staging: {{url: {self.folder}/staging}}"
        text = (
            f"version: 1\nsource: {{type: files, path: {path}}}\n"
            f"target: {{type: milvus, uri: '{self.uri}'}}\n"
            f"collections: [{{to: {to}}}]\nload: {{{load}}}\n"
        )
        (self.folder / "spec.yaml").write_text(text)
        return api.load_spec(self.folder / "spec.yaml")

    def plan(self, to: str, keys: Sequence[int], mode: str) -> Plan:
        return api.make_plan(self.spec(to, keys, mode))

    @property
    def state(self) -> str:
        return f"sqlite:///{self.folder}/state.db"

    def apply(self, plan: Plan) -> Report:
        return api.apply_plan(plan, state=self.state, directory=self.folder / "mmc")

    def verify(self, plan: Plan) -> Report:
        return api.verify_plan(plan, state=self.state)

    def rows(self, name: str) -> dict[int, float]:
        """Key -> first component. Fails unless count(*) says as many, so no key is there twice."""
        with self.target() as target:
            target._client.load_collection(name)
            (facts,) = MilvusInsertSink().inspect(self._options(), [name]).collections
            found: dict[int, float] = {}
            for batch in target.read_back(facts.schema, ["id", "embedding"], None, 1000):
                vectors = [vector[0] for vector in batch["embedding"].to_pylist()]
                found.update(zip(batch["id"].to_pylist(), vectors, strict=True))
            assert target.count(facts.schema) == len(found)
        return found

    def properties(self, name: str) -> dict[str, Any]:
        with self.target() as target:
            return dict(target._client.describe_collection(name)["properties"])


def _vector(key: int, first: float) -> Any:
    return np.array([first, key, *[0.5] * (DIM - 2)], np.float32)


def both(old: Sequence[int], new: Sequence[int]) -> dict[int, float]:
    """Rows of `Desk.rows`: OLD ones, over them NEW ones."""
    return dict.fromkeys(old, OLD) | dict.fromkeys(new, NEW)
