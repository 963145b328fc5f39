"""Zilliz Cloud by its addresses: no cluster of it can be had in a test."""

from __future__ import annotations

import pytest

from mmc.errors import TargetError
from mmc.milvus.connect import address_of
from mmc.milvus.dialect import version_of
from mmc.milvus.zilliz import is_zilliz, no_import
from mmc.sinks.milvus.bulk.sink import MilvusBulkSink
from tests.servers.milvus_lite import options_at

CLUSTERS = [
    "https://in01-0123.aws-us-west-2.vectordb.zillizcloud.com:19530",
    "https://in03-0123.serverless.gcp-us-west1.vectordb.zillizcloud.com",
    "https://in03-0123.serverless.gcp-us-west1.cloud.zilliz.com",
    "https://in01-0123.ali-cn-hangzhou.vectordb.zilliz.com.cn:19530",
    "HTTPS://IN01-0123.AWS-US-WEST-2.VECTORDB.ZILLIZCLOUD.COM:19530/shop",
]
OTHERS = [
    "https://milvus.example:19530",
    "https://zilliz.example",
    "https://notzilliz.com",
    "https://zilliz.com.example",
    "http://localhost:19530",
    "./zilliz.com.db",
]


@pytest.mark.parametrize("uri", CLUSTERS)
def test_a_cluster_imports_no_files(uri: str) -> None:
    assert is_zilliz(uri)
    said = no_import(uri)
    assert said is not None and said.code == "MMC575"
    options = options_at(uri, timeout=0.1)
    assert address_of(options).path is None
    with pytest.raises(TargetError, match="Zilliz Cloud imports files by an API") as caught:
        MilvusBulkSink().inspect(options, [])
    assert caught.value.code == "MMC575"


@pytest.mark.parametrize("uri", OTHERS)
def test_other_addresses(uri: str) -> None:
    assert not is_zilliz(uri) and no_import(uri) is None


@pytest.mark.parametrize(
    "uri",
    [
        "https://api.cloud.zilliz.com",
        "https://api.cloud.zilliz.com.cn",
        "https://proj-0123.aws-us-west-2.api.zillizcloud.com",
    ],
)
def test_an_address_that_takes_no_rows(uri: str) -> None:
    with pytest.raises(TargetError, match="is no cluster of Zilliz Cloud") as caught:
        address_of(options_at(uri))
    assert caught.value.code == "MMC502" and "public endpoint" in caught.value.hint


def test_the_version_that_it_reports() -> None:
    assert version_of("Zilliz Cloud Vector Database(Compatible with Milvus 2.5)").text == "2.5"
