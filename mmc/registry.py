"""Name of a source or sink -> the plug-in that serves it, by entry points; loaded when it is asked
for.

Groups `mmc.sources` (name: the type in a spec), `mmc.sinks` (name: `<target type>.<route>`) and
`mmc.options` (name: `source.<type>`, `target.<type>`). The built-ins are registered the same way.
Listing names loads no plug-in.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import ValidationError

from mmc.errors import MmcError, PluginMissing
from mmc.spec.options import PLACE, Kind, Options
from mmc.spi import VERSION
from mmc.types import nearest
from mmc.version import DISTRIBUTION

if TYPE_CHECKING:
    from mmc.plan.model import Endpoint
    from mmc.spi import Sink, Source

SOURCES = "mmc.sources"
SINKS = "mmc.sinks"
OPTIONS = "mmc.options"


@dataclass(frozen=True, slots=True, kw_only=True)
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


class Installed:
    """The options of all plug-ins that are installed (`mmc.spec.options.Models`). No plug-in is
    loaded, so that validation needs no client library.
    """

    def types(self, kind: Kind) -> tuple[str, ...]:
        return types(kind)

    def model(self, kind: Kind, name: str) -> type[Options] | None:
        if name not in types(kind):
            return None
        point = _found(OPTIONS, tuple(sys.path)).get(f"{kind}.{name}")
        if point is None:
            raise PluginMissing(
                f"the {kind} `{name}` names no options (`{kind}.{name}` in the entry points"
                f" `{OPTIONS}`)",
                hint="its package is made for another version of mmc: install one that fits",
                code="MMC662",
            )
        model = cast("type[Options]", _load(point))
        _same_seam(model, f"{kind} `{name}`", point)
        if not _is_ours(point.module):
            _own_codes(model, name)
        return model


class _BuiltIn(Installed):
    """The options of the plug-ins of this package alone, whatever else is installed."""

    def types(self, kind: Kind) -> tuple[str, ...]:
        which = "source" if kind == "source" else "sink"
        ours = (it.name for it in installed() if it.kind == which and _is_ours(it.place))
        return tuple(sorted({name.partition(".")[0] for name in ours}))


def _is_ours(place: str) -> bool:
    """Whether an entry point leads into this package."""
    return place.partition(".")[0] == "mmc"


MODELS = Installed()
BUILT_IN = _BuiltIn()


def options_of(kind: Kind, endpoint: Endpoint) -> Options:
    """The options of an endpoint as its plug-in knows them.

    Raises:
        PluginMissing: it is not installed, or its package is broken.
        MmcError: they are none of its options: an edited plan, or one of another version (MMC126).
    """
    model = MODELS.model(kind, endpoint.type)
    if model is None:
        raise _unknown(endpoint.type, MODELS.types(kind), kind)
    try:
        options = model.model_validate({**endpoint.options, "type": endpoint.type})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in (kind, *first["loc"]))
        raise _unfit(f"{place}: {first['msg']}") from None
    for problem in options.problems():
        place = ".".join(str(part) for part in (kind, *problem.path))
        raise _unfit(problem.message.replace(PLACE, place))
    return options


def places_of(kind: Kind, endpoint: Endpoint) -> tuple[str, ...]:
    """Where an endpoint is, for people; () where its plug-in cannot tell."""
    try:
        return options_of(kind, endpoint).shown_places
    except MmcError:
        return ()


def target_folder(target: Endpoint) -> str:
    """URL of the folder that a target writes files to; "" where it writes none, or where its
    plug-in cannot tell: a plan can be drawn without it.
    """
    try:
        return options_of("target", target).parts_folder
    except MmcError:
        return ""


def _same_seam(model: type[Options], name: str, point: EntryPoint) -> None:
    """A plug-in is made for one version of the seam, and would fail in odd ways with another."""
    if model.spi == VERSION:
        return
    package = point.dist.name if point.dist else point.module.partition(".")[0]
    newer = model.spi > VERSION
    raise PluginMissing(
        f"the {name} of the package {package} is made for version {model.spi} of mmc's plug-in"
        f" interface, and this mmc has version {VERSION}",
        hint=f"pip install --upgrade {DISTRIBUTION if newer else package}",
        code="MMC662",
    )


def _own_codes(model: type[Options], name: str) -> None:
    """The codes of a package that is not ours begin with the type, so that no two mean the same."""
    for code in model.codes:
        if not re.fullmatch(rf"{re.escape(name.upper())}-\d{{3}}", code):
            raise PluginMissing(
                f"the plug-in `{name}` names a diagnostic code `{code}`",
                hint=f"its codes must look like {name.upper()}-001",
                code="MMC662",
            )


def _unfit(reason: str) -> MmcError:
    return MmcError(
        f"the options in the plan do not fit: {reason}", hint="make the plan again", code="MMC126"
    )


def types(kind: Kind) -> tuple[str, ...]:
    """The types that a spec may name, sorted."""
    names = _found(SOURCES if kind == "source" else SINKS, tuple(sys.path))
    return tuple(sorted({name.partition(".")[0] for name in names} if kind == "target" else names))


def installed() -> list[Plugin]:
    """Every registered source and sink, sorted by kind and name; none is loaded."""
    return [
        Plugin(
            kind="source" if group == SOURCES else "sink",
            name=name,
            package=point.dist.name if point.dist else "",
            version=point.dist.version if point.dist else "",
            place=f"{point.module}:{point.attr}",
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
    raise _unknown(
        name, sorted({key.partition(".")[0] for key in known} if what == "target" else known), what
    )


def _unknown(name: str, names: list[str] | tuple[str, ...], what: str) -> PluginMissing:
    close = nearest(name, names)
    return PluginMissing(
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
        wanted = f"{point.dist.name}[{','.join(point.extras)}]" if point.dist else ""
        raise PluginMissing(
            f"`{point.name}` needs the module `{missing}`, which is not installed",
            hint=f"pip install '{wanted}'" if point.extras else f"pip install {missing}",
            code="MMC661",
        ) from error
    except AttributeError as error:
        raise PluginMissing(
            f"plug-in `{point.name}` ({point.value}) does not load: {error}",
            hint="its package is broken or half installed: install it again",
            code="MMC662",
        ) from error
