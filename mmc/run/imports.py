"""Has the server import staged files, each request once: asks, adopts what was asked before a
crash, waits, and asks again only where the server itself says that nothing came of it.

Knows a target by the seam. What it did is in the ledger (`mmc.state.ledger`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from mmc.errors import TargetBusy
from mmc.events import Emit, ImportAsked, ImportDone, ImportProgress, ImportStalled, Retrying
from mmc.layouts.files import FileRecord
from mmc.plan.model import CopySplits, ImportFiles
from mmc.run import importfaults as faults
from mmc.run.pace import call
from mmc.run.standstill import Standstill
from mmc.spi import FileGroup, Importer, ImportTask, TaskState
from mmc.state.ledger import ImportRecord, ImportStatus, Ledger
from mmc.state.store import SplitRecord

ATTEMPTS: Final = 5
"""Times that a process makes a request whose task the server gives up without fault of the files.
"""
AGAIN_SECONDS: Final = 60.0
"""Wait before a request is made again that the server gave up because it was restarted, or could
not read its storage: one that comes at once may go to a node that is not up yet, and stays there
for 15 minutes (seen on 2.3.5).
"""
SETTLE_SECONDS: Final = 5.0
"""A request whose sender was killed, or had no answer, is listed by the server at the latest after
this.
"""
POLL_SECONDS: Final = (0.5, 2.0)
"""Between looks at the tasks: first, and longest. A server goes on with them every 2 s, and 2.3 is
better not asked often (see `mmc.sinks.milvus.bulk.grpcimports`).
"""


class Imports:
    """The requests of one ImportFiles step, over all attempts of a run.

    Args:
        before: rows that the collection had before the first of this run.
        kept: raises when the lease is no longer ours; called with the answer of every ledger write.
        should_stop: looked at between calls; `check_stop` raises then.
    """

    def __init__(
        self,
        step: ImportFiles,
        copy: CopySplits,
        target: Importer,
        ledger: Ledger,
        *,
        before: int,
        emit: Emit,
        kept: Callable[[bool], None],
        should_stop: Callable[[], bool],
        check_stop: Callable[[], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._step, self._copy = step, copy
        self._target, self._ledger = target, ledger
        self._rows_before, self._emit, self._kept = before, emit, kept
        self._should_stop, self._check_stop = should_stop, check_stop
        self._sleep, self._clock = sleep, clock
        self._splits: dict[str, SplitRecord] = {}
        self._partitions = {split.id: split.partition for split in copy.splits}
        self._waiting: dict[str, list[str]] = {}
        self._requests = {record.request: record for record in ledger.records()}
        ledger.refuse_others(self._requests.values(), self._partitions)
        self._asked = {split for record in self._requests.values() for split in record.splits}
        self._stands: dict[str, ImportTask] = {}
        self._begun: dict[str, float] = {}
        self._sent: dict[str, float] = {}
        self._started = clock()
        self._again_at: dict[str, float] = {}
        self._empty: set[str] = set()
        self._tries: dict[str, int] = {}
        self._before: dict[frozenset[str], tuple[str, ...]] | None = None
        self._looked = self._started

    def staged(self, record: SplitRecord) -> None:
        """A split's files are staged for good: they are asked for as soon as a request is full."""
        self._splits[record.split] = record
        if record.split in self._asked or not record.result.files:
            return
        self._asked.add(record.split)
        waiting = self._waiting.setdefault(self._partitions[record.split], [])
        waiting.append(record.split)
        if len(waiting) >= self._step.files:
            self._ask_for(waiting.copy())
            waiting.clear()
        # Splits of earlier attempts come in an order of their own: a request may be known before
        # all of its splits are.
        known = self._asked <= self._splits.keys()
        if known and self._clock() - self._looked > POLL_SECONDS[1]:
            self._look()

    def finish(self) -> int:
        """Asks for the rest and waits for all; gives the rows imported.

        Raises:
            TargetError: an import failed, or made no progress for too long.
        """
        for waiting in self._waiting.values():
            if waiting:
                self._ask_for(waiting.copy())
                waiting.clear()
        for record in list(self._requests.values()):
            if record.status is ImportStatus.INTENDED:
                self._ask(record, fresh=False)
        wait = POLL_SECONDS[0]
        still = Standstill(self._step.stall_seconds, clock=self._clock, tell=self._tell_still)
        while self._open():
            self._check_stop()
            self._look()
            if still.moved(self._marks()):
                wait = POLL_SECONDS[0]
            elif still.too_long():
                tasks = [record.task for record in self._open()]
                raise faults.stalled(self._copy.collection.name, tasks, self._step.stall_seconds)
            if self._open():
                self._sleep(wait)
                wait = min(wait * 1.5, POLL_SECONDS[1])
        return sum(record.rows for record in self._requests.values())

    # -- asking ----------------------------------------------------------------------------------

    def _ask_for(self, splits: Sequence[str]) -> None:
        """A new request. Tasks of these files that are there already are of earlier runs."""
        files = frozenset(self._files(splits))
        if self._before is None:
            self._before = {}
            for task in self._tasks_there():
                key = frozenset(task.files)
                self._before[key] = (*self._before.get(key, ()), task.id)
        earlier = self._before.get(files, ())
        self._kept(self._ledger.intend(splits[0], splits, earlier))
        self._ask(self._reload(splits[0]), fresh=True)

    def _ask(self, record: ImportRecord, *, fresh: bool) -> None:
        """Asks the server, unless a task of this request is there: an earlier process, or a try
        whose answer was lost, may have asked.
        """
        groups = [
            FileGroup(split, self._partitions[split], tuple(f.path for f in self._files_of(split)))
            for split in record.splits
        ]
        text = f"{self._step.id}/{record.request}/{record.attempt}/{record.asked_at.isoformat()}"
        key = hashlib.sha256(f"{self._copy.staging}/{text}".encode()).hexdigest()
        sure = fresh

        def attempt() -> tuple[str, bool]:
            nonlocal sure
            if not sure and (found := self._find(record)):
                return found, True
            sure = False
            # This process may have been suspended since the intent was noted, and another may have
            # asked meanwhile.
            self._kept(self._ledger.held())
            try:
                return self._target.submit(self._copy, groups, key), False
            finally:
                self._sent[record.request] = self._clock()

        what = f"import of {self._copy.collection.name}, request {record.request}"
        task, adopted = call(what, attempt, emit=self._emit, should_stop=self._should_stop)
        self._kept(self._ledger.submitted(record.request, task))
        self._reload(record.request)
        self._begun[record.request] = self._clock()
        self._tries[record.request] = self._tries.get(record.request, 0) + 1
        self._emit(
            ImportAsked(
                step=self._step.id,
                request=record.request,
                task=task,
                splits=len(record.splits),
                attempt=record.attempt,
                adopted=adopted,
            )
        )

    def _find(self, record: ImportRecord) -> str:
        """The task of this request's files that nobody has noted, or "".

        Raises:
            TargetError: there is none, and the server would not list it any more (MMC544).
        """
        # Nobody knows when another process sent it: at the latest as this one began.
        sent = self._sent.get(record.request, self._started)
        self._pause(SETTLE_SECONDS - (self._clock() - sent))
        files = frozenset(self._files(record.splits))
        known = {*record.earlier, *(one.task for one in self._requests.values())}
        there = [task for task in self._tasks_there() if task.id not in known]
        # A server of 2.4 and later names no files before it has looked at them.
        if any(not task.files and task.state is not TaskState.FAILED for task in there):
            raise TargetBusy(
                f"{self._copy.collection.name}: the server does not tell yet what it imports"
            )
        found = [task for task in there if frozenset(task.files) == files]
        alive = [task.id for task in found if task.state is not TaskState.FAILED]
        name = self._copy.collection.name
        if len(alive) > 1:
            raise faults.imported_twice(name, record.request, alive)
        age = (datetime.now(UTC) - record.asked_at).total_seconds()
        memory = self._target.memory_seconds
        if not found and age > memory:
            raise faults.not_listed(name, record.request, record.asked_at, memory)
        return alive[0] if alive else (found[-1].id if found else "")

    def _pause(self, seconds: float) -> None:
        """Waits, and looks at the stop flag meanwhile."""
        while seconds > 0:
            self._check_stop()
            self._sleep(0.25)
            seconds -= 0.25

    def _tasks_there(self) -> Sequence[ImportTask]:
        return call(
            f"list imports of {self._copy.collection.name}",
            lambda: self._target.find_tasks(self._copy),
            emit=self._emit,
            should_stop=self._should_stop,
        )

    # -- waiting ---------------------------------------------------------------------------------

    def _open(self) -> list[ImportRecord]:
        return [r for r in self._requests.values() if r.status is not ImportStatus.COMPLETED]

    def _look(self) -> None:
        """Asks how the open requests stand, and records those that came to an end."""
        records = [r for r in self._open() if r.status is ImportStatus.SUBMITTED]
        self._looked = self._clock()
        if not records:
            return
        ids = [record.task for record in records]
        tasks = call(
            f"state of imports of {self._copy.collection.name}",
            lambda: self._target.tasks(self._copy, ids),
            emit=self._emit,
            should_stop=self._should_stop,
        )
        for record, task in zip(records, tasks, strict=True):
            self._stands[record.request] = task
            match task.state:
                case TaskState.COMPLETED:
                    self._completed(record, task)
                case TaskState.FAILED | TaskState.GONE:
                    self._failed(record, task)
                case _:
                    pass
        if self._empty:
            self._ask_for_empty()
        self._tell()

    def _completed(self, record: ImportRecord, task: ImportTask) -> None:
        wanted = self._rows(record)
        if not task.rows and wanted:
            # Seen on 2.3.5 when the answers of its storage were cut: nothing came of it.
            self._empty.add(record.request)
            return
        if task.rows != wanted:
            raise faults.wrong_rows(
                self._copy.collection.name,
                f"import {record.task} brought {task.rows:,} rows, its files hold {wanted:,}",
            )
        self._kept(self._ledger.completed(record.request, task.rows))
        self._reload(record.request)
        began = self._begun.get(record.request, self._clock())
        seconds = self._clock() - began
        self._emit(
            ImportDone(
                step=self._step.id,
                request=record.request,
                task=record.task,
                rows=task.rows,
                seconds=seconds,
            )
        )

    def _failed(self, record: ImportRecord, task: ImportTask) -> None:
        # A failed task brought nothing. One that failed before this process began is tried again:
        # applying again says that its cause is mended.
        tries = self._tries.get(record.request, 0)
        if task.again and tries < ATTEMPTS:
            if self._due(record, task.reason):
                self._send_again(record)
        elif not tries and task.state is TaskState.FAILED:
            self._send_again(record)
        else:
            name = self._copy.collection.name
            raise faults.failed(name, replace(task, id=record.task), self._files(record.splits))

    def _ask_for_empty(self) -> None:
        """Asks again for what is said to have brought no rows, once the collection, with no import
        under way, has as many as all others brought.

        Raises:
            TargetError: it has another number, or this was asked for often enough (MMC543).
        """
        records = self._open()
        if any(record.request not in self._empty for record in records):
            return
        name = self._copy.collection.name
        for record in records:
            if self._tries.get(record.request, 0) >= ATTEMPTS:
                raise faults.wrong_rows(
                    name, f"import {record.task} {faults.EMPTY}, after {ATTEMPTS} tries"
                )
        due = [record for record in records if self._due(record, faults.EMPTY)]
        if not due:
            return
        expected = self._rows_before + sum(record.rows for record in self._requests.values())
        there = call(
            f"count what was imported into {name}",
            lambda: self._target.rows_there(self._copy),
            emit=self._emit,
            should_stop=self._should_stop,
        )
        if there != expected:
            tasks = ", ".join(record.task for record in records)
            raise faults.wrong_rows(
                name,
                f"the server says that import {tasks} brought no rows, but the collection has"
                f" {there:,} rows, and {expected:,} without those",
            )
        for record in due:
            self._send_again(record)

    def _due(self, record: ImportRecord, reason: str) -> bool:
        """Whether it is time to make a request again: not at once, and others go on meanwhile."""
        now = self._clock()
        if record.request not in self._again_at:
            self._again_at[record.request] = now + AGAIN_SECONDS
            what = f"import {record.task} of {self._copy.collection.name}"
            self._emit(Retrying(what, reason, record.attempt, AGAIN_SECONDS))
        return now >= self._again_at[record.request]

    def _send_again(self, record: ImportRecord) -> None:
        self._again_at.pop(record.request, None)
        self._empty.discard(record.request)
        self._stands.pop(record.request, None)
        self._kept(self._ledger.intend_again(record))
        self._ask(self._reload(record.request), fresh=True)

    def _tell_still(self, seconds: float, left: float) -> None:
        tasks = tuple(r.task for r in self._open() if r.request not in self._again_at)
        if tasks:
            name = self._copy.collection.name
            self._emit(
                ImportStalled(
                    step=self._step.id,
                    collection=name,
                    tasks=tasks,
                    seconds=seconds,
                    left_seconds=left,
                )
            )

    def _marks(self) -> Hashable:
        """What changes when something moves."""
        stands = ((t.id, t.state, t.progress, t.rows) for t in self._stands.values())
        return (len(self._open()), *sorted(stands))

    def _tell(self) -> None:
        records = list(self._requests.values())
        rows = sum(self._rows(record) for record in records)
        done = 0.0
        for record in records:
            if record.status is ImportStatus.COMPLETED:
                done += record.rows
            elif record.request in self._stands:
                done += self._rows(record) * self._stands[record.request].progress / 100
        finished = len(records) - len(self._open())
        percent = int(100 * done / rows) if rows else 100
        self._emit(
            ImportProgress(
                step=self._step.id,
                requests=len(records),
                requests_done=finished,
                rows=rows,
                rows_done=int(done),
                progress=percent,
            )
        )

    # -- records ---------------------------------------------------------------------------------

    def _reload(self, request: str) -> ImportRecord:
        self._requests[request] = record = self._ledger.record(request)
        return record

    def _rows(self, record: ImportRecord) -> int:
        return sum(self._splits[split].result.rows_written for split in record.splits)

    def _files(self, splits: Sequence[str]) -> list[str]:
        return [file.path for split in splits for file in self._files_of(split)]

    def _files_of(self, split: str) -> Sequence[FileRecord]:
        return self._splits[split].result.files
