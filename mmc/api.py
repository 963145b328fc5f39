"""The same few functions that the command line calls. Importing this module loads no client
library.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.diagnostics import Diagnostic
from mmc.errors import MmcError, PluginMissing, SpecInvalid, StateError
from mmc.plan import codec
from mmc.plan.model import Endpoint
from mmc.registry import MODELS
from mmc.saving import save_text
from mmc.spec.load import Loaded, Spec
from mmc.spec.load import load_spec as _load_spec
from mmc.spec.patterns import URL_CREDENTIALS
from mmc.spi import Sample
from mmc.state import DEFAULT_URL as DEFAULT_STATE

if TYPE_CHECKING:
    import pyarrow as pa

    from mmc.events import Emit
    from mmc.facts import Facts, SourceCollection, TokensNumbered
    from mmc.init.write import InitialSpec
    from mmc.plan.model import Plan
    from mmc.report.report import Report
    from mmc.run.stop import StopFlag
    from mmc.secrets import SecretRef
    from mmc.spi import MetaExport

DIRECTORY = Path(".mmc")
"""Where quarantine files and reports go."""


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


def inspect(spec: Spec, *, emit: Emit | None = None) -> Facts:
    """Looks at both ends of a spec, without writing.

    Args:
        emit: gets what is tried again: a target that is away is waited for, half a minute.

    Raises:
        SourceError, TargetError, SecretError, PluginMissing.
    """
    from mmc.facts import Facts
    from mmc.plan.places import place_of
    from mmc.registry import main_route, routes
    from mmc.run.inspect import inspect_source, reach_target

    model = spec.model
    if any(entry.where or any(field.expr for field in entry.fields) for entry in model.collections):
        from mmc.sql import process as sqlprocess

        sqlprocess.warm()  # it starts while the ends are looked at
    wanted = [entry.from_ for entry in model.collections if entry.from_ is not None]
    sample = Sample(model.sample.rows, model.sample.seed)
    source = inspect_source(spec.source, wanted, sample)
    names = _target_names(spec, source.collections)
    tell = emit or _silent
    target = reach_target(spec.target, main_route(spec.target.type), names, tell)
    bulk = None
    wanted_bulk = model.load.staging is not None and model.load.route != "insert"
    unable = target.capabilities.embedded or target.no_import is not None
    if wanted_bulk and "bulk" in routes(spec.target.type) and not unable:
        bulk = reach_target(spec.target, "bulk", (), tell)
    return Facts(source, target, bulk, place_of(spec.source), place_of(spec.target))


def init_spec(
    location: str,
    *,
    type: str = "",
    target: str = "",
    settings: Sequence[tuple[str, str]] = (),
    file: str = "<spec>",
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
    from mmc.storage.names import is_text
    from mmc.storage.urls import refuse_bytes

    refuse_bytes(location)
    type_, options = locate(location, type)
    stem = _stem(file) if is_text(file) else _stem("<spec>")
    data = minimal(type_, options, target or f"./{stem}.db", MODELS, settings)
    facts = inspect(checked(data, MODELS))
    engine = facts.source.version.partition(" ")[0]
    if not type and engine != type_ and engine in types("source"):
        # The address did not tell what the answer does.
        data = minimal(engine, options, target or f"./{stem}.db", MODELS, settings)
        facts = Facts(replace(facts.source, type=engine), facts.target, facts.bulk)
    return write_spec(data, facts, file, MODELS)


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
        registry.options_of("source", spec.source), wanted, path, emit or _silent
    )


def compile_plan(spec: Spec, facts: Facts) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
    """Compiles; pure and deterministic.

    Returns:
        The plan, or None when a diagnostic is an error; and all diagnostics.
    """
    from mmc.compile import compile_plan as compile_

    return compile_(spec, facts)


def make_plan(spec: Spec) -> Plan:
    """Inspects and compiles.

    Raises:
        SpecInvalid: the spec does not fit what was seen; and what `inspect` raises.
    """
    made, diagnostics = compile_plan(spec, inspect(spec))
    if made is None:
        raise SpecInvalid(diagnostics)
    return made


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Reads a plan file. Raises SpecInvalid, OSError."""
    return codec.read_plan(Path(path).read_text(encoding="utf-8"), str(path))


def write_plan(plan: Plan, path: str | os.PathLike[str]) -> None:
    """Writes a plan file, whole or not at all. Raises MmcError."""
    save_text(Path(path), codec.write_plan(plan))


def apply_plan(
    plan: Plan,
    *,
    state: str = DEFAULT_STATE,
    emit: Emit | None = None,
    directory: Path = DIRECTORY,
    stop: StopFlag | None = None,
) -> Report:
    """Does what the plan says; called again after any interruption, continues.

    Args:
        plan: from `make_plan` or `read_plan`.
        state: SQLAlchemy URL of the state store.
        emit: gets every event (`mmc.events`).
        directory: for quarantine files and reports.
        stop: set it from another thread or a signal handler to stop at the next batch.

    Raises:
        PlanStale, LeaseHeld, LeaseLost, UnfinishedRun, RowsRejected, SourceError, TargetError,
        Stopped.
    """
    from mmc.report.report import make_report
    from mmc.run.interpreter import apply_plan as apply_
    from mmc.state.store import Store

    with Store.open(state) as store:
        done = apply_(plan, store=store, emit=emit or _silent, directory=directory, stop=stop)
    return make_report(plan, done)


def unfinished_plan(spec: Spec, *, state: str = DEFAULT_STATE) -> Plan | None:
    """The plan that was made of this very spec, and whose run began to change its target and did
    not end: applying the spec again continues it. None when there is no such run.
    """
    from mmc.state.store import Access, Store
    from mmc.state.targets import target_key
    from mmc.state.unfinished import unfinished

    try:
        with Store.open(state, Access.READ) as store:
            begun = unfinished(store, target_key(spec.target), except_digest="")
    except StateError as error:
        if error.code == "MMC643":  # there is no store yet
            return None
        raise
    plans = (it.plan for it in begun if it.plan is not None)
    return next((plan for plan in plans if plan.spec_digest == spec.digest), None)


def clean_run(
    run: str, *, state: str = DEFAULT_STATE, force: bool = False, emit: Emit | None = None
) -> tuple[str, ...]:
    """Deletes the staged files of a run, and gives the URLs of those that were there.

    Raises:
        StateError: no such run, or it is not complete (then only with `force`, which forgets it).
        LeaseHeld: it is not complete, and its target is being written.
        TargetError: they cannot be deleted.
    """
    from mmc.run.clean import clean_run as clean
    from mmc.state.store import Access, Store

    with Store.open(state, Access.CHANGE) as store:
        return clean(store, run, emit or _silent, force=force)


def verify_plan(
    plan: Plan,
    *,
    state: str = DEFAULT_STATE,
    emit: Emit | None = None,
    stop: StopFlag | None = None,
) -> Report:
    """Runs only the Verify steps of an applied plan, against what its run recorded.

    Returns:
        The run's report with the verdicts of now.

    Raises:
        StateError: the plan was not applied with this state store; and what `apply_plan` raises.
    """
    from mmc.report.counts import report_of
    from mmc.report.report import make_report
    from mmc.run.interpreter import verify_plan as verify_
    from mmc.state.store import Access, Store

    with Store.open(state, Access.READ) as store:
        verdicts = verify_(plan, store=store, emit=emit or _silent, stop=stop)
        done = report_of(store, store.run(codec.digest(plan)), plan)
    return make_report(plan, replace(done, verified=verdicts))


def preview(plan: Plan, rows: int = 10) -> Sequence[tuple[str, pa.Table]]:
    """The first rows of each collection after the transform: (collection, table). Writes
    nothing.
    """
    from mmc.run.preview import preview_rows

    return preview_rows(plan, rows)


def _stem(file: str) -> str:
    return "migration" if file.startswith("<") else Path(file).stem


def _target_names(spec: Spec, collections: Sequence[SourceCollection]) -> list[str]:
    from mmc.compile.resolve import milvus_name

    said = [entry.to for entry in spec.model.collections if entry.to]
    return sorted({*said, *(milvus_name(found.name) for found in collections)})


def _silent(event: object) -> None:
    pass
