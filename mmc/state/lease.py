"""One applying process a target: a lease with an owner and an expiry, in the state store.

Taken by a conditional write (compare-and-swap on the owner that was seen), renewed by a thread, and
checked in the same transaction that records a split. A holder that was killed costs nothing: its
lease is taken over at once when its process on this host is gone, else when it expires.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import LeaseHeld, LeaseLost, StateBusy, StateDamaged, StateError
from mmc.events import Diagnosed, Emit
from mmc.plan.model import Endpoint
from mmc.state.rows import Fields
from mmc.state.sql import Database, survives_restart
from mmc.state.tables import leases, runs
from mmc.state.targets import target_identity, target_key

TTL_SECONDS = 30.0
"""How long a lease lasts that is not renewed. It is renewed every sixth of that."""
MARGIN_SECONDS = 5.0
"""No call that writes begins when the lease has less than this left, and none may take longer than
to here: clocks of two hosts may differ by as much.
"""
Clock = Callable[[], datetime]
_OWNER = re.compile(r"[0-9]+-[0-9]+-[0-9a-z]+")
"""Process, when it started, and something that no other has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lease.

    Attributes:
        host: the machine, its boot and its process namespace.
        run: that began last on the target; None where none is recorded.
    """

    lease: str
    target: str
    owner: str
    host: str
    pid: int
    acquired_at: datetime
    expires_at: datetime
    run: str | None

    def __str__(self) -> str:
        name = self.host.partition(" ")[0]
        return f"process {self.pid} on {name}, since {self.acquired_at:%Y-%m-%d %H:%M:%S}Z"


class Lease:
    """Our lease on a target, while the `with` block lasts.

    Args:
        target: what is written to, or its key as a run recorded it: a relative path is another
            place in another folder.
        clock: gives the time, aware, in UTC.
        heartbeat: renew in a thread every sixth of the time to live; tests renew by hand.
    """

    def __init__(
        self,
        database: Database,
        target: Endpoint | str,
        emit: Emit,
        *,
        ttl: float = TTL_SECONDS,
        clock: Clock = lambda: datetime.now(UTC),
        heartbeat: bool = True,
    ) -> None:
        self.key = target if isinstance(target, str) else target_key(target)
        self.owner = f"{os.getpid()}-{_started(os.getpid()) or 0}-{secrets.token_hex(8)}"
        self._database = database
        self._target = (
            f"target {target[:12]}" if isinstance(target, str) else target_identity(target)
        )
        self._emit = emit
        self._ttl = timedelta(seconds=ttl)
        self._clock = clock
        self._expires = clock()
        self._fenced = running_time()
        self._lost = ""
        self._ended = threading.Event()
        self._thread = (
            threading.Thread(target=self._beat, name="mmc-lease", daemon=True)
            if heartbeat
            else None
        )

    def __enter__(self) -> Lease:
        """Takes the lease.

        Raises:
            LeaseHeld: a living process holds it; the message names it.
        """
        self._acquire()
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        try:
            with self._database.writing() as connection:
                connection.execute(leases.delete().where(self._mine))
        except StateError:
            if error is None:
                raise

    def check(self) -> None:
        """Raises LeaseLost when the lease was taken over, or its store is gone.

        After a pause of this process or of the state store (a suspended laptop) it is renewed
        first, if still ours.
        """
        self._miss_store()
        if not self._lost and self._clock() >= self._expires:
            self.renew()
        if self._lost:
            raise LeaseLost(
                f"the lease on {self._target} was lost: {self._lost}",
                hint="another apply may be running; `mmc status` shows it. Apply again continues",
                code="MMC623",
            )

    def _miss_store(self) -> None:
        """Notes that the file of the store is not there any more: nothing more is recorded."""
        if not self._lost and not self._database.is_there():
            self._lost = f"the state store {self._database.shown} was deleted or replaced meanwhile"

    def fence(self) -> float:
        """Seconds for which no other process can take the lease, less a margin: see
        `mmc.spi.Fence`. Needs no answer of the state store, and is asked from any thread.

        Raises:
            StateBusy: none are left, for the store did not answer in time, or the lease is lost
                (MMC624). What is tried again waits until it is renewed.
        """
        left = self._fenced - running_time()
        if self._lost or left <= 0:
            raise fenced()
        return left

    @property
    def fenced_until(self) -> float:
        """Until when `fence` gives seconds, by `running_time`, which all processes of a machine
        share.
        """
        return -1.0 if self._lost else self._fenced

    @property
    def lost(self) -> bool:
        """Whether another owner is known to hold it; `check` raises then."""
        return bool(self._lost)

    def lose(self, why: str) -> None:
        """Notes that another owner was seen, and raises LeaseLost."""
        self._lost = why
        self.check()

    def renew(self) -> None:
        """Extends the lease if it is still ours; otherwise `check` raises from now on."""
        now, began = self._clock(), running_time()
        with self._database.writing() as connection:
            held = connection.execute(
                leases.update().where(self._mine).values(expires_at=now + self._ttl)
            )
        if held.rowcount:
            self._expires = now + self._ttl
            self._fenced = began + self._ttl.total_seconds() - MARGIN_SECONDS
        else:
            self._lost = "another process took it over"

    @property
    def claim(self) -> dict[str, object]:
        """Who we are, as a lease names it: owner, host and pid."""
        return {"owner": self.owner, "host": _host(), "pid": os.getpid()}

    @property
    def _mine(self) -> sa.ColumnElement[bool]:
        return (leases.c.lease == self.key) & (leases.c.owner == self.owner)

    def _acquire(self) -> None:
        now, began = self._clock(), running_time()
        values = {
            **self.claim,
            "acquired_at": now,
            "expires_at": now + self._ttl,
        }
        holder = self._take(now, values)
        self._expires = now + self._ttl
        self._fenced = began + self._ttl.total_seconds() - MARGIN_SECONDS
        if holder is None:
            return
        expired = holder.expires_at <= now
        self._emit(
            Diagnosed(
                Diagnostic(
                    "MMC621" if expired else "MMC622",
                    f"took over the lease on {holder.target} from {holder}: "
                    + ("it had expired" if expired else "that process is gone"),
                    severity=Severity.NOTE,
                )
            )
        )

    @survives_restart
    def _take(self, now: datetime, values: dict[str, object]) -> Holder | None:
        """Writes our lease; returns the holder it was taken over from. Raises LeaseHeld."""
        try:
            with self._database.writing() as connection:
                row = connection.execute(
                    sa.select(leases).where(leases.c.lease == self.key).with_for_update()
                ).one_or_none()
                if row is None:
                    connection.execute(
                        leases.insert().values(lease=self.key, target=self._target, **values)
                    )
                    return None
                holder = _holder(connection, row)
                if holder.owner == self.owner:
                    return None  # written by a try of which the answer was lost
                free = holder.expires_at <= now or is_gone(holder)
                if (
                    free
                    and connection.execute(
                        leases.update()
                        .where(leases.c.lease == self.key, leases.c.owner == holder.owner)
                        .values(**values)
                    ).rowcount
                ):
                    return holder
        except StateError as error:
            if not isinstance(error.__context__, IntegrityError):
                raise
            raise LeaseHeld(
                f"{self._target}: another apply has just begun",
                hint="try again later",
                code="MMC620",
            ) from None
        left = max(0, round((holder.expires_at - now).total_seconds()))
        raise LeaseHeld(
            f"{holder.target} is being written by {holder}",
            hint=f"wait for it, or stop it. If it is gone, its lease ends in {left} s"
            + (f"; `mmc state unlock {holder.run}` ends it now" if holder.run else ""),
            code="MMC620",
        )

    def _beat(self) -> None:
        while not self._ended.wait(self._ttl.total_seconds() / 6):
            self._miss_store()
            if self._lost:
                return
            try:
                self.renew()
            except StateError:
                continue
            if self._lost:
                return


def running_time() -> float:
    """Seconds by a clock that nobody sets, that goes on while the machine sleeps, and that is the
    same in all processes of it.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def fenced() -> StateBusy:
    """Why a call that writes does not begin."""
    return StateBusy(
        "the lease on the target could not be renewed in time, so nothing more is written",
        hint="check the database of the state store; then apply again to continue",
        code="MMC624",
    )


def owner_of(connection: sa.Connection, key: str, *, lock: bool = False) -> str | None:
    """The owner of a lease as a transaction sees it. `lock`: nobody else takes it before the
    transaction ends.
    """
    held = sa.select(leases.c.owner).where(leases.c.lease == key)
    owner: str | None = connection.execute(held.with_for_update() if lock else held).scalar()
    return owner


def holders(database: Database) -> list[Holder]:
    """All leases, for `status` and `state list`."""
    with database.reading() as connection:
        rows = connection.execute(sa.select(leases).order_by(leases.c.target)).all()
        return [_holder(connection, row) for row in rows]


def unlock(database: Database, key: str) -> str:
    """Ends the lease on the target of this key, and says whose it was; "" when there was none. One
    that cannot be read ends too.
    """
    with database.writing() as connection:
        mine = leases.c.lease == key
        row = connection.execute(sa.select(leases).where(mine).with_for_update()).one_or_none()
        if row is None:
            return ""
        connection.execute(leases.delete().where(mine))
        try:
            return str(_holder(connection, row))
        except StateDamaged:
            return "a process that cannot be told: its row was not as mmc writes it"


def _holder(connection: sa.Connection, row: sa.Row[tuple[object, ...]]) -> Holder:
    fields = row._mapping
    run = _latest_run(connection, fields["lease"])
    end = f"`mmc state unlock {run}`" if run else "delete this row of the database"
    hint = f"be sure that no apply to this target is running, then {end}"
    of = Fields("mmc_leases", fields, ("lease",), hint)
    return Holder(
        lease=of.text("lease"),
        target=of.text("target"),
        owner=of.text("owner", _OWNER),
        host=of.text("host"),
        pid=of.count("pid", 1, 2**31 - 1),
        acquired_at=of.time("acquired_at"),
        expires_at=of.time("expires_at"),
        run=run,
    )


def _latest_run(connection: sa.Connection, key: str) -> str | None:
    """The run that began last on the target of this key."""
    here = sa.select(runs.c.run).where(runs.c.target_key == key)
    run: str | None = connection.execute(here.order_by(runs.c.started_at.desc()).limit(1)).scalar()
    return run


def is_gone(holder: Holder) -> bool:
    """Whether the holder was a process of this very host, boot and process namespace, and is no
    more.
    """
    if holder.host != _host():
        return False
    started = _started(holder.pid)
    return started is None or started != holder.owner.split("-")[1]


@lru_cache(maxsize=1)
def _host() -> str:
    """Host name, boot and process namespace: containers may share a name, not process ids."""
    name = socket.gethostname()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{name} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return name


def _started(pid: int) -> str | None:
    """When a process started, in the system's own unit; None when it is not there or dead; "0" when
    unknown.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        return _answers(pid)
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _answers(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "0"
