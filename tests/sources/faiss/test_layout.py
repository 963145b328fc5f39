"""The parser: ends where the file ends, trusts nothing, names what it refuses."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmc.errors import MmcError, SourceError
from mmc.sources.faiss.kinds import CLASSES, REFUSED
from mmc.sources.faiss.layout import parse
from mmc.sources.faiss.nodes import Graph, IdMap, Ivf
from mmc.sources.faiss.source import FaissSource
from mmc.spi import Sample
from mmc.storage.urls import open_blob
from tests.sources.faiss.build import bits, config, factory, read, save, split_of, vectors

D = 8
N = 130

KINDS = [
    "Flat",
    "IDMap2,Flat",
    "HNSW4,Flat",
    "NSG4,Flat",
    "IVF4,Flat",
    "IVF4,FlatDedup",
    "IDMap,IVF4,Flat",
    "SQ8,RFlat",
    "IVF4,SQ8",
    "IVF4,PQ2x4np",
    "IVF4,PQ2x4fs",
    "PQ2x4fs",
    "RQ2x3",
    "RaBitQ",
    "PCA4,Flat",
    "Pad16,Flat",
    "BFlat",
    "BIVF4",
    "BHNSW4",
]


def build(kind: str) -> Any:
    if kind.startswith("B"):
        x = bits(N, 64)
        index = faiss.index_binary_factory(64, kind)
        index.train(x)
        index.add(x)
        return index
    x = vectors(N, D)
    if "Dedup" in kind:
        x[N // 2 :: 3] = x[1]
    return factory(kind, x, ids=np.arange(N) * 2 if "IDMap" in kind else None)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("kinds")
    return {kind: Path(save(build(kind), folder / "a.index")).read_bytes() for kind in KINDS}


def parse_file(path: Path) -> Any:
    with open_blob(str(path)) as blob:
        return parse(blob, {})


def test_every_prefix_of_every_kind_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "cut.index"
    for kind, whole in files.items():
        path.write_bytes(whole)
        parse_file(path)
        for length in {
            *range(0, min(len(whole), 140), 3),
            *range(0, len(whole), 599),
            len(whole) - 1,
        }:
            path.write_bytes(whole[:length])
            with pytest.raises(SourceError, match=re.escape(str(path))):
                parse_file(path)
            assert path.stat().st_size == length, kind


def test_bytes_after_the_end_are_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "long.index"
    for whole in files.values():
        path.write_bytes(whole + b"\0")
        with pytest.raises(SourceError, match="1 bytes follow the end of the index"):
            parse_file(path)


@pytest.mark.parametrize(
    ("content", "message", "code"),
    [
        (b"", "the file is too short", "MMC400"),
        (b"PAR1" * 20, "`PAR1` is no known kind", "MMC400"),
        (bytes(range(200, 256)), r"`\xc8\xc9\xca\xcb` is no known kind", "MMC400"),
        (b"IxF2" + bytes(60), "0 rows of 0 dimensions", "MMC401"),
        (b"IwQR" + bytes(60), "IndexIVFPQR (`IwQR` at byte 0) is not supported", "MMC402"),
        (b"IvFl" + bytes(60), "a format of old Faiss versions", "MMC402"),
    ],
)
def test_what_is_no_index(content: bytes, message: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "x.index"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        parse_file(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.code == code


def test_an_unknown_kind_inside_is_placed(files: dict[str, bytes], tmp_path: Path) -> None:
    whole = files["IDMap2,Flat"]
    path = tmp_path / "x.index"
    at = whole.index(b"IxF2")
    path.write_bytes(whole.replace(b"IxF2", b"IxZZ"))
    with pytest.raises(SourceError, match=f"`IxZZ` is no known kind \\(byte {at} of"):
        parse_file(path)


def test_sizes_that_lie_are_refused_without_an_allocation(tmp_path: Path) -> None:
    path = tmp_path / "x.index"
    header = b"IxF2" + struct.pack("<iqqqBi", 128, 1 << 60, 0, 0, 1, 1)
    path.write_bytes(header + struct.pack("<Q", (1 << 60) * 128 % (1 << 64)) + bytes(100))
    with pytest.raises(SourceError, match="the vectors"):
        parse_file(path)
    path.write_bytes(
        b"IxF2" + struct.pack("<iqqqBi", 128, 1 << 40, 0, 0, 1, 1) + struct.pack("<Q", 1 << 47)
    )
    with pytest.raises(SourceError, match="do not fit into 0"):
        parse_file(path)


def test_sizes_of_lists_that_overflow_are_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    whole = files["IVF4,Flat"]
    at = whole.index(b"full") + 12
    path = tmp_path / "x.index"
    for sizes in ([1 << 63, 1 << 63, 0, N], [(1 << 64) - 1, 1, 0, N], [1 << 40, 0, 0, 0]):
        path.write_bytes(whole[:at] + struct.pack("<4Q", *sizes) + whole[at + 32 :])
        with pytest.raises(SourceError, match="are not enough"):
            parse_file(path)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    header = b"IxMp" + struct.pack("<iqqqBi", 4, 0, 0, 0, 1, 1)
    path = tmp_path / "x.index"
    path.write_bytes(header * 400)
    with pytest.raises(SourceError, match="more than 12 indexes inside each other"):
        parse_file(path)


def test_parameters(tmp_path: Path) -> None:
    x = vectors(N, D)
    hnsw = faiss.IndexHNSWFlat(D, 24)
    hnsw.hnsw.efConstruction = 77
    hnsw.add(x)
    node = parse_file(Path(save(hnsw, tmp_path / "a.index")))
    assert isinstance(node, Graph)
    assert (node.kind, node.degree, node.ef) == ("HNSW", 24, 77)
    node = parse_file(Path(save(factory("IDMap,IVF6,Flat", x, ids=range(N)), tmp_path / "b.index")))
    assert isinstance(node, IdMap)
    assert isinstance(node.inner, Ivf)
    assert (node.inner.lists.nlist, node.inner.lists.rows) == (6, N)


def test_no_kind_is_both_read_and_refused() -> None:
    assert not set(CLASSES) & set(REFUSED)
    assert all(len(fourcc) == 4 for fourcc in {**CLASSES, **REFUSED})


FLAT_KINDS = [kind for kind in KINDS if "Q" not in kind and not kind.startswith(("PCA", "Pad"))]
"""Kinds that are read without Faiss: these must survive any bytes."""


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_mutation_is_an_error_or_a_valid_read(
    files: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    content = bytearray(files[kind])
    interesting = st.sampled_from([0, 1, 2, 3, 127, 128, 255])
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers and tables are at the front; vectors are most of the rest.
        near = st.integers(0, min(400, len(content) - 1))
        at = data.draw(st.one_of(near, st.integers(0, len(content) - 1)))
        match data.draw(st.sampled_from(["byte", "word", "cut", "repeat"])):
            case "byte":
                content[at] = data.draw(st.one_of(interesting, st.integers(0, 255)))
            case "word":
                word = data.draw(
                    st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1, len(content)])
                )
                content[at : at + 8] = struct.pack("<Q", word)
            case "cut":
                del content[at : at + data.draw(st.integers(1, 64))]
            case _:
                content[at:at] = content[at : at + data.draw(st.integers(1, 64))]
        if not content:
            break
    path = tmp_path / "mutated.index"
    path.write_bytes(content)
    if kind not in FLAT_KINDS:
        try:
            parse_file(path)
        except SourceError as error:
            assert str(path) in str(error)
        return
    options = config(str(path))
    try:
        (seen,) = FaissSource().inspect(options, [], Sample(rows=20)).collections
        rows = sum(
            batch.num_rows
            for batch in FaissSource().read(
                options, seen.name, split_of(seen), ["id", "vector"], 16
            )
        )
    except MmcError as error:
        assert isinstance(error, SourceError)
        assert str(path) in str(error)
    else:
        assert rows == seen.rows


def test_the_whole_files_are_read(files: dict[str, bytes], tmp_path: Path) -> None:
    """The seeds of the fuzzing are good files."""
    for kind in FLAT_KINDS:
        path = tmp_path / "x.index"
        path.write_bytes(files[kind])
        assert len(read(str(path)).ids) == N
