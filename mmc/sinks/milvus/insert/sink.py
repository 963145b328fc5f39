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
from mmc.spec.endpoints import MilvusTarget
from mmc.spi import Config, Fence, unfenced


class MilvusInsertSink:
    """Insert into Milvus 2.3 or later, or into an embedded Milvus Lite: see `mmc.spi.Sink`."""

    type = "milvus"
    route = "insert"
    config_model = MilvusTarget

    def inspect(self, config: Config, collections: Sequence[str]) -> TargetFacts:
        """Looks at the target and the named collections.

        An embedded database that does not exist is not made: its facts are those of an empty one.

        Raises:
            TargetError: see `mmc.milvus.connect`.
        """
        address = address_of(config)
        if address.path is not None and not address.path.exists():
            return self._facts(_installed_lite(), config, ())
        with connect(address, config) as connection:
            with looking(connection, collections):
                found = look(connection, collections)
            facts = self._facts(connection.version, config, found)
            return replace(facts, problems=warnings(config), no_import=no_import(address.uri))

    def _facts(
        self, version: Version, config: Config, collections: tuple[TargetCollection, ...]
    ) -> TargetFacts:
        able = configured(version.dialect.capabilities, config)
        return TargetFacts(self.type, self.route, version.text, able, collections)

    @contextmanager
    def open(self, config: Config, fence: Fence = unfenced) -> Iterator[InsertTarget]:
        """Connects. The folder of an embedded database is made, with its parents.

        Raises:
            TargetError: see `mmc.milvus.connect`.
            SecretError: the token does not resolve.
        """
        address = address_of(config)
        with connect(address, config, fence) as connection:
            yield InsertTarget(connection)


def _installed_lite() -> Version:
    try:
        return version_of(f"milvus_lite-{metadata.version('milvus-lite')}")
    except metadata.PackageNotFoundError:
        raise PluginMissing(
            "an embedded target needs milvus-lite", hint="pip install 'mmc[milvus]'"
        ) from None
