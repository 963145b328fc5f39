"""Milvus 1.x folders through the command: planned, applied, verified, read back."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.e2e.mmc_command import mmc
from tests.generators.milvus1 import damage
from tests.generators.milvus1.generate import generate
from tests.generators.milvus1.layout import bits, floats
from tests.generators.milvus1.old import write_0_6, write_0_11
from tests.generators.milvus1.truth import Entity
from tests.generators.milvus1.writer import Server
from tests.sources.milvus1.test_truth import in_partitions


def spec_of(folder: Path, server: Server, target: str, **options: object) -> None:
    data = [str(path) for path in server.tables]
    source = {"type": "milvus1", "data": data, "meta": str(server.meta), **options}
    spec = {"version": 1, "name": "old", "source": source, "target": json.loads(target)}
    spec["rows"] = {"on_error": "quarantine"}
    (folder / "spec.yaml").write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")


def written(folder: Path) -> dict[str, list[Entity]]:
    """Rows of a files target, by collection, from its manifest and without mmc."""
    found: dict[str, list[Entity]] = {}
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for part in manifest["files"]:
        path = folder / part["path"]
        if path.is_dir():
            ids = np.load(path / "id.npy").tolist()
            vectors = list(np.load(path / "vector.npy"))
        else:
            table = pq.read_table(path)
            ids = table.column("id").to_pylist()
            kind = np.uint8 if "uint8" in str(table.schema.field("vector").type) else np.float32
            vectors = [np.array(row, kind) for row in table.column("vector").to_pylist()]
        rows = found.setdefault(part["collection"], [])
        pairs = zip(ids, vectors, strict=True)
        rows += [Entity(part["partition"], id_, row.tobytes()) for id_, row in pairs]
    return found


def finite(row: Entity, binary: bool) -> bool:
    return binary or bool(np.isfinite(np.frombuffer(row.vector, "<f4")).all())


@pytest.mark.parametrize("seed", [3, 5, 8, 13])
@pytest.mark.parametrize("format_", ["numpy", "parquet"])
def test_generated_folders_arrive(tmp_path: Path, seed: int, format_: str) -> None:
    server = generate(tmp_path / "milvus", seed, nan=True)
    target = json.dumps({"type": "files", "url": "out", "format": format_})
    spec_of(tmp_path, server, target, wal="replay", duplicates="keep_all")
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    truth = server.truth("replay")
    bad = sum(not finite(row, one.binary) for one in truth.values() for row in one.rows)
    applied = mmc(tmp_path, "apply", "plan.json", "--json", code=3 if bad else 0)
    verified = [event for event in applied.events if event["type"] == "verified"]
    assert len(verified) == len(truth)
    assert all(event["ok"] for event in verified)
    found = written(tmp_path / "out")
    for name, wanted in truth.items():
        rows = [row for row in wanted.rows if finite(row, wanted.binary)]
        assert Counter(found.get(name, [])) == Counter(in_partitions(server, name, rows))


@pytest.mark.milvus_lite
def test_partitions_deletes_and_log_into_milvus_lite(tmp_path: Path) -> None:
    from pymilvus import MilvusClient

    server = Server(tmp_path / "milvus")
    words = server.collection("words", 4, 2, ("IVF_SQ8H", {"nlist": 16}))
    words.segment(range(50), floats(50, 4), deleted=[3, 1, 3])
    words.partition("2021-03-01").segment(range(100, 120), floats(20, 4), deleted=range(20))
    words.partition("a b").segment(range(200, 230), floats(30, 4))
    server.collection("numbers", 2).segment([-(2**63), 2**63 - 1], floats(2, 2))
    server.log.insert(words, [300, 301], floats(2, 4), tag="2021-03-01")
    server.log.delete(words, [301, 200, 0])
    server.write("sqlite-wal")
    spec_of(tmp_path, server, '{"type": "milvus", "uri": "./m.db"}', wal="replay")
    shown = mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    assert "2 partitions renamed: '2021-03-01' -> 2021_03_01, 'a b' -> a_b" in shown.out + shown.err
    assert "IVF_SQ8H -> IVF_SQ8" in shown.out
    mmc(tmp_path, "apply", "plan.json")
    client = MilvusClient(str(tmp_path / "m.db"))
    try:
        client.load_collection("words")
        client.load_collection("numbers")
        counted = {
            partition: {
                row["id"]
                for row in client.query(
                    "words", filter="id >= 0", output_fields=["id"], partition_names=[partition]
                )
            }
            for partition in client.list_partitions("words")
        }
        assert counted == {
            "_default": set(range(50)) - {0, 1, 3},
            "2021_03_01": {300},
            "a_b": set(range(201, 230)),
        }
        rows = client.query("numbers", filter="id != 0", output_fields=["id"])
        assert {row["id"] for row in rows} == {-(2**63), 2**63 - 1}
    finally:
        client.close()


def test_a_damaged_folder_is_named_whole_and_nothing_is_written(tmp_path: Path) -> None:
    server = Server(tmp_path / "milvus")
    words = server.collection("words", 4)
    first = words.segment([1, 2], floats(2, 4))
    second = words.segment([2, 3], floats(2, 4))
    third = server.collection("bits", 8, 3).segment([1], bits(1, 8))
    server.log.insert(words, [9], floats(1, 4))
    server.write()
    damage.cut(first.rv)
    damage.remove(second.deleted_docs)
    damage.lose_rows(third.uid, 1, 8)
    spec_of(tmp_path, server, '{"type": "files", "url": "out"}')
    before = sorted(path for path in tmp_path.rglob("*"))
    failed = mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json", code=1)
    for named in (first.rv, second.deleted_docs, third.uid):
        assert str(named) in failed.err
    assert failed.err.count("error[MMC418]") == 3
    assert "1 inserted row and 0 deletes only in the write-ahead log" in failed.err
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("write", "version"), [(write_0_11, "0.11"), (write_0_6, "0.6")])
def test_another_layout_is_refused_by_name(tmp_path: Path, write: object, version: str) -> None:
    meta = write(tmp_path / "milvus")  # type: ignore[operator]
    text = (
        f"version: 1\nsource: {{type: milvus1, data: {tmp_path}/milvus/db/tables, meta: {meta}}}\n"
        "target: {type: files, url: out}\n"
    )
    (tmp_path / "spec.yaml").write_text(text)
    failed = mmc(tmp_path, "plan", "spec.yaml", code=1)
    assert "MMC415" in failed.err
    assert version in failed.err


def test_a_flushed_delete_after_the_plan_makes_it_stale(tmp_path: Path) -> None:
    server = Server(tmp_path / "milvus")
    segment = server.collection("words", 4).segment(range(9), floats(9, 4))
    server.write()
    spec_of(tmp_path, server, '{"type": "files", "url": "out"}')
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    damage.delete_offsets(segment, 4)
    stale = mmc(tmp_path, "apply", "plan.json", code=4)
    assert segment.id in stale.err
    assert not (tmp_path / "out").exists()


def test_keep_all_is_refused_where_rows_are_inserted_by_key(tmp_path: Path) -> None:
    server = Server(tmp_path / "milvus")
    server.collection("words", 4).segment([1, 1, 2], floats(3, 4))
    server.write()
    spec_of(tmp_path, server, '{"type": "milvus", "uri": "./m.db"}', duplicates="keep_all")
    assert "MMC527" in mmc(tmp_path, "plan", "spec.yaml", code=1).err
    assert not (tmp_path / "m.db").exists()
