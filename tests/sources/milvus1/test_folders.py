"""Data folders that are not what they should be: one error, with the folder that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmc.errors import SourceError
from mmc.facts import SourceFacts
from mmc.sources.milvus1.options import Milvus1Options
from mmc.sources.milvus1.source import Milvus1Source
from mmc.spi import Sample
from mmc.storage.filesystems import above
from tests.generators.milvus1.layout import floats
from tests.generators.milvus1.writer import Server
from tests.sources.milvus1.reading import inspect


def look(data: object, meta: str = "") -> SourceFacts:
    options = Milvus1Options.model_validate({"type": "milvus1", "data": data, "meta": meta})
    return Milvus1Source().inspect(options, (), Sample(rows=10))


@pytest.fixture
def server(tmp_path: Path) -> Server:
    made = Server(tmp_path / "milvus")
    words = made.collection("words", 4)
    for first in range(5):
        words.segment([first], floats(1, 4))
    return made.write()


@pytest.mark.parametrize("near", ["milvus", "milvus/db", "milvus/db/tables/words"])
def test_a_folder_nearby_is_told_from_the_data_folder(
    tmp_path: Path, server: Server, near: str
) -> None:
    with pytest.raises(SourceError, match="holds none of the folders") as caught:
        look(str(tmp_path / near), str(server.meta))
    assert (caught.value.code, caught.value.hint) == ("MMC423", f"did you mean {server.tables[0]}?")
    assert "words" in str(caught.value)


def test_an_empty_folder_and_none(tmp_path: Path, server: Server) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="empty: holds none of the folders that the metadata"):
        look(str(tmp_path / "empty"), str(server.meta))
    for data in (str(tmp_path / "no"), [str(server.tables[0]), str(tmp_path / "no")]):
        with pytest.raises(SourceError, match="no: there is no such data folder") as caught:
            look(data, str(server.meta))
        assert caught.value.code == "MMC423"
    with pytest.raises(SourceError, match="sqlite: is a file, not a data folder"):
        look(str(server.meta), str(server.meta))


def test_a_server_without_segments_needs_no_folder(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.collection("words", 4)
    server.write()
    server.tables[0].rmdir()
    (found,) = inspect(server).collections
    assert (found.rows, found.problems) == (0, ())


def test_ways_to_write_the_same_folder(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "milvus"))
    folder = server.tables[0]
    for data in (
        str(folder),
        f"{folder}///",
        f"file://{folder}/",
        "milvus/db/tables",
        "./milvus/db/../db/tables",
        "~/db/tables",
        [str(folder), f"{folder}/"],
        [f"file://{folder}", str(folder)],
    ):
        (found,) = look(data).collections
        assert (found.rows, [p.message for p in found.problems if p.is_error]) == (5, [])


def test_the_folder_above() -> None:
    assert above("/a/b") == "/a"
    assert above("tables") == "."
    assert above(".") == ".."
    assert above("s3://bucket/a/b") == "s3://bucket/a"
    assert above("s3://bucket/a/") == "s3://bucket"
    assert above("s3://bucket") == "s3://bucket"
