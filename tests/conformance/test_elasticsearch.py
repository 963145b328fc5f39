"""Indices of a real node pass the suite of sources, under both names of the source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import elastic_transport
import pyarrow as pa
import pytest

from mmc.testing import Ability, Awkward, Client, Data, SourceSuite
from tests.conformance.tables import awkward
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import fill, fresh

MAPPING = {
    "number": {"type": "long"},
    "real": {"type": "double"},
    "text": {"type": "text"},
    "items": {"type": "long"},
    "vector": {"type": "dense_vector", "dims": 4},
}


class TestElasticsearch(SourceSuite):
    """Two shards."""

    type = "elasticsearch"
    cannot: ClassVar[Mapping[Any, str]] = {
        Awkward.NAN: "JSON has no NaN",
        Ability.FINGERPRINT: "an index has an id; what changes in it is counted, and read by"
        " another plan",
    }
    thorough = False
    plan_requests = 30
    wrong_options = (({"cloud_id": "x:eTox"}, "MMC450"),)
    node: ClassVar[ElasticsearchNode]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _node(cls, elasticsearch: ElasticsearchNode) -> None:
        cls.node = elasticsearch

    def make(self, folder: Path) -> Data:
        name = fresh("kit")
        settings = {"number_of_shards": 2, "number_of_replicas": 0}
        body = {"settings": settings, "mappings": {"properties": MAPPING}}
        self.node.request("PUT", f"/{name}", body)
        table = self._table()
        self._index(name, table)
        return Data(
            options={
                "url": self.node.url,
                "index": name,
                "auth": {"username": "reader", "password": {"secret": "env:KIT_PASSWORD"}},
            },
            tables={name: table},
            secrets={"KIT_PASSWORD": "hunter2-hunter2"},
        )

    def _table(self, start: float = 0.0) -> pa.Table:
        table = awkward(4)
        real = [
            None if x is None or math.isnan(x) else x + start if start else x
            for x in table["real"].to_pylist()
        ]
        ids = pa.array([f"d{n:02}" for n in range(len(table))])
        return table.set_column(0, "_id", ids).set_column(2, "real", pa.array(real, pa.float64()))

    def _index(self, name: str, table: pa.Table) -> None:
        fill(self.node, name, table.to_pylist())

    def change(self, data: Data) -> None:
        (name,) = data.tables
        self._index(name, self._table(0.25))

    def client(self) -> Client:
        def cut(answer: Any) -> Any:
            return type(answer)(answer.meta, answer.body[: len(answer.body) // 2])

        return Client(
            owner=elastic_transport.Transport,
            name="perform_request",
            passing=lambda: elastic_transport.ConnectionError("broken"),
            final=lambda: elastic_transport.TlsError("refused"),
            loses=cut,
        )


@pytest.mark.slow
class TestOpensearch(TestElasticsearch):
    """The other name of the same source."""

    type = "opensearch"
