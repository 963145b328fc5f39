"""The checked configuration of the source, typed. Secrets stay references until `connect`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmc.spi import Config
from mmc.types import JsonValue

Secret = Mapping[str, JsonValue] | None


@dataclass(frozen=True, slots=True)
class Tls:
    """Files are paths, "" where the spec names none."""

    ca: str = ""
    fingerprint: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Auth:
    """References, see `mmc.secrets.resolve`."""

    username: str = ""
    password: Secret = None
    api_key: Secret = None
    token: Secret = None


@dataclass(frozen=True, slots=True)
class Options:
    """See `mmc.spec.endpoints.ElasticsearchSource`.

    Attributes:
        urls: nodes of one cluster; empty where `cloud_id` says where it is.
        indices: names, patterns, aliases, data streams; empty means what `resolve` finds.
        query: {} where all documents are wanted.
        after: files of plans whose documents are not wanted again.
        page_bytes: wanted size of one answer.
        concurrency: most requests at once, of this process.
        requests_per_second: of this process; None is without a limit.
        timeout: seconds for one request.
    """

    urls: tuple[str, ...]
    cloud_id: str
    auth: Auth
    tls: Tls
    indices: tuple[str, ...]
    query: Mapping[str, JsonValue]
    after: tuple[str, ...]
    method: str
    page_bytes: int
    concurrency: int
    requests_per_second: float | None
    flatten: tuple[str, ...]
    arrays: tuple[str, ...]
    tokens: str
    timeout: float

    @classmethod
    def of(cls, config: Config) -> Options:
        options: Mapping[str, Any] = config
        read = options.get("read") or {}
        rate = read.get("requests_per_second")
        return cls(
            _texts(options.get("url")),
            str(options.get("cloud_id") or ""),
            Auth(**_given(options.get("auth"))),
            Tls(**_given(options.get("tls"))),
            _texts(options.get("index")),
            options.get("query") or {},
            _texts(options.get("after")),
            str(read.get("method") or "auto"),
            int(read.get("page_bytes") or 8 << 20),
            int(read.get("concurrency") or 4),
            None if rate is None else float(rate),
            _texts(options.get("flatten")),
            _texts(options.get("arrays")),
            str(options.get("tokens") or ""),
            float(options.get("timeout") or 60.0),
        )


def _texts(said: Any) -> tuple[str, ...]:
    listed = [said] if isinstance(said, str) else said or []
    return tuple(dict.fromkeys(str(text) for text in listed if text))


def _given(said: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (said or {}).items() if value is not None}
