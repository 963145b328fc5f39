"""Texts of specs: read, checked, formatted, written for a source; and their JSON Schema."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.api.plans import inspect
from mmc.errors import MmcError, SpecInvalid
from mmc.registry import BUILT_IN, MODELS
from mmc.spec.load import Loaded, Spec
from mmc.spec.load import load_spec as _load_spec
from mmc.spec.patterns import URL_CREDENTIALS

if TYPE_CHECKING:
    from mmc.events import Emit
    from mmc.init.write import InitialSpec
    from mmc.spec.options import Kind


def check_spec(
    path: str | os.PathLike[str],
    *,
    variables: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Loaded:
    """Parses, renders and checks a spec, without any network.

    Args:
        path: a YAML file.
        variables: values for `{{ vars.NAME }}`, over those of the spec.
        env: values for `{{ env.NAME }}`; the process's environment when None.

    Returns:
        The spec (None when it has errors) and all diagnostics.
    """
    return _load_spec(path, variables=variables or {}, env=env, models=MODELS)


def load_spec(
    path: str | os.PathLike[str],
    *,
    variables: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Spec:
    """As `check_spec`, for callers that want the spec or an exception.

    Raises:
        SpecInvalid: with every diagnostic.
    """
    loaded = check_spec(path, variables=variables, env=env)
    if loaded.spec is None:
        raise SpecInvalid(loaded.diagnostics)
    return loaded.spec


def format_spec(text: str, file: str = "<spec>") -> str:
    """A spec in canonical form; comments are kept.

    Raises:
        SpecInvalid: it is not YAML, or cannot be written again without a change of meaning.
    """
    from mmc.spec.format import format_spec as format_

    return format_(text, MODELS, file)


def spec_schema(*, built_in: bool = False) -> str:
    """The JSON Schema of specs as text, with the options of all installed plug-ins, or of the
    built-in ones alone.

    Raises:
        PluginMissing: the options of a plug-in do not load.
    """
    from mmc.spec import schema

    return schema.text(schema.of_installed(BUILT_IN if built_in else MODELS))


def option_table(kind: Kind, type: str) -> str:
    """The options of a source or target as a table of Markdown.

    Raises:
        MmcError: there is none of this type.
    """
    from mmc.spec import tables

    model = MODELS.model(kind, type)
    if model is None:
        raise MmcError(f"no {kind} `{type}` is installed", hint="`mmc plugins` lists them")
    return tables.option_table(model)


def plan_schema() -> str:
    """The JSON Schema of plan files as text."""
    from mmc.plan import codec
    from mmc.spec import schema

    return schema.text(codec.plan_schema())


def init_spec(
    location: str,
    *,
    type: str = "",
    target: str = "",
    settings: Sequence[tuple[str, str]] = (),
    file: str = "<spec>",
    emit: Emit | None = None,
) -> InitialSpec:
    """Looks at a source, and writes the spec that migrates all of it, without writing anywhere.

    Args:
        location: address, file or folder of the source.
        type: of the source, where the location does not tell it.
        target: address of a Milvus server, a path that ends in .db, or a folder for files; "" is an
            embedded Milvus named like `file`.
        settings: (dotted key, value) pairs of the spec, such as `("source.auth.api_key",
            "env:ES_API_KEY")`.
        file: names the text in diagnostics.
        emit: gets what is tried again.

    Raises:
        MmcError: no source knows such a location, or it has credentials in it.
        SpecInvalid: what `settings` say does not go into a spec, or no collection can be migrated.
        SourceError, TargetError, SecretError, PluginMissing: as `inspect`.
    """
    if URL_CREDENTIALS.search(location):
        raise MmcError(
            "the address has a password or a key in it",
            hint="leave it out, as in https://reader@host:9200, and add "
            "--set source.auth.password=env:NAME",
            code="MMC222",
        )
    from mmc.facts import Facts
    from mmc.init.locate import locate
    from mmc.init.minimal import checked, minimal
    from mmc.init.write import write_spec
    from mmc.registry import types
    from mmc.storage.names import is_text, refuse_bytes

    refuse_bytes(location)
    type_, options = locate(location, type)
    stem = _stem(file) if is_text(file) else _stem("<spec>")
    data = minimal(type_, options, target or f"./{stem}.db", MODELS, settings)
    facts = inspect(checked(data, MODELS), emit=emit)
    engine = facts.source.version.partition(" ")[0]
    if not type and engine != type_ and engine in types("source"):
        # The address did not tell what the answer does.
        data = minimal(engine, options, target or f"./{stem}.db", MODELS, settings)
        facts = Facts(
            source=replace(facts.source, type=engine), target=facts.target, bulk=facts.bulk
        )
    return write_spec(data, facts, file, MODELS)


def _stem(file: str) -> str:
    return "migration" if file.startswith("<") else Path(file).stem
