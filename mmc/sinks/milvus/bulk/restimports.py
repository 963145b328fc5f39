"""Imports by REST (`/v2/vectordb/jobs/import`), the way into 2.4 and later: many files a request.

Paths, bodies and answers as in Milvus's `httpserver/handler_v2.go`. No request is sent twice here,
but for a look at a job at a server that does not know its newer name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from mmc.errors import TargetAway, TargetError
from mmc.milvus.connect import Address
from mmc.milvus.errors import Fault, error_of, fault_of
from mmc.milvus.lite import DEFAULT_DATABASE
from mmc.milvus.tls import Tls, context_of
from mmc.sinks.milvus.bulk.grpcimports import gone
from mmc.sinks.milvus.bulk.reasons import Reason, reason_of
from mmc.sinks.milvus.bulk.trial import Trials
from mmc.spi import Fence, ImportTask, TaskState, unfenced

_JOBS = "/v2/vectordb/jobs/import/"
_SUCCESS = {0, 200}
"""Early 2.4 said 200 in the place of 0."""
_UNKNOWN_JOB = "import job does not exist"
_WAITING = {"Pending"}
_LOOKS = ("describe", "get_progress")
"""What a look at a job is called: 2.4.13 and later know both, 2.4.0 to 2.4.12 the second alone."""
VERDICT_SECONDS = 20.0
"""How long one look waits for what the server says of a file: it goes on with a job every 2 s, and
one without rows has three steps.
"""
_BEGUN = "; the server may have begun all the same"
_AWAY = {408, 429, 500, 502, 503, 504}


class RestImports:
    """Import jobs of a server, inside a database.

    Args:
        token: `user:password` or an API key, "" for none.
        keys: the server knows the header Idempotency-Key (2.6.24, 3.0.2).
        tls: for https.
        fence: asked before a request that imports, which takes no longer than it gives.
    """

    memory_seconds = 10_800.0
    """`dataCoord.import.taskRetention`."""

    def __init__(
        self,
        address: Address,
        token: str,
        *,
        keys: bool,
        tls: Tls | None = None,
        fence: Fence = unfenced,
    ) -> None:
        if not address.uri.startswith(("http://", "https://")):
            raise TargetError(
                f"{address.shown}: imports need the http address of the server",
                hint="write uri: http://host:19530",
                code="MMC502",
            )
        self._address = address
        self._base = _with_port(address.uri)
        self._database = address.database or DEFAULT_DATABASE
        self._keys = keys
        self._fence = fence
        self._trials = Trials()
        self._look = _LOOKS[0]
        self._session = requests.Session()
        if tls is not None:
            self._session.mount("https://", _Secured(tls))
        # As `auth`, for a .netrc of the user would replace a header.
        self._session.auth = _Bearer(token)
        self._session.headers.update(
            {
                "DB-Name": self._database,
                "Request-Timeout": str(int(address.timeout) or 1),
                "User-Agent": "mmc",
            }
        )

    def submit(
        self, collection: str, partition: str, groups: Sequence[Sequence[str]], key: str
    ) -> str:
        """Asks for one import of groups of server paths; gives the job's id. `key`: "" for none.

        Raises:
            TargetBusy: refused for now, or it is unknown whether the request arrived.
            TargetError: refused.
        """
        body: dict[str, Any] = {
            "collectionName": collection,
            "files": [list(group) for group in groups],
        }
        if partition:
            body["partitionName"] = partition
        headers = {"Idempotency-Key": key} if self._keys and key else {}
        data = self._post(f"import files into {collection}", "create", body, headers)
        if not isinstance(data, Mapping) or not data.get("jobId"):
            raise _odd(f"import files into {collection}", "no jobId")
        return str(data["jobId"])

    def tasks(self, ids: Sequence[str]) -> list[ImportTask]:
        """How these stand, in their order. Raises TargetError."""
        return [self.task(id_) for id_ in ids]

    def task(self, id_: str) -> ImportTask:
        """How a job stands; `files` has the server's words, () before it has looked at them all.

        Raises:
            TargetError: anything but an answer about the job.
        """
        what = f"look at import {id_}"
        try:
            data = self._look_at(what, id_)
        except TargetError as error:
            if _UNKNOWN_JOB not in str(error):
                raise
            return gone(id_)
        if not isinstance(data, Mapping) or "state" not in data:
            raise _odd(what, "no state")
        return _task(id_, data)

    def _look_at(self, what: str, id_: str) -> Any:
        """Asks by the name that this server knows: it may be another after an upgrade."""
        answer = self._send(what, self._look, {"jobId": id_})
        if answer.status_code == requests.codes.not_found:
            self._look = next(verb for verb in _LOOKS if verb != self._look)
            answer = self._send(what, self._look, {"jobId": id_})
        return _data(what, answer)

    def find(self, collection: str) -> list[ImportTask]:
        """All jobs of a collection that the server remembers, the oldest first."""
        what = f"list the imports of {collection}"
        data = self._post(what, "list", {"collectionName": collection})
        records = data.get("records") if isinstance(data, Mapping) else None
        if not isinstance(records, (list, type(None))):
            raise _odd(what, "no records")
        ids = sorted((str(one["jobId"]) for one in records or ()), key=lambda id_: (len(id_), id_))
        # A job that ends its retention between the two calls is as good as never listed.
        return [task for task in map(self.task, ids) if task.state is not TaskState.GONE]

    def see(self, collection: str, path: str, *, needed: bool) -> str | None:
        """Where an answer is `needed`, has the server import a file that brings no rows; gives why
        it cannot, "" when it can, and None when it does not say so soon. A job takes seconds to its
        first look at a file, so else nothing is asked: the first real import tells as soon.
        """
        if not needed:
            return None
        return self._trials.verdict(
            (collection, path),
            lambda: self.submit(collection, "", [[path]], ""),
            self.task,
            keep=needed,
            seconds=VERDICT_SECONDS,
            between=0.5,
        )

    def close(self) -> None:
        self._session.close()

    def _post(
        self,
        what: str,
        verb: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The `data` of an answer that says success."""
        begun = _BEGUN if verb == "create" else ""
        return _data(what, self._send(what, verb, body, headers, begun), begun)

    def _send(
        self,
        what: str,
        verb: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        begun: str = "",
    ) -> requests.Response:
        url = self._base + _JOBS + verb
        timeout = self._address.timeout
        if begun:
            timeout = min(timeout, self._fence())
        try:
            return self._session.post(
                url,
                json={**body, "dbName": self._database},
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            # It was tried before: the server shows another certificate since.
            raise TargetError(
                f"{what}: TLS with {self._address.shown} fails: {error}",
                hint="apply again: it tells what to look at in target.tls",
                code="MMC571",
            ) from None
        except (requests.ConnectionError, requests.Timeout) as error:
            kind = type(error).__name__
            text = f"{what}: no answer from {self._address.shown}: {kind}{begun}"
            raise TargetAway(text, code="MMC506") from None
        except requests.RequestException as error:
            raise TargetError(f"{what}: {type(error).__name__}", code="MMC545") from None


def _with_port(uri: str) -> str:
    """The address with the port that pymilvus takes where none is given: of http, Milvus's own."""
    parts = urlsplit(uri)
    port = ":19530" if parts.scheme == "http" and parts.port is None else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{port}"


class _Secured(HTTPAdapter):
    """Speaks TLS as gRPC does with the same server: see `mmc.milvus.tls`."""

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **options, **self._options())

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, **self._options())

    def _options(self) -> dict[str, Any]:
        tls = self._tls
        made = context_of(tls.roots, tls.certificate, tls.key)
        return {
            "ssl_context": made,
            "server_hostname": tls.name,
            "assert_hostname": tls.name,
        }

    # requests would add certificates of its own to those that the context trusts.
    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"cert_reqs": "CERT_REQUIRED"}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        conn.cert_reqs = "CERT_REQUIRED"


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}".encode()
        return request


def _check_status(what: str, answer: requests.Response, begun: str) -> None:
    status = answer.status_code
    if status == requests.codes.ok:
        return
    if status in (401, 403):
        fault = Fault.LOGIN if status == requests.codes.unauthorized else Fault.FORBIDDEN
        raise error_of(what, f"HTTP {status}", fault)
    if status in _AWAY:
        raise TargetAway(
            f"{what}: HTTP {status} from {urlsplit(answer.url).netloc}{begun}", code="MMC506"
        )
    raise _odd(what, f"HTTP {status}")


def _data(what: str, answer: requests.Response, begun: str = "") -> Any:
    _check_status(what, answer, begun)
    try:
        body = answer.json()
    except ValueError:
        raise _odd(what, f"no JSON, but {answer.headers.get('Content-Type', 'text')}") from None
    if not isinstance(body, Mapping) or not isinstance(body.get("code"), int):
        raise _odd(what, "no code")
    if body["code"] in _SUCCESS:
        return body.get("data")
    words = str(body.get("message") or f"code {body['code']}").strip()
    raise error_of(what, words, fault_of(body["code"], words))


def _odd(what: str, found: str) -> TargetError:
    return TargetError(
        f"{what}: not an answer of Milvus's import interface: {found}",
        hint="does `uri` lead to the proxy of a Milvus 2.4 or later, port 19530?",
        code="MMC545",
    )


def _task(id_: str, data: Mapping[str, Any]) -> ImportTask:
    name = data["state"]
    rows = int(data.get("importedRows", data.get("totalRows")) or 0)
    details = data.get("details") or ()
    files = tuple(str(one.get("fileName", "")) for one in details)
    progress = int(data.get("progress") or 0)
    match name:
        case "Completed":
            return ImportTask(
                id=id_, state=TaskState.COMPLETED, files=files, rows=rows, progress=100
            )
        case "Failed":
            reasons = [data.get("reason"), *(one.get("reason") for one in details)]
            reason = next((str(one) for one in reasons if one), "no reason given")
            again = reason_of(reason) is Reason.PASSING
            return ImportTask(
                id=id_,
                state=TaskState.FAILED,
                files=files,
                rows=0,
                progress=progress,
                reason=reason,
                again=again,
            )
        case _:
            # States that later versions add are all on the way to one of those two.
            state = TaskState.WAITING if name in _WAITING else TaskState.RUNNING
            return ImportTask(id=id_, state=state, files=files, rows=0, progress=progress)
