"""What only some sources can do, and which there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mmc.api.plans import silent
from mmc.errors import MmcError, PluginMissing
from mmc.plan.model import Endpoint
from mmc.spec.load import Spec

if TYPE_CHECKING:
    from mmc.events import Emit
    from mmc.facts import TokensNumbered
    from mmc.registry import Plugin
    from mmc.secrets import SecretRef
    from mmc.spi import MetaExport


def plugins() -> Sequence[Plugin]:
    """Every source and sink that is installed; none is loaded."""
    from mmc.registry import installed

    return installed()


def new_plugin(
    name: str, kind: Literal["source", "sink"] = "source", *, into: str | os.PathLike[str] = ""
) -> Sequence[Path]:
    """Writes a package with a source or a target of your own, which passes the tests of
    `mmc.testing`.

    Args:
        name: its type in a spec.
        into: the folder of the package, which is not there yet; "" is `mmc-<name>` in this one.

    Returns:
        The files.

    Raises:
        MmcError: the name is none, the folder is there, or it cannot be written.
    """
    from mmc.scaffold.new import new_plugin as new

    return new(name, kind, Path(into or f"mmc-{name}"))


def export_meta(meta: Spec | str, *, password: SecretRef | None = None) -> MetaExport:
    """The metadata of a Milvus 1.x server as a meta.json, without a look at its data.

    Args:
        meta: a spec with such a source, or where the metadata are, as `source.meta` of a spec.
        password: of the metadata database, over that of the spec.

    Raises:
        SourceError, SecretError, PluginMissing; MmcError: the source of the spec has no metadata.
    """
    from mmc import registry
    from mmc.spi import ExportsMeta

    if isinstance(meta, str):
        for type_ in registry.types("source"):
            try:
                found = registry.source(type_)
            except PluginMissing:
                continue
            if isinstance(found, ExportsMeta):
                place = Endpoint(type_, tuple(sorted(found.meta_options(meta).items())))
                return found.export_meta(registry.options_of("source", place), password)
        raise MmcError("no source that is installed has metadata of its own")
    found = registry.source(meta.source.type)
    if not isinstance(found, ExportsMeta):
        raise MmcError(
            f"a source of type {meta.source.type} has no metadata to export",
            hint="give a spec of a Milvus 1.x source, or the place of the metadata",
        )
    return found.export_meta(registry.options_of("source", meta.source), password)


def number_tokens(spec: Spec, path: str, *, emit: Emit | None = None) -> TokensNumbered:
    """Reads every document for the tokens of its sparse vectors, and writes the table that numbers
    them, for `source.tokens`. Tokens of a table that is there keep their numbers; without a new one
    the file is left as it is.

    Args:
        path: of the table, which appears whole or not at all.
        emit: gets what is tried again.

    Raises:
        SourceError, TargetError, SecretError, PluginMissing, SpecInvalid; MmcError: a source of
            this type has no tokens.
    """
    from mmc import registry
    from mmc.spi import NumbersTokens

    found = registry.source(spec.source.type)
    if not isinstance(found, NumbersTokens):
        raise MmcError(
            f"a source of type {spec.source.type} has no tokens to number",
            hint="sparse vectors of Elasticsearch and OpenSearch have some",
        )
    wanted = [entry.from_ for entry in spec.model.collections if entry.from_ is not None]
    return found.number_tokens(
        registry.options_of("source", spec.source), wanted, path, emit or silent
    )
