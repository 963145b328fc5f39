"""The sink `milvus.bulk`: splits become staged files, which Milvus imports. See
`mmc.sinks.milvus.bulk.target`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from mmc.sinks.milvus.options import MilvusTargetOptions
from mmc.spi import Fence, unfenced


class MilvusBulkSink:
    """Bulk import into Milvus 2.3 or later: see `mmc.spi.Sink`."""

    type = "milvus"
    route = "bulk"

    def inspect(self, options: MilvusTargetOptions, collections: Sequence[str]) -> TargetFacts:
        """Looks at the target and the named collections.

        Raises:
            TargetError: see `mmc.milvus.connect`; Milvus Lite (MMC528), Zilliz Cloud
                (MMC575).
        """
        address = _server(options)
        with connect(address, options) as connection:
            version = connection.version
            able = configured(version.dialect.capabilities, options.json_bytes)
            with looking(connection, collections):
                found = look(connection, collections)
            return TargetFacts(
                type=self.type,
                route=self.route,
                version=version.text,
                capabilities=import_capabilities(able, _imports(connection)),
                collections=found,
            )

    @contextmanager
    def open(self, options: MilvusTargetOptions, fence: Fence = unfenced) -> Iterator[BulkTarget]:
        """Connects.

        Raises:
            TargetError: see `mmc.milvus.connect`; Milvus Lite (MMC528), Zilliz Cloud
                (MMC575).
            SecretError: the token does not resolve.
        """
        address = _server(options)
        with (
            connect(address, options, fence) as connection,
            closing(_calls(connection, options)) as calls,
        ):
            yield BulkTarget(connection, _imports(connection), calls)


def _server(options: MilvusTargetOptions) -> Address:
    address = address_of(options)
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


def _calls(connection: Connection, options: MilvusTargetOptions) -> ImportCalls:
    imports = _imports(connection)
    if not imports.rest:
        return GrpcImports(connection)
    from mmc.sinks.milvus.bulk.restimports import RestImports

    secret = resolve_line(options.token) or ""
    return RestImports(
        connection.address,
        secret,
        keys=imports.keys,
        tls=connection.tls,
        fence=connection.fence,
    )
