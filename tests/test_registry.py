"""Finding plug-ins by entry points, and what is said when one is missing or broken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from mmc import registry
from mmc.errors import MmcError, PluginMissing
from mmc.plan.model import Endpoint
from mmc.sinks.milvus.options import MilvusTargetOptions
from mmc.sources.faiss.options import FaissOptions
from mmc.spec.options import Kind, Options, codes_of
from mmc.spi import VERSION
from mmc.types import JsonValue

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
from typing import Literal
from mmc.spec.options import PLACE, Options, Problem
class LakeOptions(Options):
    type: Literal["lake"]
    depth: int = 3
    def problems(self):
        if self.depth < 0:
            yield Problem(code="MMC240", message=f"`{PLACE}` is in the air", path=("depth",))
class Lake:
    type = "lake"
    route = "pour"
"""
LAKE = """
[mmc.sources]
lake = guest:Lake
[mmc.sinks]
lake.pour = guest:Lake
[mmc.options]
source.lake = guest:LakeOptions
target.lake = guest:LakeOptions
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
    package(LAKE, CODE)
    assert registry.source("lake").type == "lake"
    assert registry.sink("lake", "pour").route == registry.sink("lake", "lake.pour").route == "pour"
    assert registry.routes("lake") == ("pour",)
    kinds: tuple[Kind, ...] = ("source", "target")
    for kind in kinds:
        model = registry.MODELS.model(kind, "lake")
        assert model and issubclass(model, Options) and model.__name__ == "LakeOptions"
        assert "lake" in registry.MODELS.types(kind)
        options = registry.options_of(kind, Endpoint("lake", (("depth", 5),)))
        assert isinstance(options, model) and options.model_dump() == {"type": "lake", "depth": 5}
    (found,) = [it for it in registry.installed() if it.kind == "sink" and it.name == "lake.pour"]
    assert (found.package, found.version, found.place) == ("guest", "2.5", "guest:Lake")


def test_models_of_built_ins() -> None:
    assert registry.MODELS.model("source", "faiss") is FaissOptions
    assert registry.MODELS.model("target", "milvus") is MilvusTargetOptions
    for kind, name in (
        ("source", "nothing"),
        ("target", "nothing"),
        ("target", "faiss"),
        ("target", "milvus.insert"),
    ):
        assert registry.MODELS.model(cast("Kind", kind), name) is None


@pytest.mark.parametrize(
    ("kind", "type", "said", "message"),
    [
        ("source", "files", {"path": 7}, r"source\.path\S*: Input should be"),
        ("source", "files", {"path": "a", "pth": "b"}, r"source\.pth: Extra inputs"),
        ("source", "files", {"path": "a", "manifest": "b"}, "reads `path` or `manifest`"),
        ("source", "faiss", {}, r"source\.path: Field required"),
        ("source", "milvus1", {"data": "a", "meta_password": {"secret": "no"}}, "meta_password.se"),
        ("target", "milvus", {"uri": "./a.db", "timeout": "soon"}, r"target\.timeout: Input"),
        ("target", "milvus", {"uri": "./a.db", "token": "hunter22"}, r"target\.token: Input"),
        ("target", "milvus", {"uri": "a.txt"}, "`target.uri` is neither a URL of Milvus nor"),
        ("target", "files", {"url": "s3://"}, "`target.url` names no bucket"),
    ],
)
def test_options_of_a_plan_that_do_not_fit(
    kind: Kind, type: str, said: dict[str, JsonValue], message: str
) -> None:
    """A plan may be edited, or of another version: its options are checked as those of a spec."""
    with pytest.raises(MmcError, match=message) as caught:
        registry.options_of(kind, Endpoint(type, tuple(said.items())))
    assert (caught.value.code, caught.value.hint) == ("MMC126", "make the plan again")
    assert "hunter22" not in str(caught.value)


def test_options_do_not_say_another_type() -> None:
    said: tuple[tuple[str, JsonValue], ...] = (("type", "opensearch"), ("url", "http://es:9200"))
    assert registry.options_of("source", Endpoint("elasticsearch", said)).type == "elasticsearch"


@pytest.mark.parametrize(
    ("kind", "type", "hint"),
    [
        ("source", "fils", "did you mean files?"),
        ("target", "milvs", "did you mean milvus?"),
        ("target", "milvus.insert", "did you mean milvus?"),
        ("target", "zzz", "mmc plugins"),
    ],
)
def test_a_plan_of_a_type_that_is_not_installed(kind: Kind, type: str, hint: str) -> None:
    with pytest.raises(PluginMissing, match=f"unknown {kind} `{type}`") as caught:
        registry.options_of(kind, Endpoint(type, ()))
    assert caught.value.code == "MMC660" and hint in caught.value.hint


def test_problems_of_the_options_of_others(package: Package) -> None:
    package(LAKE, CODE)
    with pytest.raises(MmcError, match=r"do not fit: `source\.depth` is in the air") as caught:
        registry.options_of("source", Endpoint("lake", (("depth", -1),)))
    assert caught.value.code == "MMC126"


@pytest.mark.parametrize("kind", ["source", "target"])
def test_a_plug_in_that_names_no_options(package: Package, kind: Kind) -> None:
    """As one that was made before a plug-in had a model of its own."""
    package(LAKE.partition("[mmc.options]")[0], CODE)
    for ask in (
        lambda: registry.MODELS.model(kind, "lake"),
        lambda: registry.options_of(kind, Endpoint("lake", ())),
    ):
        with pytest.raises(PluginMissing, match=f"{kind} `lake` names no options") as caught:
            ask()
        assert caught.value.code == "MMC662" and "another version of mmc" in caught.value.hint


@pytest.mark.parametrize(
    ("code", "known"),
    [("LAKE-001", True), ("LAKE-1", False), ("MMC240", False), ("POND-001", False)],
)
def test_codes_of_others_begin_with_their_type(package: Package, code: str, known: bool) -> None:
    package(LAKE, CODE.replace("depth: int", f'codes = {{"{code}": "deep"}}\n    depth: int'))
    assert ("LAKE-001" in codes_of(registry.MODELS)) is known
    if known:
        assert "MMC240" in codes_of(registry.MODELS)
        return
    with pytest.raises(PluginMissing, match=f"diagnostic code `{code}`") as caught:
        registry.options_of("source", Endpoint("lake", ()))
    assert caught.value.code == "MMC662" and "LAKE-001" in caught.value.hint


@pytest.mark.parametrize(
    ("states", "hint"),
    [(f"spi = {VERSION}", ""), ("", ""), (f"spi = {VERSION + 1}", "mmc"), ("spi = 0", "guest")],
)
def test_a_plug_in_for_another_version_of_the_seam(
    package: Package, states: str, hint: str
) -> None:
    """One that states no version was made when there was only one."""
    package(LAKE, CODE.replace("depth: int", f"{states}\n    depth: int"))
    if not hint:
        assert registry.MODELS.model("source", "lake") is not None
        return
    with pytest.raises(PluginMissing, match="source `lake` of the package guest") as caught:
        registry.MODELS.model("source", "lake")
    assert f"this mmc has version {VERSION}" in str(caught.value)
    assert caught.value.code == "MMC662"
    assert caught.value.hint == f"pip install --upgrade {hint}"


def test_options_that_do_not_load(package: Package) -> None:
    package(LAKE, "import pigeons_that_are_not_there")
    with pytest.raises(PluginMissing, match="needs the module") as caught:
        registry.MODELS.model("source", "lake")
    assert caught.value.code == "MMC661"


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
    ("extra", "code", "hint"),
    [
        ("", "import h5py_that_is_not_there", "pip install h5py_that_is_not_there"),
        ("", "raise ModuleNotFoundError('x', name='water.deep')", "pip install water"),
        (" [deep]", "raise ModuleNotFoundError('x', name='water')", "pip install 'guest[deep]'"),
    ],
)
def test_a_missing_module_is_named_with_what_brings_it(
    package: Package, extra: str, code: str, hint: str
) -> None:
    package(f"[mmc.sources]\nlake = guest:Lake{extra}\n", code)
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
    """Nor does the seam, that the options of others import."""
    code = (
        "import sys; import mmc.spi; from mmc import registry;"
        "registry.installed(); registry.types('target');"
        "[registry.MODELS.model(k, t) for k in ('source', 'target') for t in registry.types(k)];"
        "print([m for m in ('pymilvus', 'pyarrow', 'faiss', 'numpy', 'sqlalchemy', 'duckdb')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
