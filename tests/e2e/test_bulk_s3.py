"""A Milvus whose storage is a bucket: files are staged there, by S3, and imported by key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.mmc_command import mmc
from tests.e2e.test_bulk import _milvus1, _name, _verified
from tests.servers.milvus_s3 import ROOT, MilvusOnS3, milvus_on_s3

__all__ = ["milvus_on_s3"]


@pytest.mark.parametrize("format_", ["parquet", pytest.param("numpy", marks=pytest.mark.slow)])
def test_files_staged_in_the_bucket_of_milvus(
    tmp_path: Path, milvus_on_s3: MilvusOnS3, format_: str
) -> None:
    bucket = milvus_on_s3.bucket
    staging = {
        "url": f"{bucket.url}/{ROOT}-staging",
        "storage": bucket.storage,
        "format": format_,
    }
    secrets = {
        "MMC_TEST_KEY": str(bucket.storage["key"]),
        "MMC_TEST_SECRET": str(bucket.storage["secret"]),
    }
    storage = {
        **bucket.storage,
        "key": {"secret": "env:MMC_TEST_KEY"},
        "secret": {"secret": "env:MMC_TEST_SECRET"},
    }
    spec = {
        "version": 1,
        "source": _milvus1(tmp_path, _name()),
        "target": {"type": "milvus", "uri": milvus_on_s3.uri},
        "load": {"route": "bulk", "staging": {**staging, "storage": storage}},
    }
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json", env=secrets)
    verified = _verified(mmc(tmp_path, "apply", "plan.json", "--json", env=secrets))
    assert (verified["ok"], verified["rows_found"]) == (True, 238)
    text = (tmp_path / "plan.json").read_text()
    assert secrets["MMC_TEST_SECRET"] not in text
