"""A real Milvus 2.3.5 standalone server: the binary of the `milvus` wheel, without its wrapper.

The wrapper moves to other ports on its own, and leaves its child running when it is killed. So the
binary is run directly here, on ports that were free, with all that it writes under one folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

START_SECONDS = 120.0
"""It takes 3 s on an idle machine, up to 25 s on a busy one; after a kill 6 s longer, which is how
long its old registrations live.
"""

SHORT_INTERVALS = {
    "proxy.timeTickInterval": 20,
    "queryCoord.checkInterval": 50,
    "queryCoord.distPullInterval": 50,
}
"""In ms; a tenth of the defaults, for tests that wait for loads and strong reads all the time."""


@dataclass(frozen=True, slots=True)
class MilvusServer:
    """A server on ports and in a folder of its own; `folder/logs` has what it said."""

    folder: Path
    port: int
    health_port: int

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "logs" / "milvus-stdout.log"

    def pid(self) -> int:
        return int((self.folder / "pid").read_text())

    def start(self) -> None:
        """Starts it on what the folder has, and waits until it answers.

        A guard process kills it when nobody has `folder/users` locked any more, so a test run that
        dies leaves no server behind. Somebody must hold that lock already: see `held`.
        """
        binaries = _unpacked()
        environment = {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self.health_port),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "LD_LIBRARY_PATH": str(binaries),
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(binaries / "milvus"), "run", "standalone"],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / "pid").write_text(str(process.pid))
        _guard(self.folder / "users", process.pid)
        # The guard or `kill` ends it; init, or this process when it polls, takes the remains.
        process.returncode = 0
        self._wait()

    def _wait(self) -> None:
        url = f"http://127.0.0.1:{self.health_port}/healthz"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._gone():
                raise AssertionError(f"the Milvus server ended while it started; see {self.log}")
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    if b"OK" in answer.read():
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"no Milvus server after {START_SECONDS:.0f} s; see {self.log}")

    def _gone(self) -> bool:
        """Whether the process has ended; takes its exit code when it is a child of this one."""
        try:
            done, _ = os.waitpid(self.pid(), os.WNOHANG)
        except ChildProcessError:
            return not Path(f"/proc/{self.pid()}").exists()
        return done != 0

    def kill(self) -> None:
        """kill -9, and waits until it is gone."""
        os.kill(self.pid(), signal.SIGKILL)
        deadline = time.monotonic() + 30
        while not self._gone():
            assert time.monotonic() < deadline, "the killed server is still there"
            time.sleep(0.02)

    def memory(self) -> int:
        """Bytes that the server has in memory now."""
        status = Path(f"/proc/{self.pid()}/statm").read_text().split()
        return int(status[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps the servers of a folder running, together with all others who hold it."""
    with (folder / "users").open("ab") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield


@contextmanager
def own_server(folder: Path, settings: Mapping[str, Any] | None = None) -> Iterator[MilvusServer]:
    """A server that one test has for itself, and may kill; started, and ended with the test.

    Args:
        settings: names of the wheel's `config.yaml.template`, such as `tls_mode`.
    """
    require_server()
    with held(_made(folder)):
        server = _configured(folder, settings or {})
        server.start()
        yield server


@contextmanager
def shared_server(folder: Path) -> Iterator[MilvusServer]:
    """The server of a whole test run: the first of its processes starts it, the last ends it."""
    require_server()
    with ExitStack() as stack:
        with (_made(folder) / "starting").open("ab") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            stack.enter_context(held(folder))
            server = _running(folder)
            if server is None:
                server = _configured(folder, {})
                server.start()
        yield server


def _running(folder: Path) -> MilvusServer | None:
    try:
        ports = json.loads((folder / "ports.json").read_text())
        server = MilvusServer(folder, ports["proxy_port"], ports["health_port"])
        state = Path(f"/proc/{server.pid()}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else server


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _configured(folder: Path, settings: Mapping[str, Any]) -> MilvusServer:
    """Writes the configuration with free ports; the wheel's own code fills in its template."""
    import milvus

    config = milvus.MilvusServerConfig(data_dir=str(folder))
    names = [name for name in config.configurable_items if name.endswith("_port")]
    ports = dict(zip([*names, "health_port"], _free_ports(len(names) + 1), strict=True))
    for name in names:
        config.set(name, ports[name])
    for key, value in {**SHORT_INTERVALS, **settings}.items():
        config.set(key, value)
    config.resolve_storage()
    config.template_text = config.template_text.replace(
        "\netcd:\n", f"\netcd:\n  config:\n    path: {_etcd_config(folder)}\n"
    )
    config.write_config()
    (folder / "ports.json").write_text(json.dumps(ports))
    return MilvusServer(folder, ports["proxy_port"], ports["health_port"])


def _etcd_config(folder: Path) -> Path:
    """Without it the embedded etcd listens on 2379 and 2380, and a second server dies of that."""
    path = folder / "configs" / "etcd.json"
    client, peer = (f"http://127.0.0.1:{port}" for port in _free_ports(2))
    options = {
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
    }
    path.write_text(json.dumps(options))
    return path


def _free_ports(count: int) -> list[int]:
    """Distinct ports that nobody listens on; all are held until all are known."""
    with ExitStack() as stack:
        ports = []
        for _ in range(count):
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
        return ports


_GUARD = """
import fcntl, os, select, shutil, signal, sys
server = os.pidfd_open(int(sys.argv[2]))
print(flush=True)
with open(sys.argv[1], "rb") as users:
    fcntl.flock(users, fcntl.LOCK_EX)
    try:
        signal.pidfd_send_signal(server, signal.SIGKILL)
    except ProcessLookupError:
        pass
    select.select([server], [], [])
    shutil.rmtree(sys.argv[3], ignore_errors=True)
"""


def _guard(users: Path, pid: int) -> None:
    """Starts the process that kills the server once nobody holds the lock, and removes its data
    (200 MB at least, of which pytest would keep three); the logs stay.
    """
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", _GUARD, str(users), str(pid), str(users.parent / "data")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout as ready:
        assert ready.readline(), "the guard of the Milvus server did not start"
    process.returncode = 0


@cache
def _unpacked() -> Path:
    """The folder with the binary and its libraries, unpacked once for all test runs."""
    import milvus

    root = Path(tempfile.gettempdir()) / f"mmc-tests-milvus-{milvus.__version__}-{os.getuid()}"
    root.mkdir(exist_ok=True, mode=0o700)
    with (root / "unpacking").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unpack: Any = milvus._initialize_data_files
        unpack(str(root))
    return root / "bin"


def require_server() -> None:
    """Skips the test where the server cannot run; fails it when MMC_REQUIRE_SERVERS=1."""
    reason = _missing()
    if reason and os.environ.get("MMC_REQUIRE_SERVERS") == "1":
        raise AssertionError(f"MMC_REQUIRE_SERVERS=1, and {reason}")
    if reason:
        pytest.skip(reason)


def _missing() -> str:
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return "the Milvus server of the wheel runs on Linux x86_64 only"
    try:
        metadata.version("milvus")
    except metadata.PackageNotFoundError:
        return "the wheel milvus==2.3.5 is not installed"
    return ""
