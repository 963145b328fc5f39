"""A step in a few words."""

from __future__ import annotations

from typing import assert_never

from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CheckKeys,
    CheckStaging,
    CopySplits,
    CreateCollection,
    ImportFiles,
    LoadCollection,
    RemoveStaged,
    Step,
    Verify,
    WriteManifest,
)


def label_of(step: Step) -> str:
    """A step in a few words, for events."""
    match step:
        case DropAlias():
            return f"drop alias {step.alias} of {step.collection}"
        case DropCollection():
            return f"drop {step.collection}"
        case CreateAlias():
            return f"create alias {step.alias} of {step.collection}"
        case AlterCollection():
            return f"alter {step.collection}"
        case CreateCollection():
            return f"{'create' if step.makes else 'check'} {step.collection.name}"
        case CheckKeys():
            return f"check keys of {step.copy.removeprefix('copy.')}"
        case CheckStaging():
            return f"check staging of {step.copy.removeprefix('copy.')}"
        case CopySplits():
            source, name = step.read.collection, step.collection.name
            return f"copy {source}" + (f" to {name}" if name != source else "")
        case ImportFiles():
            return f"import {step.collection}"
        case RemoveStaged():
            return f"remove staged files of {step.copy.removeprefix('copy.')}"
        case BuildIndex():
            return f"index {step.collection}.{step.field}"
        case LoadCollection():
            return f"load {step.collection}" if step.wait else f"begin to load {step.collection}"
        case AwaitIndexes():
            return f"finish indexes of {step.collection}"
        case WriteManifest():
            return f"write {step.path}"
        case Verify():
            return f"verify {step.collection}"
        case _:
            assert_never(step)
