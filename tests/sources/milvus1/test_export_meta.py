"""`mmc export-meta`: what it writes, prints and refuses."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from mmc import api
from mmc.cli.main import run
from mmc.errors import MmcError
from mmc.sources.milvus1.live import live_collections
from mmc.sources.milvus1.meta.read import load_catalogue
from tests.generators.milvus1.writer import Server
from tests.servers.mariadb import MariaDB

TABLE = """\
COLLECTION  PARTITIONS  SEGMENTS  ROWS
empty       0           0         0
words       1           2         1,002
2 collections, 2 segments, 1,002 rows by the metadata
"""


def make(root: Path) -> Server:
    server = Server(root)
    words = server.collection("words", 4)
    words.segment(range(1000), np.ones((1000, 4), np.float32))
    words.partition("日本").segment([1, 2, 3], np.ones((3, 4), np.float32), deleted=[0])
    server.collection("empty", 4)
    return server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.chdir(tmp_path)
    return make(tmp_path).write("sqlite-wal")


def holds_everything(path: str, server: Server) -> None:
    found, whole = load_catalogue(path, None, {}), load_catalogue(str(server.meta), None, {})
    assert found == whole
    assert live_collections(found) == live_collections(whole)


def test_into_a_file(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export-meta", str(server.meta), "-o", "meta.json"]) == 0
    said = capsys.readouterr()
    assert said.out == TABLE + "Saved meta.json. To migrate with it, say  meta: meta.json\n"
    assert said.err == ""
    holds_everything("meta.json", server)
    assert run(["export-meta", "meta.json", "-o", "again.json"]) == 0
    assert Path("again.json").read_bytes() == Path("meta.json").read_bytes()


def test_on_stdout(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export-meta", str(server.meta)]) == 0
    said = capsys.readouterr()
    Path("meta.json").write_text(said.out, encoding="utf-8")
    holds_everything("meta.json", server)


def test_lines_for_programs(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export-meta", str(server.meta), "-o", "meta.json", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["command"] == "export-meta"
    assert lines[1:] == [
        {"type": "collection", "collection": "empty", "partitions": 0, "segments": 0, "rows": 0},
        {"type": "collection", "collection": "words", "partitions": 1, "segments": 2, "rows": 1002},
    ]


@pytest.mark.parametrize(
    "meta", ["", ", meta: db/meta.sqlite", ", meta: 'sqlite:///{{ env.PLACE }}'"]
)
def test_of_a_spec(
    server: Server, meta: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", str(server.meta))
    spec = f"version: 1\nsource: {{type: milvus1, data: db/tables{meta}}}\n"
    Path("move.yaml").write_text(spec + "target: {type: files, url: out}\n")
    assert run(["export-meta", "move.yaml", "-o", "meta.json"]) == 0
    assert capsys.readouterr().out.startswith(TABLE)
    holds_everything("meta.json", server)


def test_of_a_server_with_a_password(
    server: Server,
    mysql_database: MariaDB,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, password = mysql_database.url, mysql_database.password
    make(server.root / "other").write(url)
    place = url.replace(f":{password}@", "@")
    monkeypatch.setenv("META_PASSWORD", password)
    assert run(["export-meta", place, "-o", "meta.json", "--password", "env:META_PASSWORD"]) == 0
    holds_everything("meta.json", server)
    Path("move.yaml").write_text(
        f"version: 1\nsource:\n  type: milvus1\n  data: db/tables\n  meta: {place}\n"
        "  meta_password: {secret: env:META_PASSWORD}\ntarget: {type: files, url: out}\n"
    )
    assert run(["export-meta", "move.yaml", "-o", "again.json"]) == 0
    holds_everything("again.json", server)
    assert run(["export-meta", place]) == 1
    assert run(["export-meta", url]) == 1
    said = capsys.readouterr()
    assert "Access denied" in said.err and "MMC222" in said.err
    assert password not in said.out + said.err
    assert password not in Path("meta.json").read_text(encoding="utf-8")


def test_a_plain_password_is_not_taken_and_not_repeated(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export-meta", str(server.meta), "--password", "hunter2"]) == 64
    said = capsys.readouterr()
    assert "env:NAME" in said.err
    assert "hunter2" not in said.out + said.err


def test_problems_are_said_and_the_file_is_written(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(server.meta)) as connection:
        connection.execute("UPDATE Tables SET dimension = 0 WHERE table_id = 'words'")
        connection.execute("UPDATE TableFiles SET file_type = 7")
        connection.commit()
    assert run(["export-meta", str(server.meta), "-o", "meta.json"]) == 1
    said = capsys.readouterr()
    assert "error[MMC422]: `words` has 0 dimensions" in said.err
    assert "warning[MMC427]: `words`, partition `日本`" in said.err
    holds_everything("meta.json", server)


def test_nothing_is_written_where_nothing_can_be_read(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export-meta", "none.sqlite", "-o", "meta.json"]) == 1
    assert "none.sqlite: no such file" in capsys.readouterr().err
    assert not Path("meta.json").exists()
    assert run(["export-meta", "none.yaml", "-o", "meta.json"]) == 1
    assert "MMC101" in capsys.readouterr().err


def test_a_spec_with_another_source(tmp_path: Path) -> None:
    spec = tmp_path / "a.yaml"
    spec.write_text(
        "version: 1\nsource: {type: files, path: a.npy}\ntarget: {type: files, url: o}\n"
    )
    with pytest.raises(MmcError, match="source of type files has no metadata"):
        api.export_meta(api.load_spec(spec))
