"""Imports by gRPC (`do_bulk_insert`), the only way into 2.3: one group of files a request.

Nothing here is ever sent twice: the server has no way to know a request again. And nothing is asked
often: 2.3.5 crashes, as a whole, when a client goes away in the middle of GetImportState or
ListImportTasks (a kill of this process, a deadline that passes; seen about once in 140 kills).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmc.errors import TargetAway, TargetBusy, TargetError
from mmc.milvus.connect import Connection
from mmc.sinks.milvus.bulk.reasons import Reason, reason_of
from mmc.sinks.milvus.bulk.trial import Trials
from mmc.spi import ImportTask, TaskState

VERDICT_SECONDS = 10.0
"""How long one look waits for what the server says of a file. When it is idle, 2.3.5 says within
0.05 s that it does not see one; else the imports that were asked for before come first.
"""

LOOK_SECONDS = 0.25
"""Between looks at a trial."""

_UNKNOWN_TASK = "key not found"
_CRASHED = (
    "the server may have crashed, which 2.3 does when a client goes away in the middle of this:"
    " see its log"
)


class GrpcImports:
    """Import tasks of a server, inside the database of the connection.

    pymilvus's `do_bulk_insert` is not used: without a call context it goes to the database
    `default`, and it sends the request again when the connection breaks.
    """

    memory_seconds = 86_400.0
    """`rootCoord.importTaskRetention`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._trials = Trials()

    def submit(
        self, collection: str, partition: str, groups: Sequence[Sequence[str]], key: str
    ) -> str:
        """Asks for an import of server paths; gives the task's id. `key` is of no use here.

        Raises:
            TargetBusy: refused for now, or it is unknown whether the request arrived.
            TargetError: refused.
        """
        from pymilvus.grpc_gen import milvus_pb2

        (files,) = groups
        request = milvus_pb2.ImportRequest(
            collection_name=collection, partition_name=partition, files=files
        )
        try:
            answer = self._connection.call("Import", request, f"import files into {collection}")
        except TargetBusy as error:
            raise TargetBusy(
                f"{error}; the server may have begun all the same", hint=error.hint, code=error.code
            ) from None
        if not answer.tasks:
            raise TargetError(f"import files into {collection}: no task id", code="MMC543")
        return str(answer.tasks[0])

    def tasks(self, ids: Sequence[str]) -> list[ImportTask]:
        """How these stand, in their order. Raises TargetError.

        The server begins with tasks in the order in which they were asked for
        (rootcoord/import_manager.go), so behind one that waits all others do.
        """
        stands: dict[str, ImportTask] = {}
        waiting = False
        for id_ in sorted(ids, key=lambda it: int(it) if _is_number(it) else -1):
            stands[id_] = ImportTask(id=id_, state=TaskState.WAITING) if waiting else self.task(id_)
            waiting = waiting or stands[id_].state is TaskState.WAITING
        return [stands[id_] for id_ in ids]

    def task(self, id_: str) -> ImportTask:
        """How a task stands; `files` has the server's words. Raises TargetError."""
        from pymilvus.grpc_gen import milvus_pb2

        if not _is_number(id_):
            return gone(id_)
        request = milvus_pb2.GetImportStateRequest(task=int(id_))
        try:
            answer = self._ask("GetImportState", request, f"look at import {id_}")
        except TargetError as error:
            if _UNKNOWN_TASK not in str(error):
                raise
            return gone(id_)
        return _task(id_, answer)

    def find(self, collection: str) -> list[ImportTask]:
        """All tasks of a collection that the server remembers, the oldest first."""
        from pymilvus.grpc_gen import milvus_pb2

        request = milvus_pb2.ListImportTasksRequest(collection_name=collection, limit=0)
        answer = self._ask("ListImportTasks", request, f"list the imports of {collection}")
        return [_task(str(one.id), one) for one in sorted(answer.tasks, key=lambda one: one.id)]

    def see(self, collection: str, path: str, *, needed: bool) -> str | None:
        """Has the server read a file that brings no rows; gives why it cannot, "" when it can, and
        None when it is too busy to say so soon. Where an answer is `needed`, a later call waits
        for the same task.
        """
        return self._trials.verdict(
            (collection, path),
            lambda: self.submit(collection, "", [[path]], ""),
            self.task,
            keep=needed,
            seconds=VERDICT_SECONDS,
            between=LOOK_SECONDS,
        )

    def _ask(self, method: str, request: Any, what: str) -> Any:
        try:
            return self._connection.call(method, request, what)
        except TargetAway as error:
            raise TargetAway(f"{error}; {_CRASHED}", hint=error.hint, code=error.code) from None

    def close(self) -> None:
        """The connection is not ours to close."""


def _is_number(id_: str) -> bool:
    """Whether this can be the id of a task: what the state store has may have been edited."""
    return id_.isascii() and id_.isdecimal() and int(id_[:20]) < 2**63 and len(id_) < 20


def gone(id_: str) -> ImportTask:
    """A task that the server does not know any more: it may have brought its rows or not."""
    return ImportTask(
        id=id_,
        state=TaskState.GONE,
        reason="the server does not know the task any more",
    )


def _task(id_: str, answer: Any) -> ImportTask:
    infos = {pair.key: pair.value for pair in answer.infos}
    reason = infos.get("failed_reason", "")
    state = _state(answer.state)
    return ImportTask(
        id=id_,
        state=state,
        files=(infos.get("files", ""),),
        rows=answer.row_count if state is TaskState.COMPLETED else 0,
        progress=100 if state is TaskState.COMPLETED else int(infos.get("progress_percent") or 0),
        reason=reason if state is TaskState.FAILED else "",
        again=state is TaskState.FAILED and _is_safe_again(reason, infos),
    )


def _is_safe_again(reason: str, infos: Mapping[str, str]) -> bool:
    """Whether the server itself gave the task up, or could not read its storage, and removed what
    it had written.

    In the first minute after a kill 2.3.5 may hand a task to the node that is dead, and it stays at
    0 until it is timed out, after 15 to 20 minutes. One that did begin is too slow: its file is too
    large.
    """
    never_begun = "timed out" in reason and not int(infos.get("progress_percent") or 0)
    restarted = "service restarted" in reason
    return restarted or never_begun or reason_of(reason) is Reason.PASSING


def _state(number: int) -> TaskState:
    from pymilvus.grpc_gen import common_pb2

    match common_pb2.ImportState.Name(number):
        case "ImportPending":
            return TaskState.WAITING
        case "ImportFailed" | "ImportFailedAndCleaned":
            return TaskState.FAILED
        case "ImportCompleted":
            return TaskState.COMPLETED
        case _:
            return TaskState.RUNNING
