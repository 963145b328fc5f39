"""Data folders of Milvus 1.x with bytes of one file changed at random: read, or refused with a
place. Never a traceback.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.generators.milvus1.writer import Server
from tests.mutations import refusals
from tests.sources.milvus1.reading import inspect, rows_of

FILES = ("*.rv", "*.uid", "deleted_docs", "meta.sqlite")


def _try(folder: Path, name: str, seed: int, number: int) -> int:
    """Reads mutated folders; gives how many were refused."""
    server = Server(folder)
    words = server.collection("words", 4)
    words.segment(range(30), np.ones((30, 4), np.float32), deleted=[5, 0])
    server.write()
    path = next(folder.rglob(name))

    def read_all() -> int:
        errors = 0
        for found in inspect(server).collections:
            errors += any(problem.is_error for problem in found.problems)
            rows_of(server, found)
        return errors

    return refusals(path, read_all, named=(str(folder),), seed=seed, rounds=number)


@pytest.mark.parametrize("name", FILES)
def test_mutated_folders_are_read_or_refused(tmp_path: Path, name: str) -> None:
    assert _try(tmp_path, name, 1, 60) > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
@pytest.mark.parametrize("name", FILES)
def test_many_mutated_folders_are_read_or_refused(tmp_path: Path, name: str, seed: int) -> None:
    assert _try(tmp_path, name, seed, 1_000) > 0
