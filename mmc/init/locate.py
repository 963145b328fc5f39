"""What a person types for a source -> its type and options, by asking each source that is
installed. Only names are looked at, and local folders; `inspect_source` sees whether it is so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mmc import registry
from mmc.errors import MmcError, PluginMissing
from mmc.storage.filesystems import is_local, local_path
from mmc.types import JsonValue

Locate: TypeAlias = Callable[[str], tuple[dict[str, JsonValue], bool]]
"""What the module of a source's entry point may have as `locate`: the options that say a place, and
whether it has the shape of one of this source's.
"""


def locate(location: str, type: str = "") -> tuple[str, dict[str, JsonValue]]:
    """The source that a path or URL is of, and the options that say it.

    Args:
        location: without a secret in it.
        type: of the source, where it is known; "" asks all of them.

    Raises:
        MmcError: no source or several know such a place.
        PluginMissing: the source of this type is not installed.
    """
    if type:
        found = _locator(type)
        if found is None:
            raise MmcError(
                f"the source {type} does not say how a place of its own is written",
                hint="write the spec by hand: `version`, `source` and `target` are enough",
            )
        return type, found(location)[0]
    fitting: dict[str, dict[str, JsonValue]] = {}
    missing: list[PluginMissing] = []
    asked: set[Locate] = set()
    for name in registry.types("source"):
        try:
            one = _locator(name)
        except PluginMissing as error:
            missing.append(error)
            continue
        if one is None or one in asked:
            continue
        asked.add(one)
        options, fits = one(location)
        if fits:
            fitting[name] = options
    if len(fitting) == 1:
        return next(iter(fitting.items()))
    if fitting:
        raise MmcError(
            f"`{location}` may be of {' or '.join(fitting)}",
            hint="say which: --type " + " or ".join(fitting),
        )
    raise _unknown(location, missing)


def _locator(type: str) -> Locate | None:
    found: Locate | None = getattr(registry.source_module(type), "locate", None)
    return found


def _unknown(location: str, missing: list[PluginMissing]) -> MmcError:
    hint = "say what it is: --type " + ", ".join(registry.types("source"))
    if is_local(location) and not local_path(location).exists():
        return MmcError(f"there is no file or folder {location}", hint=hint)
    # What is not installed could not be asked, and may be what knows this place.
    hint += "".join(f"; {error} ({error.hint})" for error in missing)
    return MmcError(f"`{location}`: its name does not tell what it is", hint=hint)
