"""Which server answers, and whether it leaves vectors out of what it answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from mmc.errors import SourceError
from mmc.sources.elasticsearch.client.answers import Misshapen, as_object, as_text
from mmc.sources.elasticsearch.client.connect import ASKING, Answer, Connection, path_of
from mmc.sources.elasticsearch.errors import refusal

Engine = Literal["elasticsearch", "opensearch"]
VERSION = re.compile(r"(\d+)\.\d+")


@dataclass(frozen=True, slots=True)
class Server:
    """`version` is "" and `major` 0 where the server does not tell them to this user."""

    engine: Engine
    version: str
    major: int


def look(connection: Connection) -> Server:
    """Asks `GET /`. That needs a privilege on the cluster which a reader of indices may lack, and a
    serverless or proxied cluster may not serve it: then the headers say what they can.

    Raises:
        SourceError: not reachable; the credentials are wrong (MMC451); it is no such server
            (MMC461).
    """
    return connection.again(ASKING, lambda: _look(connection))


def _look(connection: Connection) -> Server:
    answer = connection.ask("GET", "/")
    product = answer.headers.get("x-elastic-product", "")
    if answer.status == 200:
        return _told(connection, answer, product)
    if answer.status in (403, 404):
        # Elasticsearch from 7.14 on names itself in every answer.
        engine: Engine = "elasticsearch" if product == "Elasticsearch" else "opensearch"
        return Server(engine, "", 0)
    place, signed = connection.place("GET", "/"), connection.options.auth.signs_in
    raise refusal(answer.status, answer.body, place, signed=signed)


def hidden_vectors(connection: Connection, index: str) -> bool:
    """Whether vectors of this index are left out of `_source` unless asked for.

    Elasticsearch from 9.2 on does that to new indices. Older servers do not know the setting, and
    some refuse a request that names it.
    """

    def read(answer: dict[str, Any]) -> bool:
        # An answer that has nothing of the index is no answer.
        as_text(answer, index, "settings", "index", "uuid")
        return b'"exclude_source_vectors":"true"' in orjson.dumps(answer)

    return connection.get(
        path_of(index, "_settings"),
        read,
        {
            "include_defaults": True,
            "filter_path": "*.settings.index.uuid,**.exclude_source_vectors",
        },
    )


def _told(connection: Connection, answer: Answer, product: str) -> Server:
    try:
        version = as_object(orjson.loads(answer.body), "version")
        number = as_text(version, "number")
    except (orjson.JSONDecodeError, Misshapen):
        raise SourceError(
            f"{connection.shown} is no Elasticsearch and no OpenSearch",
            hint="is the path of the address right?",
            code="MMC461",
        ) from None
    found = VERSION.match(number)
    major = int(found[1]) if found else 0
    opensearch = version.get("distribution") == "opensearch" and product != "Elasticsearch"
    return Server("opensearch" if opensearch else "elasticsearch", number, major)
