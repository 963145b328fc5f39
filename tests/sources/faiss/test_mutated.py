"""Index files with bytes changed at random: read, or refused with a place. Never a traceback."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from mmc.errors import MmcError
from mmc.plan.model import Split
from mmc.sources.faiss.options import FaissOptions
from mmc.sources.faiss.source import FaissSource
from mmc.spi import Sample
from tests.sources.faiss.build import factory, save, vectors
from tests.sources.files.test_mutated import mutated

KINDS = ("Flat", "HNSW8,Flat", "IVF4,Flat")
"""Of a lossy one the decoder is Faiss, which trusts what it is given."""
ROWS = 60


def _try(folder: Path, kind: str, seed: int, number: int) -> int:
    """Reads mutated files; gives how many were refused."""
    path = Path(save(factory(kind, vectors(ROWS, 8)), folder / "a.index"))
    data, chance, refused = path.read_bytes(), random.Random(seed), 0
    options = FaissOptions(type="faiss", path=str(path))
    for round_ in range(number):
        path.write_bytes(mutated(data, chance))
        try:
            (seen,) = FaissSource().inspect(options, [], Sample(20, 1)).collections
            split = Split(id="00000", pieces=seen.extents, rows=seen.rows, bytes=seen.bytes)
            names: Sequence[str] = [field.name for field in seen.fields]
            for batch in FaissSource().read(options, "a", split, names, 25):
                batch.validate(full=True)
        except MmcError as error:
            assert "a.index" in str(error)
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, round {round_}: {error!r}") from error
    return refused


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_indexes_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    assert _try(tmp_path, kind, 1, 60) > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutated_indexes_are_read_or_refused(tmp_path: Path, kind: str, seed: int) -> None:
    assert _try(tmp_path, kind, seed, 1_000) > 0
