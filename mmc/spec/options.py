"""What the options of a source or target are made of. A plug-in derives one model from `Options`,
in a module that imports no client, and names it in the entry point group `mmc.options`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal, Protocol, get_args

from pydantic import JsonValue

from mmc.diagnostics import CODES
from mmc.errors import MmcError
from mmc.plan.model import Endpoint
from mmc.plan.places import place_of
from mmc.spec.models import Model, Secret

__all__ = [
    "PLACE",
    "Models",
    "Options",
    "Problem",
    "Secret",
    "Storage",
    "codes_of",
    "odd_folder",
    "stored",
]

Kind = Literal["source", "target"]
Storage = dict[str, Secret | JsonValue]
"""Options of the file system, by fsspec's names, such as `{key: {secret: env:KEY}, endpoint_url:
"http://..."}`.
"""
PLACE = "{place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with options that each fit alone.

    Attributes:
        message: `PLACE` in it stands for the path in the spec.
        path: of the option, below the endpoint.
        key: it is about the name at `path`, not its value.
    """

    code: str
    message: str
    path: tuple[str | int, ...] = ()
    hint: str = ""
    key: bool = False


class Options(Model):
    """Base of the options of every source and target. Defaults, docs and checks of each option
    stand in the derived model; its `type` is a Literal.
    """

    codes: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """The diagnostic codes of this plug-in, with their titles: `<TYPE>-nnn`, such as `SQLITE-001`.
    Those of mmc itself are `MMCnnn`.
    """
    spi: ClassVar[int] = 1
    """The version of `mmc.spi` that this plug-in is made for. One that states none is of the time
    when there was no other.
    """
    type: str

    def problems(self) -> Iterator[Problem]:
        """What is wrong across options, for `validate` and before a plan of these runs."""
        yield from ()

    @property
    def shown_places(self) -> tuple[str, ...]:
        """Where it is, for people: addresses and paths, without secrets."""
        return ()

    def identity(self) -> str:
        """A target: what two plans for the same place have in common. Its lease and its runs are
        known by it, so it stays the same from version to version.
        """
        said = self.model_dump(mode="json", by_alias=True, exclude={"type"})
        return place_of(Endpoint(self.type, tuple(sorted(said.items()))))

    @classmethod
    def at(cls, address: str) -> tuple[dict[str, JsonValue], bool] | None:
        """A target: the options that say this address, and whether it has the shape of one of its
        own alone; None where it is none.
        """
        return None

    @property
    def parts_folder(self) -> str:
        """A target: URL of the folder that it writes files to; "" where it writes none."""
        return ""

    @property
    def layout_manifest(self) -> str:
        """URL of the manifest by which a source reads files in an import layout; "" for others."""
        return ""

    @property
    def earlier_plans(self) -> tuple[str, ...]:
        """A source: files of saved plans whose rows are not read again (`mmc.spi.ReadsAfter`)."""
        return ()

    def url_of(self, file: str) -> str:
        """A source: the URL of a file as a fingerprint of its facts names it."""
        return file


class Models(Protocol):
    """The options of all installed plug-ins."""

    def types(self, kind: Kind) -> Sequence[str]:
        """The types that a spec may name."""

    def model(self, kind: Kind, name: str) -> type[Options] | None:
        """The options of a type; None when it is not installed. Raises PluginMissing."""


def codes_of(models: Models) -> Mapping[str, str]:
    """Every diagnostic code and its title: of mmc, and of each plug-in whose options load."""
    codes = dict(CODES)
    for kind in get_args(Kind):
        for name in models.types(kind):
            try:
                model = models.model(kind, name)
            except MmcError:
                continue
            codes.update(model.codes if model is not None else {})
    return codes


def odd_folder(url: str) -> tuple[str, str] | None:
    """What is wrong with the URL of a folder that is written to, and a hint. On an object store it
    has a bucket, and names between slashes: a key with nothing there is another one for each
    client.
    """
    scheme, mark, rest = url.partition("://")
    if not mark or scheme == "file" or "::" in url:
        return None
    bucket, _, key = rest.partition("/")
    if not bucket:
        return "names no bucket", f"write {scheme}://BUCKET/PREFIX"
    if key.startswith("/") or "//" in key:
        return "has an empty part in its path", f"write {scheme}://{re.sub('/{2,}', '/', rest)}"
    return None


def stored(storage: Storage) -> Mapping[str, JsonValue]:
    """As plain data, with references to secrets as they stand in a plan."""
    return {
        name: value.model_dump() if isinstance(value, Secret) else value
        for name, value in storage.items()
    }
