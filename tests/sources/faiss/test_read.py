"""Extents, splits, batches and their places; memory; files that change."""

from __future__ import annotations

import itertools
import os
import random
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pytest

from mmc.arrow.schema import Origin, origin_of
from mmc.errors import SourceChanged, SourceError
from mmc.facts import Extent
from mmc.plan.codec import canonical
from mmc.plan.model import Split
from mmc.sources.faiss import extents, ids
from mmc.sources.faiss import read as reading
from mmc.sources.faiss.source import FaissSource
from mmc.spi import Sample
from tests.sources.faiss.build import (
    SAMPLE,
    bits,
    config,
    factory,
    look,
    read,
    save,
    split_of,
    truth,
    vectors,
)

D = 12
N = 900


def cut(extent: Extent, pick: random.Random) -> list[Extent]:
    """Cuts a cuttable extent at random rows, as the splits pass may."""
    if not extent.cuttable:
        return [extent]
    places = sorted(pick.sample(range(extent.start + 1, extent.stop), 5))
    bounds = [extent.start, *places, extent.stop]
    return [
        replace(extent, start=a, stop=b, rows=b - a, bytes=extent.bytes * (b - a) // N)
        for a, b in itertools.pairwise(bounds)
    ]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("Flat", {}),
        ("IDMap2,Flat", {}),
        ("HNSW8,Flat", {}),
        ("IVF9,Flat", {}),
        ("IVF9,FlatDedup", {}),
        ("IDMap,IVF9,Flat", {}),
        ("SQ8", {"allow_lossy": True}),
        ("PQ4x4fs", {"allow_lossy": True}),
        ("IVF9,PQ4x4fs", {"allow_lossy": True}),
        ("PCA6,IVF9,Flat", {"allow_lossy": True}),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_splits_cut_anywhere_give_the_whole(
    kind: str, options: dict[str, Any], seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extents, "RUN_BYTES", 6000)
    monkeypatch.setattr(extents, "LARGE_LIST", 9000)
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 2000)
    x = vectors(N, D)
    x[: N // 3] = x[: N // 3] * 0.01 + 5
    key = np.arange(N) * 3 - 40 if "IDMap" in kind else None
    path = save(factory(kind, x, ids=key), tmp_path / "a.index")
    seen = look(path, **options)
    whole = read(path, **options)
    assert len(whole.ids) == N == sum(extent.rows or 0 for extent in seen.extents)
    pick = random.Random(seed)
    pieces = [piece for extent in seen.extents for piece in cut(extent, pick)]
    assert len(pieces) > 3
    found = []
    for piece in pieces:
        part = read(
            path,
            split=Split(id="1", pieces=(piece,), rows=piece.rows, bytes=0),
            batch_rows=17,
            **options,
        )
        assert len(part.ids) == piece.rows
        found.append(part.table)
    assert pa.concat_tables(found).equals(whole.table)


def test_a_large_list_becomes_rows_and_small_ones_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extents, "RUN_BYTES", 3000)
    monkeypatch.setattr(extents, "LARGE_LIST", 9000)
    x = vectors(N, D)
    x[:500] = x[0] + vectors(500, D) * 1e-3
    index = factory("IVF9,Flat", x)
    path = save(index, tmp_path / "a.index")
    seen = look(path).extents
    large = [extent for extent in seen if extent.unit == "row"]
    runs = [extent for extent in seen if extent.unit == "list"]
    assert large and runs
    assert all(extent.cuttable for extent in large)
    assert not any(extent.cuttable for extent in runs)
    sizes = {i: index.invlists.list_size(i) for i in range(9)}
    for extent in runs:
        assert extent.rows == sum(sizes[i] for i in range(extent.start, extent.stop))
    for extent in large:
        assert extent.rows == sizes[int(str(dict(extent.locator)["list"]))]


@pytest.mark.parametrize(
    ("columns", "batch_rows"), [(["vector"], 10), (["vector", "id"], 1), (["id"], 10_000)]
)
def test_columns_as_asked(columns: Sequence[str], batch_rows: int, tmp_path: Path) -> None:
    x = vectors(N, D)
    for kind in ("Flat", "IVF9,Flat"):
        path = save(factory(kind, x), tmp_path / "a.index")
        table = read(path, columns=columns, batch_rows=batch_rows).table
        assert table.schema.names == columns
        assert len(table) == N
        assert not any(field.nullable for field in table.schema)


def test_keys_alone_do_not_touch_the_vectors(tmp_path: Path) -> None:
    """The key check reads ids only, so it decodes nothing: Faiss is not even there."""
    x = vectors(N, D)
    path = save(factory("IVF9,PQ4x4np", x), tmp_path / "a.index")
    split = split_of(look(path, allow_lossy=True))
    program = f"""
import json
import sys
sys.modules["faiss"] = None
from mmc.facts import Extent
from mmc.plan.codec import from_json
from mmc.plan.model import Split
from mmc.sources.faiss.options import FaissOptions
from mmc.sources.faiss.source import FaissSource
split = from_json(Split, json.loads({canonical(split).decode()!r}))
options = FaissOptions(type="faiss", path={path!r}, allow_lossy=True)
print(sum(b.num_rows for b in FaissSource().read(options, "a", split, ["id"], 50)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout.strip(), done.returncode) == (str(N), 0), done.stderr


def test_places_of_rows(tmp_path: Path) -> None:
    x = vectors(N, D)
    path = save(factory("IDMap,Flat", x, ids=np.arange(N) + 7), tmp_path / "a.index")
    seen = look(path)
    piece = replace(seen.extents[0], start=100, stop=200, rows=100)
    split = Split(id="1", pieces=(piece,), rows=100, bytes=0)
    batches = list(FaissSource().read(config(path), "a", split, ["id"], 30))
    assert [origin_of(b) for b in batches] == [
        Origin(path, row, "row") for row in (100, 130, 160, 190)
    ]
    index = factory("IVF9,Flat", x)
    path = save(index, tmp_path / "b.index")
    split = split_of(look(path))
    for batch in FaissSource().read(config(path), "b", split, ["id"], 30):
        place = origin_of(batch)
        number = int(place.unit.removeprefix("list:"))
        keys = faiss.rev_swig_ptr(index.invlists.get_ids(number), index.invlists.list_size(number))
        assert batch.column(0)[0].as_py() == keys[place.row]


def test_ids_of_a_map_that_is_too_long_to_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids, "IN_MEMORY", 10)
    monkeypatch.setattr(ids, "_AT_ONCE", 64)
    x = vectors(N, D)
    keys = np.random.default_rng(2).permutation(N) * 1000
    path = save(factory("IDMap,IVF9,Flat", x, ids=keys), tmp_path / "a.index")
    assert read(path).by_id() == truth(keys.tolist(), x)


def test_a_row_outside_the_id_map_is_an_error(tmp_path: Path) -> None:
    path = Path(save(factory("IDMap,IVF9,Flat", vectors(N, D), ids=range(N)), tmp_path / "a.i"))
    content = path.read_bytes()
    at = content.rindex(struct.pack("<Q", N)) - 8
    path.write_bytes(content[:at] + struct.pack("<q", N) + content[at + 8 :])
    with pytest.raises(SourceError, match=f"row {N} is not in the id map of {N} ids"):
        look(str(path))


@pytest.mark.parametrize("sample", [Sample(0, 1), Sample(1, 1), Sample(50, 1), Sample(10**6, 1)])
@pytest.mark.parametrize("kind", ["Flat", "IVF9,Flat", "BIVF9"])
def test_samples(kind: str, sample: Sample, tmp_path: Path) -> None:
    if kind.startswith("B"):
        index = faiss.index_binary_factory(64, kind)
        index.train(bits(N, 64))
        index.add(bits(N, 64))
    else:
        index = factory(kind, vectors(N, D))
    path = save(index, tmp_path / "a.index")
    first, second = look(path, sample), look(path, sample)
    assert first == second
    evidence = first.fields[1].evidence
    assert evidence.rows <= min(sample.rows, N)
    if sample.rows > N or not sample.rows:
        assert evidence.rows == min(sample.rows, N)
    if sample.rows and kind == "Flat":
        assert evidence.rows == min(sample.rows, N)
        assert first.fields[0].evidence.max_value == N - 1


def test_a_file_that_changed_since_the_plan(tmp_path: Path) -> None:
    path = save(factory("Flat", vectors(N, D)), tmp_path / "a.index")
    split = split_of(look(path))
    os.utime(path, ns=(1, 1))
    with pytest.raises(SourceChanged, match=r"a\.index: changed since the plan") as caught:
        list(FaissSource().read(config(path), "a", split, ["id"], 100))
    assert (caught.value.exit_code, caught.value.code) == (4, "MMC405")


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = save(factory("Flat", vectors(N, D)), tmp_path / "a.index")
    split = split_of(look(path))
    batches = FaissSource().read(config(path), "a", split, ["id", "vector"], 100)
    next(batches)
    os.utime(path, ns=(1, 1))
    with pytest.raises(SourceChanged):
        list(batches)


@pytest.mark.parametrize("cut", [False, True])
def test_a_side_file_that_changes_while_it_is_read(tmp_path: Path, cut: bool) -> None:
    path = save(factory("Flat", vectors(N, D)), tmp_path / "a.index")
    side = tmp_path / "a.csv"
    side.write_text("id,n\n" + "".join(f"{row},1\n" for row in range(N)))
    options = config(path, join={"path": str(side), "key": "id"})
    (seen,) = FaissSource().inspect(options, [], Sample(1, 1)).collections
    batches = FaissSource().read(options, "a", split_of(seen), ["id", "n"], 100)
    next(batches)
    side.write_text("id" if cut else side.read_text().replace(",1", ",2"))
    os.utime(side, ns=(1, 1))
    with pytest.raises(SourceChanged, match=r"a\.csv: changed since the plan"):
        list(batches)


def test_a_file_that_shrinks_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 100)
    path = save(factory("Flat", vectors(N, D)), tmp_path / "a.index")
    split = split_of(look(path))
    batches = FaissSource().read(config(path), "a", split, ["id", "vector"], 10)
    next(batches)
    os.truncate(path, 500)
    with pytest.raises(SourceChanged, match=r"a\.index: changed since the plan"):
        list(batches)


@pytest.mark.parametrize(
    ("file", "name"),
    [("words v1.5.index", "words_v1_5"), ("plain", "plain"), ("é-x.faiss", "__x")],
)
def test_names(file: str, name: str, tmp_path: Path) -> None:
    path = save(factory("Flat", vectors(3, D)), tmp_path / file)
    assert look(path).name == name
    assert FaissSource().inspect(config(path), [name], SAMPLE).collections[0].rows == 3
    with pytest.raises(SourceError, match="there is no collection 'other'") as caught:
        FaissSource().inspect(config(path), ["other"], SAMPLE)
    assert name in caught.value.hint


def test_dimensions_that_milvus_does_not_take(tmp_path: Path) -> None:
    path = save(factory("Flat", vectors(2, 40_000)), tmp_path / "a.index")
    with pytest.raises(SourceError, match="40,000 dimensions") as caught:
        look(path)
    assert caught.value.code == "MMC411"


def test_a_fsspec_url(tmp_path: Path) -> None:
    import fsspec

    x = vectors(N, D)
    for kind in ("IDMap,HNSW8,Flat", "IVF9,Flat", "IVF9,FlatDedup"):
        keys = np.arange(N)
        path = save(factory(kind, x, ids=keys), tmp_path / "a.index")
        url = f"memory://faiss-{kind.replace(',', '-')}/a.index"
        with fsspec.open(url, "wb") as file:
            file.write(Path(path).read_bytes())
        assert read(url).by_id() == truth(keys.tolist(), x)
        assert sorted(read(url, columns=["id"]).ids.tolist()) == keys.tolist()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A sparse Flat file of 1 GiB, in a process of its own, with a batch size that is too large."""
    d, rows = 256, 1 << 20
    path = tmp_path / "big.index"
    with path.open("wb") as file:
        file.write(b"IxF2" + struct.pack("<iqqqBiQ", d, rows, 0, 0, 1, 1, rows * d))
        file.truncate(45 + rows * d * 4)
    program = f"""
import resource
from mmc.plan.model import Split
from mmc.sources.faiss.options import FaissOptions
from mmc.sources.faiss.source import FaissSource
from mmc.spi import Sample
options = FaissOptions(type="faiss", path={str(path)!r})
source = FaissSource()
seen = source.inspect(options, [], Sample()).collections[0]
split = Split(id="0", pieces=seen.extents, rows=seen.rows, bytes=seen.bytes)
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(b.num_rows for b in source.read(options, seen.name, split, ["id", "vector"], 1 << 20))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(rows, (peak - start) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found, grown = (int(n) for n in done.stdout.split())
    assert found == rows
    assert grown < 96, f"{grown} MiB more"
