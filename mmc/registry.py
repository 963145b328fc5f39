"""Name of a source or sink -> the plug-in that serves it, by entry points; loaded when it is asked
for.

Groups `mmc.sources` (name: the type in a spec) and `mmc.sinks` (name: `<target type>.<route>`). The
built-ins are registered the same way. Listing names loads no plug-in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, cast

from mmc.errors import PluginMissing
from mmc.types import nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

    from mmc.spi import Sink, Source

SOURCES = "mmc.sources"
SINKS = "mmc.sinks"

EXTRAS = {
    "pymilvus": "milvus",
    "milvus_lite": "milvus",
    "faiss": "faiss",
    "h5py": "hdf5",
    "elastic_transport": "elasticsearch",
    "simdjson": "elasticsearch",
    "s3fs": "s3",
    "gcsfs": "gcs",
    "adlfs": "azure",
    "ossfs": "oss",
}
"""Module that a plug-in may miss -> the extra of mmc that brings it."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A registered source or sink. `name` is `faiss` or `milvus.insert`; `package` is the
    distribution it is from.
    """

    kind: Literal["source", "sink"]
    name: str
    package: str
    version: str
    place: str


def source(type: str) -> Source:
    """A new instance of the source of this type.

    Raises:
        PluginMissing: no such source, or what it needs is not installed. The hint says what to
            install.
    """
    return cast("Source", _load(_find(SOURCES, type, "source"))())


def source_module(type: str) -> ModuleType:
    """The module that the entry point of a source names: it may have more than the source.

    Raises:
        PluginMissing: as `source`.
    """
    point = _find(SOURCES, type, "source")
    _load(point)
    return sys.modules[point.module]


def sink(target_type: str, route: str) -> Sink:
    """A new instance of the sink for `route`, in short form (`insert`) or in full
    (`milvus.insert`).

    Raises:
        PluginMissing: no such target or route, or what it needs is not installed.
    """
    name = route if route.startswith(f"{target_type}.") else f"{target_type}.{route}"
    if not routes(target_type):
        _find(SINKS, target_type, "target")
    return cast("Sink", _load(_find(SINKS, name, "route"))())


def routes(target_type: str) -> tuple[str, ...]:
    """The routes into a target, in short form (`insert`), sorted; empty for an unknown target."""
    names = (name.partition(".") for name in _found(SINKS, tuple(sys.path)))
    return tuple(sorted(route for type_, _, route in names if type_ == target_type))


def main_route(target_type: str) -> str:
    """The route that looks at a target: `insert` where there is one. "" for an unknown target."""
    found = routes(target_type)
    return "insert" if "insert" in found else next(iter(found), "")


def config_model(kind: Literal["source", "target"], type: str) -> type[BaseModel] | None:
    """The pydantic model of an endpoint's options; None for an unknown type.

    The built-ins' models are found without loading the plug-in, so that validation needs no client
    library.

    Raises:
        PluginMissing: the plug-in is there but cannot be loaded.
    """
    from mmc.spec import endpoints

    known = endpoints.SOURCES if kind == "source" else endpoints.TARGETS
    if type in known:
        return known[type]
    if kind == "source":
        return source(type).config_model if type in _found(SOURCES, tuple(sys.path)) else None
    return next((sink(type, route).config_model for route in routes(type)), None)


def types(kind: Literal["source", "target"]) -> tuple[str, ...]:
    """The types that a spec may name, sorted."""
    names = _found(SOURCES if kind == "source" else SINKS, tuple(sys.path))
    return tuple(sorted({name.partition(".")[0] for name in names} if kind == "target" else names))


def installed() -> list[Plugin]:
    """Every registered source and sink, sorted by kind and name; none is loaded."""
    return [
        Plugin(
            "source" if group == SOURCES else "sink",
            name,
            point.dist.name if point.dist else "",
            point.dist.version if point.dist else "",
            point.value,
        )
        for group in (SOURCES, SINKS)
        for name, point in sorted(_found(group, tuple(sys.path)).items())
    ]


@lru_cache(maxsize=8)
def _found(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Entry points of a group by name. `path` is `sys.path`: what is found depends on it."""
    return {point.name: point for point in entry_points(group=group)}


def _find(group: str, name: str, what: str) -> EntryPoint:
    known = _found(group, tuple(sys.path))
    if name in known:
        return known[name]
    names = sorted({key.partition(".")[0] for key in known} if what == "target" else known)
    close = nearest(name, names)
    raise PluginMissing(
        f"unknown {what} `{name}`; installed: {', '.join(names) or 'none'}",
        hint=f"did you mean {close}?"
        if close
        else "install the package that brings it: `mmc plugins` lists them",
        code="MMC660",
    )


def _load(point: EntryPoint) -> Callable[[], Any]:
    try:
        return cast("Callable[[], Any]", point.load())
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "mmc", point.module.partition(".")[0]):
            raise PluginMissing(
                f"plug-in `{point.name}` ({point.value}) does not load: {error}",
                hint="its package is broken or half installed: install it again",
                code="MMC662",
            ) from error
        extra = EXTRAS.get(missing)
        raise PluginMissing(
            f"`{point.name}` needs the module `{missing}`, which is not installed",
            hint=f"pip install 'mmc[{extra}]'" if extra else f"pip install {missing}",
            code="MMC661",
        ) from error
    except AttributeError as error:
        raise PluginMissing(
            f"plug-in `{point.name}` ({point.value}) does not load: {error}",
            hint="its package is broken or half installed: install it again",
            code="MMC662",
        ) from error
