"""The ordered list of steps. What must be seen is loaded, then checks, then create, copy,
finish, prove.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmc.compile.draft import CollectionDraft, Draft
from mmc.compile.existing import left_out
from mmc.facts import SourceField
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CheckKeys,
    CheckStaging,
    CopySplits,
    CountCheck,
    CreateCollection,
    DigestCheck,
    ImportFiles,
    LoadCollection,
    ManifestCollection,
    Mode,
    OnDrift,
    RemoveStaged,
    Step,
    Verify,
    WriteManifest,
)
from mmc.plan.reading import Batches, Reading

STALL_SECONDS = 3600
"""Imports wait for each other on the server: none may move for this long."""


def make_steps(draft: Draft) -> Draft:
    if any(finding.is_error for finding in draft.diagnostics):
        return draft
    groups = [_steps_of(draft, collection) for collection in draft.collections]
    steps = [step for group in groups for step in group]
    checks: list[Step] = [step for step in steps if isinstance(step, CheckKeys)]
    checks += [step for step in steps if isinstance(step, CheckStaging)]
    rest = [step for step in steps if not isinstance(step, (CheckKeys, CheckStaging))]
    seen = [step for collection in draft.collections for step in _open(draft, collection)]
    if draft.facts.target.capabilities.whole_files:
        verifies = [step for step in rest if isinstance(step, Verify)]
        others = [step for step in rest if not isinstance(step, Verify)]
        named = tuple(_in_manifest(collection) for collection in draft.collections)
        rest = [*others, WriteManifest("manifest", "manifest.json", named), *verifies]
    return replace(draft, steps=(*seen, *checks, *rest))


def _open(draft: Draft, drafted: CollectionDraft) -> Iterator[LoadCollection]:
    """Loads a collection whose rows stay, and cannot all be asked for."""
    there = drafted.existing
    joins = draft.spec.model.load.mode in (Mode.APPEND, Mode.UPSERT)
    if joins and there is not None and not there.loaded:
        name = there.schema.name
        yield LoadCollection(id=f"open.{name}", collection=name, refresh=bool(there.unloaded))


def _in_manifest(drafted: CollectionDraft) -> ManifestCollection:
    assert drafted.collection is not None and drafted.layout is not None
    return ManifestCollection(
        copy=f"copy.{drafted.collection.name}",
        collection=drafted.collection,
        layout=drafted.layout,
        indexes=tuple((field, index) for field, index, _ in drafted.indexes),
    )


def _steps_of(draft: Draft, drafted: CollectionDraft) -> list[Step]:
    collection = drafted.collection
    assert collection is not None
    name = collection.name
    model = draft.spec.model
    mode = model.load.mode
    copy = CopySplits(
        id=f"copy.{name}",
        read=Reading(
            collection=drafted.source.name,
            columns=drafted.columns,
            where=drafted.spec.where or "",
            fingerprint=drafted.source.fingerprint,
            lossy=drafted.source.lossy,
            moving=drafted.source.moving and model.on_drift is not OnDrift.FAIL,
            unmapped=drafted.unmapped,
            unmapped_drop=drafted.unmapped_drop,
        ),
        collection=collection,
        mappings=drafted.mappings,
        splits=drafted.splits,
        route=drafted.route,
        reason=drafted.reason,
        write=drafted.write,
        batches=Batches(drafted.batch_rows, drafted.batch_bytes, draft.able(drafted).json_bytes),
        rest=drafted.rest,
        layout=drafted.layout,
        staging=drafted.staging,
        rows=drafted.source.rows,
        bytes=drafted.source.bytes,
    )
    steps: list[Step] = []
    there = drafted.existing if mode is not Mode.FAIL else None
    joins = there is not None and mode is not Mode.REPLACE
    appends = joins and mode is Mode.APPEND
    counted = joins and mode is Mode.UPSERT and model.verify.count != "off"
    if appends or counted or not _key_is_unique(drafted):
        steps.append(CheckKeys(id=f"keys.{name}", copy=copy.id, existing=appends, counted=counted))
    able = draft.able(drafted)
    if able.imports:
        steps.append(CheckStaging(f"stage.{name}", copy.id))
    steps += _create(drafted, mode)
    indexes: list[Step] = []
    if not able.whole_files:
        indexes += [
            BuildIndex(
                id=f"index.{name}.{field}", collection=name, field=field, index=index, note=note
            )
            for field, index, note in drafted.indexes
        ]
    if able.index_first:
        steps += indexes
    if able.load_first and not joins:
        steps.append(LoadCollection(id=f"open.{name}", collection=name, wait=False))
    steps.append(copy)
    if able.imports:
        steps.append(
            ImportFiles(
                id=f"import.{name}",
                copy=copy.id,
                collection=name,
                files=able.files_per_import,
                stall_seconds=STALL_SECONDS,
            )
        )
    if not able.index_first:
        steps += indexes
    built: list[Step] = []
    if not (able.whole_files or able.embedded) and model.load.wait_for_index:
        built.append(AwaitIndexes(f"built.{name}", name))
    if not able.load_first:
        # What is loaded before its index is there takes the memory of the bare vectors.
        steps += built
    if not able.whole_files:
        steps.append(LoadCollection(id=f"load.{name}", collection=name))
    count, digest = CountCheck(model.verify.count), DigestCheck(model.verify.digest)
    if count is not CountCheck.OFF or digest is not DigestCheck.OFF:
        steps.append(
            Verify(
                id=f"verify.{name}",
                copy=copy.id,
                collection=name,
                mode=mode,
                count=count,
                digest=digest,
            )
        )
    if able.load_first:
        steps += built
    if drafted.staging is not None and not drafted.staging.keep:
        steps.append(RemoveStaged(f"clean.{name}", copy.id))
    return steps


def _create(drafted: CollectionDraft, mode: Mode) -> Iterator[Step]:
    """Makes the collection, in the place of an old one, or checks and alters one that stays."""
    collection = drafted.collection
    assert collection is not None
    name = collection.name
    there = drafted.existing if mode is not Mode.FAIL else None
    create = CreateCollection(
        id=f"create.{name}",
        collection=collection,
        mode=mode,
        exists=there is not None,
        asked=there.asked if there else "",
        claimed=(there.run or "") if there else "",
    )
    if there is None:
        yield create
    elif mode is Mode.REPLACE:
        yield from (DropAlias(f"unalias.{alias}", name, alias) for alias in there.aliases)
        yield DropCollection(
            id=f"drop.{name}", collection=name, lost=drafted.lost, claimed=there.run or ""
        )
        keyed = any(field.partition_key for field in collection.fields)
        yield replace(
            create,
            consistency=there.consistency,
            key_partitions=there.key_partitions if keyed else 0,
        )
        yield from (CreateAlias(f"alias.{alias}", name, alias) for alias in there.aliases)
    else:
        yield replace(
            create,
            rows_before=there.rows,
            left_out=left_out(there),
            indexes=there.indexes,
            aliases=there.aliases,
        )
        if drafted.changes or drafted.new_description:
            yield AlterCollection(
                id=f"alter.{name}",
                collection=name,
                properties=drafted.changes,
                description=drafted.new_description,
            )


def _key_is_unique(drafted: CollectionDraft) -> bool:
    """Whether the source vouches for the key, or was told to keep its repeats, so that reading all
    keys first would tell nothing new.
    """
    for mapping in drafted.mappings:
        if mapping.field.primary_key:
            return mapping.generated or _vouched(drafted, mapping.column)
    return True


def _vouched(drafted: CollectionDraft, column: str) -> bool:
    found: SourceField | None = next((f for f in drafted.source.fields if f.name == column), None)
    return found is not None and (found.unique or found.repeated)
