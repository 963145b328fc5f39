"""Options that every use of a Milvus 2.x has: where it is, and how to get in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, JsonValue

from mmc.plan.places import normal_address
from mmc.spec.models import Model
from mmc.spec.options import PLACE, Options, Problem, Secret

_ADDRESS = re.compile(r"(?:https?|tcp|unix)://[^\s/]\S*|(?!\w+://).*\.db", re.DOTALL)
_INIT_ADDRESS = re.compile(r"(?i:https?|tcp|grpc)://|.*\.db\Z", re.DOTALL)


class Tls(Model):
    """How the certificate of a Milvus server is checked, and what is shown to it. For an address
    that begins with https://.
    """

    ca: str = ""
    """File with the certificates of the authority that signed the server's, PEM. Default: the
    system's authorities.
    """
    certificate: str = ""
    """File with the client's certificate, PEM: for a server that asks for one (mutual TLS)."""
    key: Secret | str = ""
    """File with the client's key, PEM without a password, or a reference to a secret that is the
    key itself. Default: the file of `certificate` has it too.
    """
    server_name: str = ""
    """Name that the server's certificate must have. Default: the host of `uri`."""
    verify: bool = True
    """false trusts whatever certificate the server shows when mmc connects; the plan warns."""


class ServerOptions(Options):
    """Where a Milvus 2.x is, and how to get in."""

    uri: Annotated[str, Field(min_length=1)]
    """`http://host:19530`, `https://host:19530`, or a path that ends in .db."""
    token: Secret | None = None
    """`user:password` or an API key."""
    tls: Annotated[Tls | None, Field(exclude_if=lambda said: said is None)] = None
    """For https. Default: the server's certificate is checked against the system's authorities."""
    database: str = ""
    """Database; made when it is not there. Default: what the path of `uri` names, or `default`."""
    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds for one call."""

    @property
    def shown_places(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.uri, self.database)))

    def identity(self) -> str:
        """Server and database, or the file. `http://host:19530/shop` is the database `shop` of that
        server, where `database` does not name another.
        """
        address, database = self.uri, self.database
        if re.match(r"(?i)(https?|tcp)://", address):
            parts = urlsplit(address)
            database = database or parts.path.strip("/").partition("/")[0]
            database = "" if database == "default" else database
            address = f"{parts.scheme}://{parts.netloc}"
        return " ".join(filter(None, (self.type, normal_address(address), database)))

    @classmethod
    def at(cls, address: str) -> tuple[dict[str, JsonValue], bool] | None:
        """A server, or a file of Milvus Lite."""
        return ({"uri": address}, True) if _INIT_ADDRESS.match(address) else None

    def problems(self) -> Iterator[Problem]:
        """The address is a URL of Milvus or a file of Milvus Lite."""
        if not _ADDRESS.fullmatch(self.uri):
            host = re.fullmatch(r"[\w.-]+:\d{1,5}", self.uri)
            yield Problem(
                code="MMC241",
                message=f"`{PLACE}` is neither a URL of Milvus nor a file of Milvus Lite",
                path=("uri",),
                hint=f"write http://{self.uri}"
                if host
                else "write http://host:19530, or a path that ends in .db",
            )
