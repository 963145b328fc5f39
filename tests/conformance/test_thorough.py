"""The long form of the suites: every batch, other processes, faults at many requests."""

from __future__ import annotations

import pytest

from tests.conformance import test_elasticsearch as elasticsearch
from tests.conformance import test_faiss as faiss
from tests.conformance import test_fakes as fakes
from tests.conformance import test_files as files
from tests.conformance import test_milvus1 as milvus1
from tests.conformance import test_sinks as sinks

pytestmark = pytest.mark.slow
SHORT = (
    elasticsearch.TestElasticsearch,
    faiss.TestFaiss,
    fakes.TestKitSource,
    files.TestCsv,
    files.TestHdf5,
    files.TestJsonLines,
    files.TestParquet,
    milvus1.TestMilvus1,
    sinks.TestFiles,
    sinks.TestJson,
    sinks.TestKitTarget,
    sinks.TestNumpy,
)
for _case in SHORT:
    globals()[_case.__name__] = type(
        _case.__name__, (_case,), {"thorough": True, "__module__": __name__}
    )
