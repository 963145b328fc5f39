"""The seam: all that a plug-in imports. A source or a sink implements these Protocols and registers
an entry point.

A source never imports a sink or another source. Both are made without arguments and keep no state
between calls; everything they need comes in as plain values, so the same call works in another
process.

Entry point groups: `mmc.sources` (name: the type in a spec), `mmc.sinks` (name: `<target
type>.<route>`) and `mmc.options` (name: `source.<type>` or `target.<type>`): a model derived from
`Options`, in a module that imports no client.

Batches on the way *out of a source* have whatever Arrow schema its facts announced; batches on the
way *into a sink* (and back out of `read_back`) have the canonical schema of the collection,
`canonical_schema`.

Importing this package loads no pyarrow; what makes or names batches is loaded at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from mmc.copied import CopiedSplit
from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import (
    MmcError,
    SecretError,
    SourceBusy,
    SourceChanged,
    SourceError,
    SourceMissing,
    TargetBusy,
    TargetError,
    TargetThrottled,
)
from mmc.facts import (
    Capabilities,
    Decoding,
    Evidence,
    Extent,
    SourceCollection,
    SourceFacts,
    SourceField,
    TargetCollection,
    TargetFacts,
)
from mmc.layouts.files import FileRecord
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CopySplits,
    CreateCollection,
    Endpoint,
    LoadCollection,
    Split,
    WriteManifest,
)
from mmc.secrets import SecretRef, resolve
from mmc.spec.options import PLACE, Options, Problem, Secret, Storage
from mmc.spi.importer import FileGroup, Importer, ImportTask, TaskState
from mmc.spi.sink import Sink
from mmc.spi.source import (
    Again,
    AsksAgain,
    CountsAdded,
    EarlierPlan,
    ExportsMeta,
    Locates,
    MetaExport,
    NumbersTokens,
    ReadsAfter,
    Sample,
    Source,
)
from mmc.spi.target import (
    ALONE,
    NOT_COUNTED,
    Claim,
    Fence,
    Guarded,
    Indexed,
    KeepsFiles,
    Look,
    Manifested,
    Progress,
    Target,
    Writer,
    no_progress,
    unfenced,
)
from mmc.types import UNMAPPED, Collection, Field, FieldType, Index, JsonValue, TypeKind

if TYPE_CHECKING:
    from mmc.arrow.column import vector_hint as vector_hint
    from mmc.arrow.evidence import of_column as of_column
    from mmc.arrow.evidence import sampled_evidence as sampled_evidence
    from mmc.arrow.schema import Flaw as Flaw
    from mmc.arrow.schema import Origin as Origin
    from mmc.arrow.schema import arrow_text as arrow_text
    from mmc.arrow.schema import canonical_schema as canonical_schema
    from mmc.arrow.schema import with_flaws as with_flaws
    from mmc.arrow.schema import with_origin as with_origin
    from mmc.arrow.unmapped import with_unmapped as with_unmapped
    from mmc.plan.codec import from_json as from_json
    from mmc.plan.codec import to_json as to_json

__all__ = [
    "ALONE",
    "NOT_COUNTED",
    "PLACE",
    "UNMAPPED",
    "VERSION",
    "Again",
    "AlterCollection",
    "AsksAgain",
    "AwaitIndexes",
    "BuildIndex",
    "Capabilities",
    "Claim",
    "Collection",
    "CopiedSplit",
    "CopySplits",
    "CountsAdded",
    "CreateAlias",
    "CreateCollection",
    "Decoding",
    "Diagnostic",
    "DropAlias",
    "DropCollection",
    "EarlierPlan",
    "Endpoint",
    "Evidence",
    "ExportsMeta",
    "Extent",
    "Fence",
    "Field",
    "FieldType",
    "FileGroup",
    "FileRecord",
    "Flaw",
    "Guarded",
    "ImportTask",
    "Importer",
    "Index",
    "Indexed",
    "JsonValue",
    "KeepsFiles",
    "LoadCollection",
    "Locates",
    "Look",
    "Manifested",
    "MetaExport",
    "MmcError",
    "NumbersTokens",
    "Options",
    "Origin",
    "Problem",
    "Progress",
    "ReadsAfter",
    "Sample",
    "Secret",
    "SecretError",
    "SecretRef",
    "Severity",
    "Sink",
    "Source",
    "SourceBusy",
    "SourceChanged",
    "SourceCollection",
    "SourceError",
    "SourceFacts",
    "SourceField",
    "SourceMissing",
    "Split",
    "Storage",
    "Target",
    "TargetBusy",
    "TargetCollection",
    "TargetError",
    "TargetFacts",
    "TargetThrottled",
    "TaskState",
    "TypeKind",
    "WriteManifest",
    "Writer",
    "arrow_text",
    "canonical_schema",
    "from_json",
    "no_progress",
    "of_column",
    "resolve",
    "sampled_evidence",
    "to_json",
    "unfenced",
    "vector_hint",
    "with_flaws",
    "with_origin",
    "with_unmapped",
]

VERSION: Final = 1
"""Version of the seam. It changes when a plug-in that was made for the last one has to change."""

_LATER: Final = {
    "Flaw": "arrow.schema",
    "Origin": "arrow.schema",
    "arrow_text": "arrow.schema",
    "canonical_schema": "arrow.schema",
    "from_json": "plan.codec",
    "of_column": "arrow.evidence",
    "sampled_evidence": "arrow.evidence",
    "to_json": "plan.codec",
    "vector_hint": "arrow.column",
    "with_flaws": "arrow.schema",
    "with_origin": "arrow.schema",
    "with_unmapped": "arrow.unmapped",
}
"""Names that are loaded at first use, most because they need pyarrow, and where they are."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"mmc.{_LATER[name]}"), name)
    raise AttributeError(f"module 'mmc.spi' has no attribute {name!r}")
