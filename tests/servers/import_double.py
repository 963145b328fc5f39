"""A double of the import interface of Milvus 2.4 and later, over HTTP: no such server can be had
here.

It is of one version, and knows only what that version knows:

| from | what | read in |
|---|---|---|
| 2.4.0 | `create`, `list`, `get_progress`; a success is code 200 | handler_v2.go; t8y2/dbx#7074 |
| 2.4.6 | a success is code 0 | milvus#33099, #35969 |
| 2.4.13 | `describe`, beside `get_progress` | milvus#36752, PR 36754 |
| 2.6.24, 3.0.2 | the header `Idempotency-Key` | milvus PR 52320, 52544 |

Else it answers as Milvus's `internal/distributed/proxy/httpserver/handler_v2.go` and
`internal/datacoord/import_util.go` were read to answer, and refuses what they refuse. It imports
nothing: a test says what becomes of a job.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PREFIX = "/v2/vectordb/jobs/import/"
MOST_FILES = 1024
VERSIONS = ("2.4.0", "2.4.12", "2.4.13", "2.5.8", "2.6.0", "2.6.24", "3.0.0", "3.0.2")
"""One on each side of every change, and of every line."""


@dataclass
class Job:
    """One job; `told` is whether it has come to where the server lists its files."""

    id: str
    database: str
    collection: str
    partition: str
    groups: list[list[str]]
    key: str
    state: str = "Pending"
    progress: int = 0
    rows: int = 0
    reason: str = ""
    told: bool = False


@dataclass
class Request:
    """What was asked, for golden files."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ImportDouble:
    """The state of the double, and what it was asked.

    Attributes:
        version: of the server.
        collections: (database, name) pairs that exist.
        token: what `Authorization: Bearer` must say; "" for a server without accounts.
        most_jobs: `dataCoord.import.maxImportJobNum`.
        break_off: take the next request, and close the connection instead of answering.
        silent: seconds before it answers.
        raw: (status, content type, text) given in the place of every answer.
        course: (state, reason) that each look at a job finds, one after another, and then the last.
    """

    version: str
    url: str = ""
    collections: set[tuple[str, str]] = field(default_factory=set)
    token: str = ""
    most_jobs: int = 1024
    break_off: bool = False
    silent: float = 0.0
    raw: tuple[int, str, str] | None = None
    course: list[tuple[str, str]] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)

    @property
    def number(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))

    @property
    def success(self) -> int:
        """`code` of a success."""
        return 200 if self.number < (2, 4, 6) else 0

    @property
    def looks(self) -> tuple[str, ...]:
        """Names of the route that tells of a job."""
        newer = self.number >= (2, 4, 13)
        return ("describe", "get_progress") if newer else ("get_progress",)

    @property
    def knows_keys(self) -> bool:
        """Whether Idempotency-Key means something to it."""
        return (2, 6, 24) <= self.number < (3,) or self.number >= (3, 0, 2)

    def answer(self, request: Request) -> tuple[int, Any]:
        """HTTP status and body."""
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"code": 1800, "message": "user hasn't authenticated"}
        database = request.body.get("dbName") or request.headers.get("DB-Name") or "default"
        match request.path.removeprefix(PREFIX):
            case "create":
                return 200, self._create(database, request)
            case verb if verb in self.looks:
                return 200, self._describe(request.body)
            case "list":
                return 200, self._list(database, request.body)
            case _:
                return 404, {"code": 404, "message": "page not found"}

    def _create(self, database: str, request: Request) -> Any:
        body = request.body
        name, groups = body.get("collectionName"), body.get("files")
        if not name or not isinstance(groups, list) or not groups:
            return {"code": 1802, "message": "missing required parameters"}
        if (database, name) not in self.collections:
            return {"code": 100, "message": f"collection not found[collection={name}]"}
        if len(groups) > MOST_FILES:
            text = f"The max number of import files should not exceed {MOST_FILES}, but got "
            return {"code": 2100, "message": f"{text}{len(groups)}"}
        if any(not isinstance(value, str) for value in body.get("options", {}).values()):
            return {"code": 1801, "message": "can only accept json format request"}
        key = request.headers.get("Idempotency-Key", "") if self.knows_keys else ""
        for job in self.jobs:
            if key and (job.database, job.collection, job.key) == (database, name, key):
                return self._good({"jobId": job.id})
        if sum(job.state not in ("Completed", "Failed") for job in self.jobs) >= self.most_jobs:
            text = "The number of jobs has reached the limit, please try again later."
            return {"code": 2100, "message": text}
        id_ = str(453265736269038336 + len(self.jobs))
        partition = body.get("partitionName", "")
        self.jobs.append(Job(id_, database, name, partition, groups, key))
        return self._good({"jobId": id_})

    def _describe(self, body: dict[str, Any]) -> Any:
        job = next((job for job in self.jobs if job.id == body.get("jobId")), None)
        if job is None:
            text = f"import job does not exist, jobID={body.get('jobId')}: importing data failed"
            return {"code": 2100, "message": text}
        if self.course:
            job.state, job.reason = self.course[0]
            job.progress = 100 if job.state == "Completed" else 0
            self.course = self.course[1:] or self.course
        details = [
            {
                "fileName": f"[{' '.join(group)}]",
                "fileSize": 1,
                "progress": job.progress,
                "state": job.state,
                "importedRows": job.rows,
                "totalRows": job.rows,
            }
            for group in job.groups
        ]
        data: dict[str, Any] = {
            "jobId": job.id,
            "collectionName": job.collection,
            "state": job.state,
            "progress": job.progress,
            "importedRows": job.rows,
            "totalRows": job.rows,
            "fileSize": 1,
            "details": details if job.told else [],
        }
        if job.reason:
            data["reason"] = job.reason
        return self._good(data)

    def _list(self, database: str, body: dict[str, Any]) -> Any:
        records = [
            {
                "jobId": job.id,
                "collectionName": job.collection,
                "state": job.state,
                "progress": job.progress,
            }
            # Out of a Go map: in no order.
            for job in reversed(self.jobs)
            if (job.database, job.collection) == (database, body.get("collectionName"))
        ]
        return self._good({"records": records})

    def _good(self, data: Any) -> Any:
        return {"code": self.success, "data": data}


@contextmanager
def import_double(
    collections: Sequence[tuple[str, str]],
    tls: ssl.SSLContext | None = None,
    *,
    version: str = VERSIONS[-1],
) -> Iterator[ImportDouble]:
    """Serves a double on a free port of this machine, by TLS where asked; ends it at the end."""
    double = ImportDouble(version, collections=set(collections))
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            request = Request(self.path, dict(self.headers), body)
            double.asked.append(request)
            status, answer = double.answer(request)
            if double.break_off:
                double.break_off = False
                self.close_connection = True
                return
            released.wait(double.silent)
            kind, text = "application/json", json.dumps(answer)
            if double.raw:
                status, kind, text = double.raw
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            if status in (301, 302, 307):
                self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the test has `asked`."""

        def handle(self) -> None:
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        double.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield double
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()
