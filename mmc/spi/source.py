"""What a source is, and what some can do besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from mmc.diagnostics import Diagnostic
from mmc.errors import SourceError
from mmc.events import Emit
from mmc.facts import Extent, SourceFacts, TokensNumbered
from mmc.plan.model import (
    Split,
)
from mmc.secrets import SecretRef
from mmc.types import JsonValue

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sample:
    """How much `inspect` looks at: `rows` of each collection, spread by `seed`."""

    rows: int = 10_000
    seed: int = 7


class Source(Protocol):
    """A system that rows come from."""

    type: str

    def inspect(self, options: Any, collections: Sequence[str], sample: Sample) -> SourceFacts:
        """Looks, without writing. `options` is the model that the plug-in names in `mmc.options`;
        `collections` names those wanted; empty means all.

        Raises:
            SourceError: it cannot be read, or a wanted collection is not there.
        """

    def read(
        self, options: Any, collection: str, split: Split, columns: Sequence[str], batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Yields the split's rows, in order, in batches of at most `batch_rows`, with exactly
        `columns`.

        `schema.metadata` of each batch carries the place of its first row
        (`mmc.arrow.schema.with_origin`), so that a bad row can be named. Reading the same split
        again yields the same rows. Memory is bounded by a few batches.

        Raises:
            SourceChanged: the content is not what the fingerprint of the plan says.
            SourceError: it cannot be read; `retryable` says whether reading again may help.
        """


@runtime_checkable
class Locates(Protocol):
    """A source that knows what a person types for a place of its own."""

    def locate(self, location: str) -> tuple[dict[str, JsonValue], bool]:
        """Options that say this place, and whether it has the shape of one. Looks at names only,
        and at local folders.
        """


class MetaExport(Protocol):
    """The metadata of a source as a file, and what it holds."""

    @property
    def text(self) -> str:
        """Content of the file: JSON."""

    @property
    def held(self) -> Sequence[tuple[str, int, int, int]]:
        """(collection, partitions beside the collection itself, segments, rows), by name. Rows are
        those of the metadata, which may lag behind the files.
        """

    @property
    def problems(self) -> Sequence[Diagnostic]: ...


@runtime_checkable
class ExportsMeta(Protocol):
    """A source whose metadata are in a place of their own."""

    def meta_options(self, place: str) -> dict[str, JsonValue]:
        """Options that say where the metadata are, and nothing of the data."""

    def export_meta(self, options: Any, password: SecretRef | None) -> MetaExport:
        """`password` of the metadata server, over that of the options."""


@dataclass(frozen=True, slots=True)
class EarlierPlan:
    """A plan that was applied before, and all pieces that it read."""

    path: str
    pieces: tuple[Extent, ...] = ()

    def unusable(self, reason: str) -> SourceError:
        """The error for a plan that the source cannot continue."""
        return SourceError(
            f"the earlier plan {self.path} {reason}",
            hint="name the saved plan of an earlier migration from this source",
            code="MMC468",
        )


@runtime_checkable
class ReadsAfter(Protocol):
    """A source that can leave out what earlier plans have read. Its options name their files:
    `mmc.spec.options.Options.earlier_plans`.
    """

    def inspect_after(
        self,
        options: Any,
        collections: Sequence[str],
        sample: Sample,
        earlier: Sequence[EarlierPlan],
    ) -> SourceFacts:
        """As `Source.inspect`, of the rest. Raises SourceError, also where one of these plans does
        not say how far it read.
        """


class Again(Protocol):
    """Calls a function once more, and more often, while it fails in a way that may pass. Each wait
    is told, and there is an end to it.
    """

    def __call__(self, what: str, function: Callable[[], T]) -> T:
        """`what` is done, for the message. The function must be harmless to repeat. Raises the last
        error.
        """


@runtime_checkable
class AsksAgain(Protocol):
    """A source that looks by many requests: one that is refused for now is asked again by itself,
    not with all before it.
    """

    def asking(self, again: Again) -> Source:
        """The same source, whose requests go through `again` while it looks."""


@runtime_checkable
class CountsAdded(Protocol):
    """A source that can count what was added behind the pieces of a plan."""

    def added_since(
        self,
        options: Any,
        collection: str,
        pieces: Sequence[Extent],
        earlier: Sequence[EarlierPlan],
    ) -> int:
        """Rows of a collection that are in none of the pieces of a plan, nor in those of the
        earlier plans that it went on from. Raises SourceError.
        """


@runtime_checkable
class NumbersTokens(Protocol):
    """A source whose sparse vectors name their dimensions by tokens."""

    def number_tokens(
        self, options: Any, collections: Sequence[str], path: str, emit: Emit
    ) -> TokensNumbered:
        """`collections` names those wanted; empty means all. The table is at `path`."""
