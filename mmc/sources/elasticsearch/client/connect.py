"""Requests to a cluster. The only place that knows the transport, credentials and TLS."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import orjson

from mmc.errors import PluginMissing, SourceBusy, SourceError
from mmc.limits import Limit, limit
from mmc.secrets import REDACTOR
from mmc.sources.elasticsearch.client.answers import Misshapen, Read, as_object
from mmc.sources.elasticsearch.client.credentials import credentials
from mmc.sources.elasticsearch.errors import garbled, refusal
from mmc.sources.elasticsearch.options import ElasticsearchOptions, Tls
from mmc.spi import Again

__all__ = ["Answer", "Connection", "connect", "once", "path_of"]

T = TypeVar("T")

ASKING = "a request to the cluster"
"""What is asked again; the error names it."""

SCROLL_PATH = "/_search/scroll"
_SHA256 = re.compile(r"[0-9a-f]{64}")
CERTIFICATE_HINT = (
    "name the authority's file in source.tls.ca, or the certificate in source.tls.fingerprint"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of any status. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """An open pool of connections to the nodes of one cluster; several threads may use it.

    Every method raises SourceBusy (MMC450, MMC459: again later) or SourceError (MMC451 not allowed,
    MMC452 no such index, MMC453 query refused, MMC454 TLS, MMC461 anything else).

    Attributes:
        again: what a request goes through that may be asked again: `once` where all that it is
            part of is (a split that is read).
    """

    def __init__(
        self,
        options: ElasticsearchOptions,
        transport: Any,
        shown: str,
        turns: Limit,
        again: Again,
    ) -> None:
        self.options = options
        self.shown = shown
        self.again = again
        self._transport = transport
        self._turns = turns

    def get(self, path: str, read: Read[T], params: Mapping[str, Any] | None = None) -> T:
        """What `read` takes from the JSON of an answer. `path` as `path_of` makes it."""
        return self._json("GET", path, read, None, params)

    def post(self, path: str, read: Read[T], body: Any, params: Mapping[str, Any]) -> T:
        return self._json("POST", path, read, body, params)

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The bytes of an answer, as they came: asked for once. `body` is encoded unless it is
        bytes.
        """
        target = f"{path}?{urlencode(_plain(params))}" if params else path
        answer = self.ask(method, target, body)
        if answer.status < 400:
            return answer.body
        has_query = body is not None and bool(self.options.query)
        raise refusal(
            answer.status,
            answer.body,
            self.place(method, path),
            has_query=has_query,
            signed=self.options.auth.signs_in,
        )

    def place(self, method: str, path: str) -> str:
        """A request, for messages."""
        return f"{method} {path} at {self.shown}"

    def _json(
        self,
        method: str,
        path: str,
        read: Read[T],
        body: Any,
        params: Mapping[str, Any] | None,
    ) -> T:
        place = self.place(method, path)

        def attempt() -> T:
            answer = self.raw(method, path, body, params)
            try:
                return read(as_object(orjson.loads(answer)))
            except (orjson.JSONDecodeError, Misshapen):
                raise garbled(place, answer) from None

        return self.again(ASKING, attempt)

    def ask(self, method: str, target: str, body: Any = None) -> Answer:
        """One request, whatever its status, and once. Another node is tried where one is not
        reached, but for the next page of a scroll.
        """
        from elastic_transport import ConnectionTimeout, TlsError, TransportError

        headers = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        sent = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        place = self.place(method, target.partition("?")[0])
        # What was answered and lost on the way is over: a scroll gives the page behind it next.
        how = {"max_retries": 0} if target.startswith(SCROLL_PATH) and method == "POST" else {}
        try:
            with self._turns.turn():
                answer = self._transport.perform_request(
                    method, target, body=sent, headers=headers, **how
                )
        except TlsError as error:
            words = _words(error)
            plain = "WRONG_VERSION_NUMBER" in words
            raise SourceError(
                f"{place}: TLS fails: {words}",
                hint="does the server speak http?" if plain else CERTIFICATE_HINT,
                code="MMC454",
            ) from None
        except ConnectionTimeout:
            raise SourceBusy(
                f"{place}: no answer in {self.options.timeout:g} s",
                hint="raise source.timeout, or lower source.read.page_bytes",
                code="MMC450",
            ) from None
        except TransportError as error:
            raise SourceBusy(
                f"{place}: {_words(error)}",
                hint="is the address right, http or https, and the cluster up?",
                code="MMC450",
            ) from None
        known = {name.lower(): value for name, value in answer.meta.headers.items()}
        return Answer(answer.meta.status, known, answer.body or b"")

    def close(self) -> None:
        self._transport.close()


def once(what: str, function: Callable[[], T]) -> T:
    """No request is asked again: whoever reads a split reads it again as a whole."""
    return function()


@contextmanager
def connect(options: ElasticsearchOptions, again: Again = once) -> Iterator[Connection]:
    """Makes the pool, and closes it. Nothing is sent yet.

    Raises:
        SourceError: an address is none (MMC450), a file of `tls` cannot be used (MMC454).
        SecretError: a reference does not resolve.
        PluginMissing: elastic-transport is not installed.
    """
    try:
        import elastic_transport
    except ImportError:
        raise PluginMissing(
            "the elasticsearch source needs elastic-transport",
            hint="pip install 'mmc[elasticsearch]'",
        ) from None
    # Failures reach the user as exceptions; the transport would log each once more.
    logging.getLogger("elastic_transport").setLevel(logging.CRITICAL + 1)
    urls = options.urls or (_cloud(options.cloud_id),)
    nodes = [_node(url, options) for url in urls]
    transport = elastic_transport.Transport(
        nodes, max_retries=len(nodes) - 1, retry_on_status=(502, 503, 504), meta_header=False
    )
    transport.serializers = _Undecoded()  # type: ignore[assignment]
    shown = ", ".join(_shown(url) for url in urls)
    turns = limit(tuple(urls), options.read.concurrency, options.read.requests_per_second)
    try:
        yield Connection(options, transport, shown, turns, again)
    finally:
        transport.close()


def path_of(*parts: str) -> str:
    """`/docs/_search` of `docs`, `_search`: what is special in a URL is written in percents."""
    return "/" + "/".join(quote(part, safe="*,-_.~") for part in parts)


class _Undecoded:
    """Bytes go out and come in as they are: pages are decoded elsewhere, in other processes."""

    def dumps(self, data: bytes, mimetype: str | None = None) -> bytes:
        return data

    def loads(self, data: bytes, mimetype: str | None = None) -> bytes:
        return data


def _node(url: str, options: ElasticsearchOptions) -> Any:
    from elastic_transport.client_utils import url_to_node_config

    try:
        node = url_to_node_config(url, use_default_ports_for_scheme=True)
    except ValueError:
        raise SourceError(
            f"`{_shown(url)}` is no address", hint="write https://host:9200", code="MMC450"
        ) from None
    tls: dict[str, Any] = {}
    if node.scheme == "https":
        tls = {
            "ssl_context": _tls(options.tls),
            "verify_certs": options.tls.verify,
            "ssl_assert_fingerprint": _fingerprint(options.tls.fingerprint),
            "ssl_show_warn": False,
        }
    return replace(
        node,
        headers={**node.headers, **credentials(options.auth)},
        request_timeout=options.timeout,
        connections_per_node=options.read.concurrency + 1,
        **tls,
    )


def _tls(said: Tls) -> ssl.SSLContext:
    """The transport makes one too, but leaves the client's certificate out of it where a
    fingerprint is told or nothing is verified.
    """
    try:
        made = ssl.create_default_context(cafile=said.ca or None)
        if said.certificate:
            # Without a password of ours, a key that has one would be asked for at the terminal.
            made.load_cert_chain(said.certificate, said.key or None, password="")
    except (OSError, ValueError) as error:
        raise SourceError(
            f"TLS cannot be set up: {error}", hint="see source.tls", code="MMC454"
        ) from None
    if said.fingerprint or not said.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def _fingerprint(said: str) -> str | None:
    """The transport takes MD5 and SHA-1 too, which prove nothing."""
    plain = said.replace(":", "").lower()
    if plain and not _SHA256.fullmatch(plain):
        raise SourceError(
            "source.tls.fingerprint is no SHA-256: 64 hex digits, with or without colons",
            hint="openssl x509 -in certificate.pem -noout -fingerprint -sha256",
            code="MMC454",
        )
    return plain or None


def _cloud(cloud_id: str) -> str:
    from elastic_transport.client_utils import parse_cloud_id

    try:
        address = parse_cloud_id(cloud_id).es_address
    except ValueError:
        address = None
    if address is None:
        raise SourceError(
            "source.cloud_id is none", hint="copy it from the deployment's page", code="MMC450"
        )
    return f"https://{address[0]}:{address[1]}"


def _shown(url: str) -> str:
    """For messages: without user and password."""
    if "://" not in url:
        return url.rpartition("@")[2]
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def _plain(params: Mapping[str, Any] | None) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in (params or {}).items()
    }


def _words(error: Any) -> str:
    """The innermost cause: what urllib3 wraps around it names objects of ours."""
    cause: BaseException = error.errors[0] if error.errors else error
    while inner := getattr(cause, "reason", None) or cause.__cause__ or _wrapped(cause):
        if not isinstance(inner, BaseException):
            break
        cause = inner
    text = str(getattr(cause, "strerror", None) or cause)
    # urllib3 writes its own object in front: `<...Connection object at 0x7f..>: refused`.
    return REDACTOR.clean(text.partition(">: ")[2] or text)


def _wrapped(error: BaseException) -> BaseException | None:
    """urllib3 names a broken connection, and what broke it, in one tuple."""
    return next((one for one in error.args if isinstance(one, BaseException)), None)
