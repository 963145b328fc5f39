"""What a person types, and the source that it is told to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmc import registry
from mmc.errors import MmcError, PluginMissing
from mmc.init.locate import locate


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("milvus/db/tables", "vectors", "written", "bare"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("vectors/a.npy", "written/manifest.json", "written/a.parquet", "bare/notes.txt"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("location", "type", "options"),
    [
        ("http://es:9200", "elasticsearch", {"url": "http://es:9200"}),
        ("https://es/", "elasticsearch", {"url": "https://es"}),
        ("https://es/articles", "elasticsearch", {"url": "https://es", "index": "articles"}),
        ("https://es/p/logs-*", "elasticsearch", {"url": "https://es/p", "index": "logs-*"}),
        ("https://es/p/", "elasticsearch", {"url": "https://es/p"}),
        ("http://es/a,b", "elasticsearch", {"url": "http://es", "index": ["a", "b"]}),
        ("http://es/%3Cx%3E", "elasticsearch", {"url": "http://es", "index": "<x>"}),
        (
            "http://me%40corp@es/a",
            "elasticsearch",
            {"url": "http://es", "auth": {"username": "me@corp"}, "index": "a"},
        ),
        ("words.index", "faiss", {"path": "words.index"}),
        ("s3://b/words.FAISS", "faiss", {"path": "s3://b/words.FAISS"}),
        ("data/*.parquet", "files", {"path": "data/*.parquet"}),
        ("s3://b/x.npy", "files", {"path": "s3://b/x.npy"}),
        ("vectors", "files", {"path": "vectors"}),
        ("written/", "files", {"manifest": "written/manifest.json"}),
        ("s3://b/out/manifest.json", "files", {"manifest": "s3://b/out/manifest.json"}),
        ("milvus", "milvus1", {"data": "milvus/db/tables"}),
        ("milvus/db", "milvus1", {"data": "milvus/db/tables"}),
        ("milvus/db/tables/", "milvus1", {"data": "milvus/db/tables"}),
        ("s3://b/db/tables", "milvus1", {"data": "s3://b/db/tables"}),
        (
            "milvus/db/meta.sqlite",
            "milvus1",
            {"data": "milvus/db/tables", "meta": "milvus/db/meta.sqlite"},
        ),
        ("mysql+pymysql://u@h/db", "milvus1", {"meta": "mysql+pymysql://u@h/db"}),
    ],
)
def test_told_by_its_shape(location: str, type: str, options: dict[str, Any]) -> None:
    assert locate(location) == (type, options)


def test_the_type_can_be_said() -> None:
    assert locate("odd.bin", "faiss") == ("faiss", {"path": "odd.bin"})
    assert locate("http://es/a", "opensearch")[0] == "opensearch"
    assert locate("es:9200/a", "opensearch")[1] == {"url": "es:9200/a"}
    assert locate("m/meta.json", "milvus1")[1] == {"data": "m/tables", "meta": "m/meta.json"}
    with pytest.raises(PluginMissing, match="unknown source `fais`"):
        locate("x", "fais")


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("bare", "its name does not tell"),
        ("http://es/a?pretty", "its name does not tell"),
        ("nowhere", "no file or folder nowhere"),
        ("http://host/x.parquet", "may be of elasticsearch or files"),
        ("milvus/db/meta.json", "may be of files or milvus1"),
    ],
)
def test_what_is_unclear_names_the_flag(location: str, said: str) -> None:
    with pytest.raises(MmcError, match=said) as raised:
        locate(location)
    assert "--type" in raised.value.hint


def test_a_source_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = registry.source

    def without(type: str) -> Any:
        if type in ("elasticsearch", "opensearch"):
            raise PluginMissing("`elasticsearch` needs x", hint="pip install 'mmc[elasticsearch]'")
        return loads(type)

    monkeypatch.setattr(registry, "source", without)
    with pytest.raises(MmcError) as raised:
        locate("http://es:9200/articles")
    assert "pip install 'mmc[elasticsearch]'" in raised.value.hint
    assert locate("words.index")[0] == "faiss"
