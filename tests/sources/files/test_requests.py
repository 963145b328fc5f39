"""How often a store is asked for a small file. A request takes some 50 ms there, however few bytes
it brings.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import aiohttp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.plan.model import Split
from mmc.spi import Sample
from mmc.storage.urls import join_url, open_atomic
from tests.servers.s3 import Bucket
from tests.sources.files.reading import SOURCE, config
from tests.storage.stores import STARTS, folder

__all__ = ["folder"]

VECTORS = np.random.default_rng(7).normal(size=(50, 8)).astype(np.float32)


def _npy() -> bytes:
    np.save(file := io.BytesIO(), VECTORS)
    return file.getvalue()


def _parquet() -> bytes:
    """Five row groups."""
    column = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.ravel()), 8)
    table = pa.table({"id": range(50), "vector": column})
    pq.write_table(table, file := io.BytesIO(), row_group_size=10)
    return file.getvalue()


def _lines() -> bytes:
    rows = ({"id": n, "vector": vector.tolist()} for n, vector in enumerate(VECTORS))
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _csv() -> bytes:
    return b"id,text\n" + b"".join(b"%d,text %d\n" % (n, n) for n in range(50))


FILES: dict[str, Callable[[], bytes]] = {
    "a.npy": _npy,
    "a.parquet": _parquet,
    "a.jsonl": _lines,
    "a.csv": _csv,
    "a.fvecs": lambda: b"".join(np.int32(8).tobytes() + vector.tobytes() for vector in VECTORS),
}


@pytest.fixture(scope="module", params=["s3", "gcs"])
def store(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    with STARTS[request.param]() as made:
        yield made


@contextmanager
def counted(store: Bucket) -> Iterator[Counter[str]]:
    """Requests by what they are for; the clients of both stores send them by aiohttp. Of one
    question for facts gcsfs makes two or three, of which the first answer counts.
    """
    asked: Counter[str] = Counter()
    send = aiohttp.ClientSession._request

    async def count(session: Any, method: str, url: Any, **options: Any) -> Any:
        if "range" in {name.lower() for name in options.get("headers") or ()}:
            asked["content"] += 1
        elif store.url.startswith("s3:"):
            asked["facts"] += 1
        return await send(session, method, url, **options)

    with patch.object(aiohttp.ClientSession, "_request", count):
        yield asked


@pytest.mark.parametrize("name", FILES)
def test_a_small_file_takes_few_requests(store: Bucket, folder: str, name: str) -> None:
    url = join_url(folder, name)
    with open_atomic(url, store.storage) as file:
        file.write(FILES[name]())
        file.commit()
    options = config(url, storage=store.storage)
    with counted(store) as asked:
        (collection,) = SOURCE.inspect(options, [], Sample()).collections
    known = store.url.startswith("s3:")
    # What the path is, and what the file is.
    assert asked == {"content": 1, **({"facts": 2} if known else {})}
    split = Split(id="00000", pieces=collection.extents, rows=50, bytes=0)
    columns = [field.name for field in collection.fields]
    with counted(store) as asked:
        batches = list(SOURCE.read(options, collection.name, split, columns, 1000))
    assert sum(batch.num_rows for batch in batches) == 50
    # Whether it is the planned one, before the first piece and after each.
    pieces = 5 if name == "a.parquet" else 1
    assert asked["facts"] == (1 + pieces if known else 0)
    # A file that is asked for again is fetched again, unless it is the same one.
    assert asked["content"] == 1
