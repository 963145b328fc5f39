"""Inverted lists outside the index file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from mmc.errors import SourceChanged, SourceError
from mmc.sources.faiss.source import FaissSource
from tests.sources.faiss.build import (
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
N = 400


def on_disk(folder: Path, rows: int = N) -> tuple[str, np.ndarray[Any, Any]]:
    """An index whose lists are in lists.ivfdata, with more capacity than rows."""
    x = vectors(rows, D)
    index = factory("IVF6,Flat", x)
    empty = faiss.index_factory(D, "IVF6,Flat")
    empty.train(x)
    lists = faiss.OnDiskInvertedLists(6, index.code_size, str(folder / "lists.ivfdata"))
    empty.replace_invlists(lists)
    for start in range(0, rows, 37):
        empty.add(x[start : start + 37])
    capacities = [lists.lists.at(i).capacity for i in range(6)]
    assert any(capacities[i] > lists.list_size(i) for i in range(6))
    path = save(empty, folder / "a.index")
    del empty
    return path, x


def test_lists_on_disk(tmp_path: Path) -> None:
    path, x = on_disk(tmp_path)
    rows = read(path)
    assert len(rows.ids) == N
    assert rows.by_id() == truth(range(N), x)
    assert sorted(read(path, columns=["id"]).ids.tolist()) == list(range(N))
    seen = look(path)
    assert [Path(name).name for name, _ in seen.fingerprint] == ["a.index", "lists.ivfdata"]
    assert any("lists.ivfdata" in note for note in seen.notes)


def test_a_moved_index_finds_its_lists_beside_it(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    path, x = on_disk(tmp_path / "old")
    for name in ("a.index", "lists.ivfdata"):
        shutil.move(tmp_path / "old" / name, tmp_path / "new" / name)
    moved = str(tmp_path / "new" / "a.index")
    assert read(moved).by_id() == truth(range(N), x)
    with pytest.raises(SourceError, match="no such file"):
        look(path)


def test_missing_lists_are_named(tmp_path: Path) -> None:
    path, _ = on_disk(tmp_path)
    (tmp_path / "lists.ivfdata").unlink()
    with pytest.raises(SourceError, match=r"lists\.ivfdata.*not there") as caught:
        look(path)
    assert caught.value.code == "MMC404"
    assert "beside the index" in caught.value.hint


def test_lists_of_another_index_are_refused(tmp_path: Path) -> None:
    path, _ = on_disk(tmp_path)
    with (tmp_path / "lists.ivfdata").open("ab") as file:
        file.write(b"x")
    with pytest.raises(SourceError, match="was written for a file of") as caught:
        look(path)
    assert caught.value.code == "MMC404"


def test_lists_that_changed_since_the_plan(tmp_path: Path) -> None:
    path, _ = on_disk(tmp_path)
    split = split_of(look(path))
    data = tmp_path / "lists.ivfdata"
    content = data.read_bytes()
    data.write_bytes(content)
    with pytest.raises(SourceChanged, match=r"lists\.ivfdata: changed since the plan"):
        list(FaissSource().read(config(path), "a", split, ["id"], 100))


def test_lists_left_out_are_named(tmp_path: Path) -> None:
    index = factory("IVF6,Flat", vectors(N, D))
    index.own_invlists = False
    lists = index.invlists
    index.replace_invlists(None, False)
    path = save(index, tmp_path / "a.index")
    assert lists.list_size(0) >= 0
    with pytest.raises(SourceError, match="without its inverted lists") as caught:
        look(path)
    assert caught.value.code == "MMC402"
