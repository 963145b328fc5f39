"""Data in an object store and metadata on the disk: segments are looked at in threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from mmc.compile.splits import split_extents
from mmc.sources.milvus1.options import Milvus1Options
from mmc.sources.milvus1.source import Milvus1Source
from mmc.spi import Sample
from tests.generators.milvus1 import damage
from tests.generators.milvus1.generate import generate
from tests.generators.milvus1.layout import floats
from tests.generators.milvus1.writer import Server
from tests.servers.s3 import Bucket, s3_bucket
from tests.sources.milvus1.reading import entities, inspect
from tests.sources.milvus1.test_truth import in_partitions


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_bucket() as made:
        yield made


def config_of(server: Server, bucket: Bucket, name: str, wal: str = "replay") -> Milvus1Options:
    """Uploads what the server wrote but for its metadata."""
    system = fsspec.filesystem("s3", **bucket.storage, use_listings_cache=False)
    data = []
    for number, folder in enumerate(server.tables):
        url = f"{bucket.url}/{name}/{number}/var/lib/milvus/db/tables"
        for file in folder.rglob("*"):
            if file.is_file():
                system.pipe(f"{url}/{file.relative_to(folder)}", file.read_bytes())
        data.append(f"{url}/")
    for file in server.wal.iterdir():
        system.pipe(f"{bucket.url}/{name}/wal/{file.name}", file.read_bytes())
    return Milvus1Options.model_validate(
        {
            "type": "milvus1",
            "data": data,
            "meta": str(server.meta),
            "storage": bucket.storage,
            "wal": wal,
            "wal_path": f"{bucket.url}/{name}/wal",
            "duplicates": "keep_all",
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 7, 11])
def test_every_live_row_and_no_other(tmp_path: Path, bucket: Bucket, seed: int) -> None:
    server = generate(tmp_path, seed)
    config = config_of(server, bucket, f"all-{seed}")
    truth = server.truth("replay")
    found = {one.name: one for one in Milvus1Source().inspect(config, (), Sample(20)).collections}
    assert found.keys() == truth.keys()
    for name, one in found.items():
        rows = [
            row
            for split in split_extents(one.extents, 1 << 20, None)
            for batch in Milvus1Source().read(config, name, split, ["id", "vector"], 50)
            for row in entities(batch, split.partition)
        ]
        assert Counter(rows) == Counter(in_partitions(server, name, truth[name].rows))


def test_damages_come_in_the_order_of_the_segments(tmp_path: Path, bucket: Bucket) -> None:
    server = Server(tmp_path)
    words = server.collection("words", 4)
    segments = [words.segment([i], floats(1, 4)) for i in range(8)]
    server.write()
    for segment in segments[::2]:
        damage.cut(segment.rv)
    (local,) = inspect(server).collections
    config = config_of(server, bucket, "damaged", wal="ignore")
    (found,) = Milvus1Source().inspect(config, (), Sample(20)).collections
    told = [problem.message.rpartition("/")[2] for problem in found.problems]
    assert told == [problem.message.rpartition("/")[2] for problem in local.problems]
    assert [text[: len(one.id)] for text, one in zip(told, segments[::2], strict=True)] == [
        one.id for one in segments[::2]
    ]
