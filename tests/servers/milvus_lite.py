"""How a test opens an embedded Milvus Lite: in its own folder, by the sink itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmc.plan.mapping import (
    Constant,
    Mapping,
)
from mmc.plan.model import CopySplits, CreateCollection, Mode, Split, Write
from mmc.plan.reading import Batches, Reading
from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from mmc.sinks.milvus.insert.target import InsertTarget
from mmc.sinks.milvus.options import MilvusTargetOptions
from mmc.types import Collection


def options_at(uri: str, **more: Any) -> MilvusTargetOptions:
    """Options of a target at this address, as a plug-in gets them."""
    return MilvusTargetOptions.model_validate({"type": "milvus", "uri": uri, **more})


def lite_options(folder: Path, database: str = "") -> MilvusTargetOptions:
    """Options of an embedded target in `folder`."""
    return options_at(str(folder / "test.db"), database=database)


@contextmanager
def open_lite(folder: Path, database: str = "") -> Iterator[InsertTarget]:
    """An open target in `folder`; closed, flushed and unlocked at the end."""
    with MilvusInsertSink().open(lite_options(folder, database)) as target:
        yield target


def create_step(
    collection: Collection, mode: Mode = Mode.FAIL, *, exists: bool = False
) -> CreateCollection:
    return CreateCollection(id="create", collection=collection, mode=mode, exists=exists)


def copy_step(
    collection: Collection, write: str = "insert", batch_bytes: int = 8 * 2**20
) -> CopySplits:
    """A copy step with only what a writer reads filled in; every value is null."""
    return CopySplits(
        id="copy",
        read=Reading(collection="s", columns=()),
        collection=collection,
        mappings=tuple(Mapping(field=field, origin=Constant(None)) for field in collection.fields),
        splits=(),
        route="milvus.insert",
        reason="",
        write=Write(write),
        batches=Batches(1000, batch_bytes),
    )


def a_split(partition: str = "") -> Split:
    return Split(id="00000", pieces=(), rows=None, bytes=0, partition=partition)
