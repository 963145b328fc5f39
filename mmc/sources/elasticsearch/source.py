"""The `elasticsearch` source: documents of a cluster, read by ranges of sequence numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mmc.errors import SourceError
from mmc.events import Emit
from mmc.facts import Extent, SourceFacts, TokensNumbered
from mmc.plan.model import Split
from mmc.run import pace
from mmc.sources.elasticsearch.access import access_of, hidden
from mmc.sources.elasticsearch.after import added_since, read_until
from mmc.sources.elasticsearch.client.connect import Connection, connect, once
from mmc.sources.elasticsearch.client.server import look
from mmc.sources.elasticsearch.contents import mappings_of
from mmc.sources.elasticsearch.decoding.tokens import known_tokens, read_tokens
from mmc.sources.elasticsearch.describe import describe
from mmc.sources.elasticsearch.location import locate
from mmc.sources.elasticsearch.mapping.misnamed import misnamed
from mmc.sources.elasticsearch.options import ElasticsearchOptions
from mmc.sources.elasticsearch.read import batches_of
from mmc.sources.elasticsearch.reading.indices import Group, resolve
from mmc.sources.elasticsearch.tokenscan import number_tokens
from mmc.spi import Again, EarlierPlan, Sample
from mmc.types import JsonValue, nearest

if TYPE_CHECKING:
    import pyarrow as pa


class ElasticsearchSource:
    """Elasticsearch 7.17 to 9."""

    type = "elasticsearch"

    def __init__(self, again: Again = once) -> None:
        self._again = again

    def asking(self, again: Again) -> ElasticsearchSource:
        """See `mmc.spi.AsksAgain.asking`."""
        return type(self)(again)

    def locate(self, location: str) -> tuple[dict[str, JsonValue], bool]:
        """See `mmc.spi.Locates.locate`."""
        return locate(location)

    def inspect(
        self, options: ElasticsearchOptions, collections: Sequence[str], sample: Sample
    ) -> SourceFacts:
        """See `mmc.spi.Source.inspect`."""
        return self.inspect_after(options, collections, sample, ())

    def inspect_after(
        self,
        options: ElasticsearchOptions,
        collections: Sequence[str],
        sample: Sample,
        earlier: Sequence[EarlierPlan],
    ) -> SourceFacts:
        """See `mmc.spi.ReadsAfter.inspect_after`."""
        tokens = read_tokens(options.tokens)
        read = read_until(earlier)
        with connect(options, self._again) as connection:
            server = look(connection)
            access = access_of(connection, server)
            groups = _groups(connection, collections)
            mappings = [mappings_of(connection, server, group) for group in groups]
            made = [
                replace(found, problems=(*found.problems, *hidden(connection, access, group)))
                for group, its in zip(groups, mappings, strict=True)
                for found in [describe(connection, server, group, its, sample, tokens, read)]
            ]
        if made:
            # Of the source as a whole, and told once.
            found = misnamed(options, [its.merged for its in mappings])
            notes = (*made[0].notes, *access.notes)
            made[0] = replace(made[0], notes=notes, problems=(*made[0].problems, *found))
        version = f"{server.engine} {server.version}".strip()
        return SourceFacts(
            type=self.type,
            version=version,
            collections=tuple(made),
            sample_rows=sample.rows,
            sample_seed=sample.seed,
        )

    def read(
        self,
        options: ElasticsearchOptions,
        collection: str,
        split: Split,
        columns: Sequence[str],
        batch_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        """See `mmc.spi.Source.read`."""
        tokens = read_tokens(options.tokens)
        with connect(options) as connection:
            for piece in split.pieces:
                yield from batches_of(connection, piece, columns, batch_rows, tokens)

    def added_since(
        self,
        options: ElasticsearchOptions,
        collection: str,
        pieces: Sequence[Extent],
        earlier: Sequence[EarlierPlan],
    ) -> int:
        """See `mmc.spi.CountsAdded.added_since`."""
        with connect(options, self._again) as connection:
            (group,) = resolve(connection, [collection])
            return added_since(connection, group, pieces, read_until(earlier))

    def number_tokens(
        self, options: ElasticsearchOptions, collections: Sequence[str], path: str, emit: Emit
    ) -> TokensNumbered:
        """See `mmc.spi.NumbersTokens.number_tokens`."""
        known = known_tokens(path)
        with connect(options, pace.patient(emit)) as connection:
            groups = _groups(connection, collections)
            done = number_tokens(connection, look(connection), groups, known, emit)
        return replace(done, named=options.tokens == path)


def _groups(connection: Connection, collections: Sequence[str]) -> list[Group]:
    """The groups of these names, which `source.index` has to have; all where none is named."""
    groups = resolve(connection, connection.options.indices or tuple(collections))
    names = [group.name for group in groups]
    for wanted in collections:
        if wanted not in names:
            close = nearest(wanted, names)
            raise SourceError(
                f"source.index does not name {wanted}",
                hint=f"did you mean {close}?" if close else "it names " + ", ".join(names),
                code="MMC452",
            )
    return [group for group in groups if not collections or group.name in collections]


class OpensearchSource(ElasticsearchSource):
    """OpenSearch 2 and 3. Which of the two a server is, is detected and not configured."""

    type = "opensearch"
