"""What a person types for a source -> its type and options, by asking each source that is
installed. Only names are looked at, and local folders; `inspect_source` sees whether it is so.
"""

from __future__ import annotations

from mmc import registry
from mmc.errors import MmcError, PluginMissing
from mmc.spi import Locates
from mmc.storage.filesystems import is_local, local_path
from mmc.types import JsonValue


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
        return type, found.locate(location)[0]
    fitting: dict[str, dict[str, JsonValue]] = {}
    missing: list[PluginMissing] = []
    for name in registry.types("source"):
        try:
            one = _locator(name)
        except PluginMissing as error:
            missing.append(error)
            continue
        options, fits = one.locate(location) if one is not None else ({}, False)
        if fits and options not in fitting.values():  # two names of one source say the same
            fitting[name] = options
    if len(fitting) == 1:
        return next(iter(fitting.items()))
    if fitting:
        raise MmcError(
            f"`{location}` may be of {' or '.join(fitting)}",
            hint="say which: --type " + " or ".join(fitting),
        )
    raise _unknown(location, missing)


def _locator(type: str) -> Locates | None:
    found = registry.source(type)
    return found if isinstance(found, Locates) else None


def _unknown(location: str, missing: list[PluginMissing]) -> MmcError:
    hint = "say what it is: --type " + ", ".join(registry.types("source"))
    if is_local(location) and not local_path(location).exists():
        return MmcError(f"there is no file or folder {location}", hint=hint)
    # What is not installed could not be asked, and may be what knows this place.
    hint += "".join(f"; {error} ({error.hint})" for error in missing)
    return MmcError(f"`{location}`: its name does not tell what it is", hint=hint)
