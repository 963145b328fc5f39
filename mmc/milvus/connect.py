"""Clients: opening a server or an embedded database. The only place that knows the channel."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mmc.errors import PluginMissing, TargetAway, TargetBusy, TargetError
from mmc.milvus.dialect import Dialect, Version, version_of
from mmc.milvus.errors import NotAllowed, not_reached, translated
from mmc.milvus.handshake import checked, speaks_tls
from mmc.milvus.lite import DEFAULT_DATABASE, embedded
from mmc.milvus.login import not_connected
from mmc.milvus.options import ServerOptions
from mmc.milvus.tls import Tls, refuse_pointless, tls_of
from mmc.milvus.zilliz import is_cluster, is_zilliz
from mmc.secrets import resolve_line
from mmc.spi import Fence, unfenced
from mmc.types import Index

EMBEDDED_PATIENCE = 600.0
"""Least seconds for a call into Milvus Lite: it runs in this process, a write may flush first."""

WRITES = frozenset({"Insert", "Upsert", "Delete", "Import"})
"""Methods that write rows."""

LONG_CALLS = 60
"""Index builds and loads may take this many times `timeout`."""

_NO_PINGS = {"grpc.keepalive_time_ms": 2**31 - 1, "grpc.keepalive_permit_without_calls": 0}
"""The server of Milvus Lite is in this process and cannot be away. It closes a connection that is
pinged while it has no calls ("Too many pings"), and pymilvus would ping every 10 s: a source that
is silent for 50 s would end the apply.
"""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a target is.

    Attributes:
        uri: what pymilvus gets; for Milvus Lite the absolute path.
        path: folder of the embedded database, or None for a server.
        database: "" means `default`.
        timeout: seconds for one call.
    """

    uri: str
    path: Path | None
    database: str
    timeout: float

    @property
    def shown(self) -> str:
        """For messages: without user and password."""
        if self.path is not None:
            return str(self.path)
        parts = urlsplit(self.uri)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def address_of(options: ServerOptions) -> Address:
    """Reads the checked options of a `milvus` target.

    Raises:
        TargetError: `uri` is neither a server's address nor a path that ends in .db (MMC502), or
            has no use for `tls` (MMC572).
    """
    refuse_pointless(options)
    uri = options.uri
    if is_zilliz(uri) and not is_cluster(uri):
        raise TargetError(
            f"{urlsplit(uri).hostname} is no cluster of Zilliz Cloud, and takes no rows",
            hint="copy the cluster's public endpoint from its page in the console",
            code="MMC502",
        )
    database, timeout = options.database, options.timeout
    scheme = uri.partition("://")[0].lower() if "://" in uri else ""
    if scheme in ("http", "https", "tcp"):
        parts = urlsplit(uri)
        # As pymilvus has it: http://host:19530/database, and `database` comes before it.
        database = database or parts.path.strip("/").partition("/")[0]
        return Address(f"{parts.scheme}://{parts.netloc}", None, database, timeout)
    if uri.startswith("unix:"):
        return Address(uri, None, database, timeout)
    if not scheme and uri.endswith(".db"):
        path = Path(uri).expanduser().absolute()
        return Address(str(path), path, database, max(timeout, EMBEDDED_PATIENCE))
    raise TargetError(
        f"`{uri.rpartition('@')[2]}` is no Milvus address",
        hint="write http://host:19530, or a path that ends in .db for an embedded database",
        code="MMC502",
    )


class Connection:
    """An open client with its version, and the few calls that pymilvus has no public form for."""

    def __init__(
        self,
        address: Address,
        token: str,
        tls: Tls | None = None,
        *,
        fence: Fence = unfenced,
    ) -> None:
        self.address = address
        self.tls = tls
        self.fence = fence
        self.timeout = address.timeout
        self.long_timeout = address.timeout * LONG_CALLS
        self._token = token
        # The wanted database may not be there yet, and a server refuses clients of such a one.
        self._client = _client(address, token, "", tls)
        self.version = self._version()
        self.has_database = self._enter_database()

    def _version(self) -> Version:
        try:
            with translated(f"connect to {self.address.shown}"):
                return version_of(self._client.get_server_version(timeout=self.timeout))
        except BaseException:
            self.close()
            raise

    def _enter_database(self) -> bool:
        """Makes the client one of the wanted database; False when there is no such database."""
        name = self.address.database
        if name in ("", DEFAULT_DATABASE):
            return True
        try:
            if not self._is_there(name):
                return False
        except BaseException:
            self.close()
            raise
        self._client.close()
        self._client = _client(self.address, self._token, name, self.tls)
        return True

    def _is_there(self, database: str) -> bool:
        from pymilvus.grpc_gen import milvus_pb2

        try:
            with translated(f"look for database {database}"):
                return database in self._client.list_databases(timeout=self.timeout)
        except NotAllowed:
            pass  # the list takes a privilege of its own
        try:
            self.attempt("ShowCollections", milvus_pb2.ShowCollectionsRequest())
        except NotAllowed:
            return True
        except TargetError as error:
            if error.retryable:
                raise
            return False
        return True

    @property
    def client(self) -> Any:
        """The `MilvusClient`, inside the wanted database.

        Raises:
            TargetError: the database is not there; a client of `default` would read and write the
                collections of the same name there (MMC507).
        """
        if not self.has_database:
            raise TargetError(f"database {self.address.database} does not exist", code="MMC507")
        return self._client

    @property
    def dialect(self) -> Dialect:
        return self.version.dialect

    def write_timeout(self) -> float:
        """Seconds for a call that writes, which begins now and ends before another process may
        write. A call into Milvus Lite cannot be cut short: it runs in this process, and its files
        are locked against others.

        Raises:
            StateBusy: the lease has no time left.
        """
        left = self.fence()
        return self.timeout if self.address.path is not None else min(self.timeout, left)

    def call(self, method: str, request: Any, what: str = "") -> Any:
        """Sends one protobuf request (`Insert`, `Upsert`, `Query`) and checks the answer's status.

        Sent once: pymilvus's own methods send again when a connection breaks, which would repeat
        an import that had begun. `what` is for messages, where the request names no collection.

        Raises:
            StateBusy: a call that writes, and the lease has no time left.
            TargetError, TargetBusy, BatchTooLarge: the server's words, see `translated`; an
                embedded call that takes too long is final (MMC526).
        """
        from pymilvus.client.utils import check_status

        handler = self.client._get_connection()
        metadata = self.client._generate_call_context().to_grpc_metadata()
        try:
            with translated(what or f"{method.lower()} {request.collection_name}"):
                send = getattr(handler._stub, method)
                timeout = self.write_timeout() if method in WRITES else self.timeout
                answer = send(request, timeout=timeout, metadata=metadata)
                check_status(answer.status)
        except TargetBusy as error:
            if self.address.path is None:
                raise
            # The call is still running in its thread, and Milvus Lite allows one writer: a second
            # call beside it opens the same log a second time, over the first.
            raise TargetError(
                f"{error}; the call may still be running",
                hint="end this process and apply again, with a larger target.timeout",
                code="MMC526",
            ) from None
        return answer

    @property
    def has_login(self) -> bool:
        """Whether the server was told who asks."""
        return bool(self._token) or "@" in self.address.uri

    @property
    def user(self) -> str:
        """The name in the token; "" where it is an API key."""
        name, colon, _ = self._token.partition(":")
        return name if colon else ""

    def attempt(self, method: str, request: Any, database: str | None = None) -> Any:
        """Sends a request that is about the login, or is sent for its refusal alone.

        Args:
            database: default: the wanted one, also where that is not there yet.

        Raises:
            NotAllowed: the login may not do this, in any form.
            TargetError: as `call`.
        """
        from pymilvus.client.call_context import CallContext
        from pymilvus.client.utils import check_status

        inside = self.address.database if database is None else database
        metadata = CallContext(inside).to_grpc_metadata()
        send = getattr(self._client._get_connection()._stub, method)
        with translated(method):
            answer = send(request, timeout=self.timeout, metadata=metadata)
            check_status(getattr(answer, "status", answer))
        return answer

    def create_index(self, collection: str, field: str, index: Index) -> None:
        """Creates an index. A server builds it beside all else; an embedded one builds it now.

        The parameters go as one JSON value, which every version reads. MilvusClient sends each as a
        key of its own, and Milvus Lite 3.2 drops those: HNSW would be built without its M.
        """
        params: dict[str, Any] = {"index_type": index.type, "params": dict(index.params)}
        if index.metric:
            params["metric_type"] = str(index.metric)
        self.fence()
        with translated(f"create index {index.type} on {collection}.{field}"):
            self.client._get_connection().create_index(
                collection,
                field,
                params,
                timeout=self.long_timeout,
                index_name=field,
                sync=self.dialect.capabilities.embedded,
                context=self.client._generate_call_context(),
            )

    def ensure_database(self) -> None:
        """Makes the database of the address when it is not there."""
        if self.has_database:
            return
        try:
            with translated(f"create database {self.address.database}"):
                self._client.create_database(self.address.database, timeout=self.write_timeout())
        except TargetError:
            # Another run may have made it at the same time.
            self.has_database = self._enter_database()
            if not self.has_database:
                raise
            return
        self.has_database = self._enter_database()

    def close(self) -> None:
        self._client.close()


@contextmanager
def connect(
    address: Address, options: ServerOptions, fence: Fence = unfenced
) -> Iterator[Connection]:
    """Opens a connection and closes it; an embedded database is flushed and unlocked at the end.

    Raises:
        TargetAway: no server answers (MMC500).
        TargetError: in use (MMC501), not a database (MMC504), TLS fails (MMC571) or its options
            cannot be used (MMC572), the login is refused (MMC573).
        SecretError: a reference does not resolve.
        PluginMissing: pymilvus or milvus-lite is not installed.
    """
    _require("pymilvus")
    secret = resolve_line(options.token) or ""
    tls = tls_of(address.uri, options.tls)
    if address.path is None:
        tls = tls and checked(tls, address.timeout)
        with closing(Connection(address, secret, tls, fence=fence)) as connection:
            yield connection
        return
    _require("milvus_lite")
    with embedded(address.path), closing(Connection(address, secret, fence=fence)) as connection:
        yield connection


def _client(address: Address, token: str, database: str, tls: Tls | None) -> Any:
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    options: dict[str, Any] = {"grpc_options": _NO_PINGS} if address.path is not None else {}
    if tls is not None:
        options["channel"] = tls.channel(f"{tls.host}:{tls.port}")
    try:
        client = MilvusClient(
            address.uri,
            token=token,
            db_name=database,
            timeout=address.timeout,
            dedicated=True,
            **options,
        )
    except MilvusException as error:
        refused = not_connected(address.shown, token, error)
        raise refused or _not_reached(address, error) from None
    if tls is not None:
        # After a break pymilvus opens channels of its own, which know nothing of `tls`.
        client._get_connection()._create_grpc_channel = lambda to=None: tls.channel(
            to or f"{tls.host}:{tls.port}"
        )
    return client


def _not_reached(address: Address, error: Any) -> TargetError:
    found = not_reached(address.shown, error)
    parts = urlsplit(address.uri)
    plain = isinstance(found, TargetAway) and parts.scheme == "http"
    if plain and speaks_tls(parts.hostname or "localhost", parts.port or 19530, address.timeout):
        hint = "the server speaks TLS: write https:// in target.uri"
        return TargetError(str(found), hint=hint, code=found.code)
    return found


def _require(module: str) -> None:
    """Imports quietly: errors reach the user as exceptions; the client would log them once more."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        __import__(module)
    except ImportError:
        raise PluginMissing(
            f"the milvus target needs {module.replace('_', '-')}", hint="pip install 'mmc[milvus]'"
        ) from None
    logging.getLogger(module).setLevel(logging.CRITICAL + 1)
