"""Index files with bytes changed at random: read, or refused with a place. Never a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mmc.plan.model import Split
from mmc.sources.faiss.options import FaissOptions
from mmc.sources.faiss.source import FaissSource
from mmc.spi import Sample
from tests.mutations import refusals
from tests.sources.faiss.build import factory, save, vectors

KINDS = ("Flat", "HNSW8,Flat", "IVF4,Flat")
"""Of a lossy one the decoder is Faiss, which trusts what it is given."""
ROWS = 60


def _try(folder: Path, kind: str, seed: int, number: int) -> int:
    """Reads mutated files; gives how many were refused."""
    path = Path(save(factory(kind, vectors(ROWS, 8)), folder / "a.index"))
    options = FaissOptions(type="faiss", path=str(path))

    def read_all() -> None:
        (seen,) = FaissSource().inspect(options, [], Sample(20, 1)).collections
        split = Split(id="00000", pieces=seen.extents, rows=seen.rows, bytes=seen.bytes)
        names: Sequence[str] = [field.name for field in seen.fields]
        for batch in FaissSource().read(options, "a", split, names, 25):
            batch.validate(full=True)

    return refusals(path, read_all, named=("a.index",), seed=seed, rounds=number)


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_indexes_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    assert _try(tmp_path, kind, 1, 60) > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutated_indexes_are_read_or_refused(tmp_path: Path, kind: str, seed: int) -> None:
    assert _try(tmp_path, kind, seed, 1_000) > 0
