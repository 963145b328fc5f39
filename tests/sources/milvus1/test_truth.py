"""Every row of generated directories, against what their writer says is in them."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from mmc.facts import SourceCollection
from mmc.sources.milvus1.names import partition_names
from mmc.text import many
from tests.generators.milvus1.generate import generate, seeds
from tests.generators.milvus1.truth import Entity, Truth
from tests.generators.milvus1.writer import Server
from tests.sources.milvus1.reading import inspect, newest, rows_of


@pytest.mark.parametrize("seed", seeds(60))
@pytest.mark.parametrize("wal", ["ignore", "replay"])
def test_every_live_row_and_no_other(tmp_path: Path, seed: int, wal: str) -> None:
    server = generate(tmp_path, seed, nan=seed % 3 == 0)
    pick = random.Random(seed)
    options = {"wal": wal, "duplicates": "keep_all"}
    found = {one.name: one for one in inspect(server, **options).collections}
    truth = server.truth(wal)
    assert found.keys() == truth.keys()
    for name, wanted in truth.items():
        rows = rows_of(
            server,
            found[name],
            split_bytes=pick.choice([64, 1000, 1 << 20]),
            batch_rows=pick.choice([1, 7, 1000]),
            **options,
        )
        assert Counter(rows) == Counter(in_partitions(server, name, wanted.rows))
        assert found[name].rows == len(wanted.rows)
        check_fields(found[name], wanted)
        assert found[name].partitions == tuple(sorted({*names_of(server, name).values()} - {""}))


@pytest.mark.parametrize("seed", seeds(30))
def test_keep_last_keeps_the_newest_row_of_an_id(tmp_path: Path, seed: int) -> None:
    server = generate(tmp_path, seed)
    options = {"wal": "replay", "duplicates": "keep_last", "partition_field": "tag"}
    for one in inspect(server, **options).collections:
        wanted = server.truth("replay")[one.name]
        rows = rows_of(server, one, split_bytes=500, batch_rows=3, **options)
        assert Counter(rows) == newest(wanted.rows)
        assert one.partitions == ()
        assert one.fields[0].unique


@pytest.mark.parametrize("seed", seeds(30))
def test_fail_and_stop_name_what_is_there(tmp_path: Path, seed: int) -> None:
    server = generate(tmp_path, seed)
    pending = server.pending()
    stopped = {one.name: one for one in inspect(server).collections}
    for name, found in stopped.items():
        texts = [p.message for p in found.problems if p.code == "MMC417"]
        if name in pending:
            (text,) = texts
            assert many(pending[name].inserts, "inserted row") in text
            assert many(pending[name].deletes, "delete") in text
        else:
            assert texts == []
    for found in inspect(server, wal="ignore").collections:
        ids = Counter(row.id for row in server.truth()[found.name].rows)
        several = [id_ for id_, count in ids.items() if count > 1]
        texts = [p.message for p in found.problems if p.code == "MMC419"]
        assert len(texts) == bool(several)
        if several:
            assert f"{many(len(several), 'id')} in more than one live row" in texts[0]
            assert f"such as {min(several)}:" in texts[0]


def check_fields(found: SourceCollection, wanted: Truth) -> None:
    kind = "binary_vector" if wanted.binary else "float_vector"
    assert found.fields[1].vector == f"{kind}({wanted.dim})"
    index = found.fields[1].index
    assert index is not None
    name = wanted.metric.name
    assert index.metric == ("JACCARD" if name == "TANIMOTO" else name)


def names_of(server: Server, name: str) -> dict[str, str]:
    """By tag."""
    collection = next(c for c in server.collections if c.name == name and not c.state)
    return partition_names([p.tag for p in collection.partitions if not p.state])


def in_partitions(server: Server, name: str, rows: list[Entity]) -> list[Entity]:
    names = names_of(server, name)
    return [row._replace(tag=names.get(row.tag, "")) for row in rows]
