"""The sink `milvus.bulk`: splits become staged files, which Milvus imports. See
`mmc.sinks.milvus.bulk.target`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from mmc.errors import TargetError
from mmc.facts import TargetFacts
from mmc.milvus.connect import Address, Connection, address_of, connect
from mmc.milvus.dialect import configured
from mmc.milvus.importable import Imports, import_capabilities
from mmc.milvus.look import look
from mmc.milvus.zilliz import no_import
from mmc.secrets import resolve_line
from mmc.sinks.milvus.access import looking
from mmc.sinks.milvus.bulk.grpcimports import GrpcImports
from mmc.sinks.milvus.bulk.target import BulkTarget, ImportCalls
from mmc.spec.endpoints import MilvusTarget
from mmc.spi import Config, Fence, unfenced


class MilvusBulkSink:
    """Bulk import into Milvus 2.3 or later: see `mmc.spi.Sink`."""

    type = "milvus"
    route = "bulk"
    config_model = MilvusTarget

    def inspect(self, config: Config, collections: Sequence[str]) -> TargetFacts:
        """Looks at the target and the named collections.

        Raises:
            TargetError: see `mmc.milvus.connect`; Milvus Lite (MMC528), Zilliz Cloud
                (MMC575).
        """
        address = _server(config)
        with connect(address, config) as connection:
            version = connection.version
            able = configured(version.dialect.capabilities, config)
            with looking(connection, collections):
                found = look(connection, collections)
            return TargetFacts(
                self.type,
                self.route,
                version.text,
                import_capabilities(able, _imports(connection)),
                found,
            )

    @contextmanager
    def open(self, config: Config, fence: Fence = unfenced) -> Iterator[BulkTarget]:
        """Connects.

        Raises:
            TargetError: see `mmc.milvus.connect`; Milvus Lite (MMC528), Zilliz Cloud
                (MMC575).
            SecretError: the token does not resolve.
        """
        address = _server(config)
        with (
            connect(address, config, fence) as connection,
            closing(_calls(connection, config)) as calls,
        ):
            yield BulkTarget(connection, _imports(connection), calls)


def _server(config: Config) -> Address:
    address = address_of(config)
    if address.path is not None:
        raise _no_route(address)
    if (why := no_import(address.uri)) is not None:
        raise TargetError(why.message, hint=why.hint, code=why.code)
    return address


def _imports(connection: Connection) -> Imports:
    imports = connection.dialect.imports
    if imports is None:
        raise _no_route(connection.address)
    return imports


def _no_route(address: Address) -> TargetError:
    return TargetError(
        f"{address.shown} is Milvus Lite, which imports no files",
        hint="leave load.route and load.staging out: rows are inserted then",
        code="MMC528",
    )


def _calls(connection: Connection, config: Config) -> ImportCalls:
    imports = _imports(connection)
    if not imports.rest:
        return GrpcImports(connection)
    from mmc.sinks.milvus.bulk.restimports import RestImports

    token = config.get("token")
    secret = resolve_line(token if isinstance(token, (str, Mapping)) else None) or ""
    return RestImports(
        connection.address,
        secret,
        keys=imports.keys,
        tls=connection.tls,
        fence=connection.fence,
    )
