"""The sink `milvus.insert`: rows go in by insert and upsert calls. See `mmc.sinks.milvus`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata

from mmc.errors import PluginMissing
from mmc.facts import TargetCollection, TargetFacts
from mmc.milvus.connect import address_of, connect
from mmc.milvus.dialect import Version, configured, version_of
from mmc.milvus.look import look
from mmc.milvus.tls import warnings
from mmc.milvus.zilliz import no_import
from mmc.sinks.milvus.access import looking
from mmc.sinks.milvus.insert.target import InsertTarget
from mmc.sinks.milvus.options import MilvusTargetOptions
from mmc.spi import Fence, unfenced


class MilvusInsertSink:
    """Insert into Milvus 2.3 or later, or into an embedded Milvus Lite: see `mmc.spi.Sink`."""

    type = "milvus"
    route = "insert"

    def inspect(self, options: MilvusTargetOptions, collections: Sequence[str]) -> TargetFacts:
        """Looks at the target and the named collections.

        An embedded database that does not exist is not made: its facts are those of an empty one.

        Raises:
            TargetError: see `mmc.milvus.connect`.
        """
        address = address_of(options)
        if address.path is not None and not address.path.exists():
            return self._facts(_installed_lite(), options, ())
        with connect(address, options) as connection:
            with looking(connection, collections):
                found = look(connection, collections)
            facts = self._facts(connection.version, options, found)
            return replace(facts, problems=warnings(options), no_import=no_import(address.uri))

    def _facts(
        self,
        version: Version,
        options: MilvusTargetOptions,
        collections: tuple[TargetCollection, ...],
    ) -> TargetFacts:
        able = configured(version.dialect.capabilities, options.json_bytes)
        return TargetFacts(
            type=self.type,
            route=self.route,
            version=version.text,
            capabilities=able,
            collections=collections,
        )

    @contextmanager
    def open(self, options: MilvusTargetOptions, fence: Fence = unfenced) -> Iterator[InsertTarget]:
        """Connects. The folder of an embedded database is made, with its parents.

        Raises:
            TargetError: see `mmc.milvus.connect`.
            SecretError: the token does not resolve.
        """
        address = address_of(options)
        with connect(address, options, fence) as connection:
            yield InsertTarget(connection)


def _installed_lite() -> Version:
    try:
        return version_of(f"milvus_lite-{metadata.version('milvus-lite')}")
    except metadata.PackageNotFoundError:
        raise PluginMissing(
            "an embedded target needs milvus-lite", hint="pip install 'mmc[milvus]'"
        ) from None
