"""Finding plug-ins by entry points, and what is said when one is missing or broken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from mmc import registry
from mmc.errors import PluginMissing
from mmc.spec import endpoints

Package = Callable[[str, str], None]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Installs a package: its entry points, and the code of its module `guest`."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(points: str, code: str) -> None:
        info = tmp_path / "guest-2.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 2.5\n")
        (info / "entry_points.txt").write_text(points)
        (tmp_path / "guest.py").write_text(code)
        monkeypatch.delitem(sys.modules, "guest", raising=False)
        registry._found.cache_clear()

    return install


CODE = """
from pydantic import BaseModel
class Options(BaseModel):
    type: str
class Lake:
    type = "lake"
    route = "pour"
    config_model = Options
"""


def test_the_built_ins_are_registered_like_any_other() -> None:
    known = {(it.kind, it.name): it.package for it in registry.installed()}
    for name in (("source", "files"), ("source", "faiss")):
        assert known[name] == "mmc"
    for name in (("sink", "milvus.insert"), ("sink", "files.files")):
        assert known[name] == "mmc"
    assert registry.source("files").type == "files"
    assert registry.routes("milvus") == ("bulk", "insert")
    assert registry.main_route("milvus") == "insert"
    assert set(registry.types("target")) >= {"files", "milvus"}


def test_a_package_of_others_is_found(package: Package) -> None:
    package("[mmc.sources]\nlake = guest:Lake\n[mmc.sinks]\nlake.pour = guest:Lake\n", CODE)
    assert registry.source("lake").type == "lake"
    assert registry.sink("lake", "pour").route == registry.sink("lake", "lake.pour").route == "pour"
    assert registry.routes("lake") == ("pour",)
    models = [registry.config_model("source", "lake"), registry.config_model("target", "lake")]
    assert all(model and issubclass(model, BaseModel) for model in models)
    (found,) = [it for it in registry.installed() if it.kind == "sink" and it.name == "lake.pour"]
    assert (found.package, found.version, found.place) == ("guest", "2.5", "guest:Lake")


def test_config_models_of_built_ins_need_no_plug_in() -> None:
    assert registry.config_model("source", "faiss") is endpoints.FaissSource
    assert registry.config_model("target", "milvus") is endpoints.MilvusTarget
    assert registry.config_model("source", "nothing") is None
    assert registry.config_model("target", "nothing") is None


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        (
            lambda: registry.source("fais"),
            "unknown source `fais`; installed: ",
            "did you mean faiss?",
        ),
        (lambda: registry.source("zzz"), "unknown source `zzz`", "mmc plugins"),
        (
            lambda: registry.sink("milvs", "insert"),
            "unknown target `milvs`",
            "did you mean milvus?",
        ),
        (lambda: registry.sink("milvus", "insrt"), "route `milvus.insrt`", "mean milvus.insert?"),
    ],
)
def test_an_unknown_name_is_answered_with_what_there_is(
    call: Callable[[], object], message: str, hint: str
) -> None:
    with pytest.raises(PluginMissing) as caught:
        call()
    assert message in str(caught.value) and hint in caught.value.hint
    assert caught.value.code == "MMC660"


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("import h5py_that_is_not_there", "pip install h5py_that_is_not_there"),
        ("raise ModuleNotFoundError('x', name='faiss.swigfaiss')", "pip install 'mmc[faiss]'"),
        ("raise ModuleNotFoundError('x', name='pymilvus')", "pip install 'mmc[milvus]'"),
    ],
)
def test_a_missing_module_is_named_with_what_brings_it(
    package: Package, code: str, hint: str
) -> None:
    package("[mmc.sources]\nlake = guest:Lake\n", code)
    with pytest.raises(PluginMissing) as caught:
        registry.source("lake")
    assert caught.value.hint == hint and caught.value.code == "MMC661"
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("code", ["", "import mmc.nowhere", "import guest.nowhere"])
def test_a_broken_plug_in_is_not_taken_for_a_missing_module(package: Package, code: str) -> None:
    package("[mmc.sources]\nlake = guest:Lake\n", code)
    with pytest.raises(PluginMissing, match=r"`lake` \(guest:Lake\) does not load") as caught:
        registry.source("lake")
    assert caught.value.code == "MMC662"


def test_listing_loads_no_client_library() -> None:
    code = (
        "import sys; from mmc import registry; registry.installed(); registry.types('target');"
        "registry.config_model('target', 'milvus');"
        "print([m for m in ('pymilvus', 'pyarrow', 'faiss', 'numpy', 'sqlalchemy', 'duckdb')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
