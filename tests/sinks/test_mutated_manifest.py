"""Manifests with a few values changed at random, as a source and as what a files target finds:
read, or refused. Never a traceback, and nothing outside of the folder is written, read or removed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from mmc.errors import MmcError
from mmc.plan.model import Mode, Split
from mmc.sinks.files.sink import FilesFolder, FilesSink
from mmc.sources.files.options import FilesOptions
from mmc.sources.files.source import FilesSource
from mmc.spi import Claim, Sample
from tests.layouts.batches import columns_of, rows_of
from tests.mutations import VALUES, paths
from tests.sinks.test_files import (
    DROP,
    SCHEMA,
    create,
    fill,
    finish,
    names,
    options,
    split,
    target,
    write_split,
)

PLACES: list[Any] = [
    "../outside/part-00000.parquet",
    "../outside",
    "docs/../../outside/part-00000",
    "docs/part-00000.parquet/",
    "{outside}/part-00000.parquet",
    "file://{outside}/part-00000.parquet",
    "docs",
    "manifest.json",
    "part-00000.parquet",
    "docs/part-00001.parquet",
    "docs/caf\u00e9\x07.parquet",
    "x" * 5_000,
    "x/" * 300 + "x",
]
CHANGES = ("open", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.truncate")
_guarded: list[str] = []
_touched: list[str] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _guarded and event in CHANGES:
        for argument in arguments[:2]:
            if isinstance(argument, (str, bytes, os.PathLike)):
                path = os.path.realpath(os.fsdecode(argument))
                if path.startswith(_guarded[0]):
                    _touched.append(f"{event} {path}")


sys.addaudithook(_hook)


@contextmanager
def _guard(outside: Path) -> Iterator[None]:
    before = {path: path.read_bytes() for path in outside.iterdir()}
    _guarded.append(str(outside.resolve()))
    try:
        yield
    finally:
        _guarded.clear()
    assert not _touched
    assert {path: path.read_bytes() for path in outside.iterdir()} == before


def _mutated(text: str, chance: random.Random, outside: Path) -> str:
    """The text with one to three values changed or left out; seldom some of its bytes."""
    if chance.random() < 0.1:
        data = bytearray(text.encode())
        for _ in range(chance.choice((1, 3))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return data.decode("utf-8", "surrogateescape")
    body = json.loads(text)
    every = list(paths(body))
    files = [place for place in every if place[-1] in ("path", "directory", "collection", "files")]
    for _ in range(chance.choice((1, 1, 2, 3))):
        *before, last = chance.choice(files if chance.random() < 0.5 else every)
        value = body
        try:
            for step in before:
                value = value[step]
            if isinstance(value, dict) and chance.random() < 0.1:
                value.pop(last, None)
                continue
            made = chance.choice(PLACES if last in ("path", "directory") else VALUES)
            value[last] = made.format(outside=outside) if made in PLACES else deepcopy(made)
        except (KeyError, IndexError, TypeError):
            continue  # the first change took the place of the second away
    return json.dumps(body)


def _read(folder: Path, format_: str) -> None:
    source = FilesSource()
    read = FilesOptions(type="files", manifest=str(folder / "manifest.json"))
    facts = source.inspect(read, [], Sample(100, 1))
    for collection in facts.collections:
        piece = Split(id="00000", pieces=collection.extents, rows=None, bytes=0)
        columns = [field.name for field in collection.fields]
        for batch in source.read(read, collection.name, piece, columns, 64):
            batch.validate(full=True)


def _look(folder: Path, format_: str) -> None:
    FilesSink().inspect(options(folder, format_), [])
    out = target(folder, format_)
    out.look(SCHEMA)
    out.count(SCHEMA)
    out.count_partitions(SCHEMA, ["", "p"])
    for batch in out.read_back(SCHEMA, columns_of(SCHEMA), None, 64):
        batch.validate(full=True)


def _replace(folder: Path, format_: str) -> None:
    out: FilesFolder = target(folder, format_)
    out.drop_collection(DROP)
    out.ensure(create(Mode.REPLACE), Claim("r", begun=True))
    finish(out, write_split(out, split(0), rows_of(SCHEMA, 5)))
    out.look(SCHEMA)


def _append(folder: Path, format_: str) -> None:
    target(folder, format_).ensure(create(), Claim("r", begun=False))


ACTS: tuple[Callable[[Path, str], None], ...] = (_read, _look, _append, _replace)


def _try(root: Path, format_: str, seed: int, number: int) -> int:
    """Gives how many acts were refused."""
    whole, folder, outside = root / "whole", root / "out", root / "outside"
    fill(target(whole, format_))
    outside.mkdir()
    for name in ("part-00000.parquet", "manifest.json"):
        (outside / name).write_text("theirs")
    (outside / "part-00000").touch()
    text = (whole / "manifest.json").read_text(encoding="utf-8")
    chance, refused = random.Random(seed), 0
    for round_ in range(number):
        shutil.copytree(whole, folder)
        changed = _mutated(text, chance, outside)
        data = changed.encode("utf-8", "surrogateescape")
        (folder / "manifest.json").write_bytes(data)
        around = sorted(path.name for path in root.iterdir())
        for act in ACTS:
            try:
                with _guard(outside):
                    act(folder, format_)
            except MmcError:
                refused += 1
            except Exception as error:
                raise AssertionError(f"seed {seed}, {round_}: {act.__name__}: {error!r}") from error
            if act is not _replace:
                assert names(folder) == names(whole), f"seed {seed}, {round_}: {act.__name__}"
                assert (folder / "manifest.json").read_bytes() == data
        assert sorted(path.name for path in root.iterdir()) == around
        shutil.rmtree(folder)
    return refused


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("collections", 0, "format"), "float_vector(0)"),
        (("collections", 0, "schema", "fields", 0, "name"), "\ud800"),
        (("files", 0, "sha256"), "\ud800"),
        (("files", 0, "path"), "x" * 5_000),
    ],
)
def test_what_was_found(tmp_path: Path, place: tuple[Any, ...], value: str) -> None:
    folder = tmp_path / "out"
    fill(target(folder))
    body = json.loads((folder / "manifest.json").read_text())
    *before, last = place
    inner = body
    for step in before:
        inner = inner[step]
    inner[last] = value
    (folder / "manifest.json").write_text(json.dumps(body))
    for act in (_read, _look):
        with pytest.raises(MmcError) as caught:
            act(folder, "parquet")
        assert caught.value.code in ("MMC532", "MMC533", "MMC430", "MMC431")


@pytest.mark.parametrize("format_", ["parquet", "numpy"])
def test_mutated_manifests(tmp_path: Path, format_: str) -> None:
    assert _try(tmp_path, format_, 1, 80) > 100


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 104))
@pytest.mark.parametrize("format_", ["parquet", "numpy", "json"])
def test_many_mutated_manifests(tmp_path: Path, format_: str, seed: int) -> None:
    assert _try(tmp_path, format_, seed, 1_000) > 1_000
