"""The examples whose target is embedded are run as they stand, on small generated data."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.e2e.mmc_command import mmc
from tests.generators.milvus1.writer import Server

EXAMPLES = Path(__file__).parents[2] / "examples"
PARTIAL = 3
ROWS = 300


def _vectors(dim: int) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(ROWS, dim)).astype(np.float32)


def _articles(data: Path) -> None:
    day = datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC)
    vectors = _vectors(16)
    vectors[7, 0] = np.nan
    table = pa.table(
        {
            "doc_id": [f"doc-{row}" for row in range(ROWS)],
            "lang": ["en" if row % 3 else "de" for row in range(ROWS)],
            "title": [f"  Title {row} " for row in range(ROWS)],
            "published": [day + datetime.timedelta(hours=row) for row in range(ROWS)],
            "internal": ["no"] * ROWS,
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 16),
        }
    )
    pq.write_table(table, data / "articles.parquet")


def _words(data: Path) -> None:
    import faiss

    index = faiss.IndexIDMap2(faiss.IndexHNSWFlat(12, 8))
    ids = np.arange(ROWS) * 3 + 100
    index.add_with_ids(_vectors(12), ids)
    faiss.write_index(index, str(data / "words.index"))
    words = pa.table({"id": ids, "word": [f"word {row}" for row in range(ROWS)]})
    pyarrow.csv.write_csv(words, data / "words.csv")


def _milvus1(data: Path) -> None:
    server = Server(data / "milvus")
    words = server.collection("words", 8, index=("HNSW", {"M": 8, "efConstruction": 100}))
    words.segment(range(200), _vectors(8)[:200], deleted=range(0, 200, 10))
    words.partition("2021-03-01").segment(
        range(199, 299), _vectors(8)[:100], deleted=range(9, 100, 10)
    )
    server.log.insert(words, range(1000, 1010), _vectors(8)[:10])
    server.write("sqlite-wal")


@pytest.mark.milvus_lite
@pytest.mark.parametrize(
    ("example", "make", "code", "rows"),
    [
        # A third is `de`; one of the others has NaN in its vector and goes to quarantine.
        ("files-to-milvus.yaml", _articles, PARTIAL, 199),
        ("faiss-to-milvus.yaml", _words, 0, ROWS),
        # A tenth is deleted, ten rows are in the log, one id is twice there.
        ("milvus1-to-milvus.yaml", _milvus1, 0, 279),
    ],
)
def test_an_example_runs_as_it_stands(
    tmp_path: Path, example: str, make: Callable[[Path], None], code: int, rows: int
) -> None:
    (tmp_path / "data").mkdir()
    make(tmp_path / "data")
    spec = str(EXAMPLES / example)
    mmc(tmp_path, "plan", spec, "-o", "plan.json")
    applied = mmc(tmp_path, "apply", "plan.json", "--json", code=code)
    (verified,) = [event for event in applied.events if event["type"] == "verified"]
    assert verified["ok"]
    assert verified["rows_found"] == rows
    assert mmc(tmp_path, "verify", "plan.json").code == 0


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_an_example_names_its_schema_and_is_in_canonical_form(example: str) -> None:
    path = EXAMPLES / example
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../schemas/mmc-v1.schema.json"
    mmc(path.parent, "fmt", "--check", example)
