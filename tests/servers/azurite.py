"""Azurite, the Azure storage emulator that Microsoft publishes on npm, on a free port, in memory.

`.ci/run` installs it into the virtual environment; one that PATH finds serves as well.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.milvus_server import _guard, held
from tests.servers.s3 import Bucket

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Both are public: Azurite's documentation prints them."""
NO_KEY = "A" * 86 + "=="


@contextmanager
def azure_container() -> Iterator[Bucket]:
    """Starts the server, makes a container, stops it at the end."""
    program = found()
    if not program:
        reason = "azurite-blob not found: npm install --prefix .venv/azurite azurite"
        required = os.environ.get("MMC_REQUIRE_SERVERS")
        (pytest.fail if required else pytest.skip)(reason)
    # It is started in a folder of its own, for it may leave a log there.
    with (
        tempfile.TemporaryDirectory(prefix="azurite-") as folder,
        held(Path(folder)),
        _started(program, Path(folder)) as port,
    ):
        from adlfs import AzureBlobFileSystem

        name = f"container-{uuid.uuid4().hex[:12]}"
        storage = {"connection_string": connection(port)}
        AzureBlobFileSystem(**storage, use_listings_cache=False).mkdir(name)
        yield Bucket(f"abfs://{name}", {**storage})


@contextmanager
def _started(program: str, folder: Path) -> Iterator[int]:
    options = ["--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry"]
    process = subprocess.Popen(
        [program, *options, "--skipApiVersionCheck", "--silent"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout as said:
        try:
            if sys.platform == "linux":
                _guard(folder / "users", process.pid)
            yield _port(list(_until_listening(said)))
        finally:
            process.kill()


def _until_listening(said: Iterator[str]) -> Iterator[str]:
    for line in said:
        yield line
        if "successfully listens" in line:
            return


def _port(lines: list[str]) -> int:
    match = re.search(r"successfully listens on http://127\.0\.0\.1:(\d+)", "".join(lines))
    assert match, f"Azurite ended while it started: {''.join(lines)[-2000:]}"
    return int(match[1])


def connection(port: int | str, key: str = KEY) -> str:
    """A connection string to the server on a port."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    )


def found() -> str:
    """The program; "" when it, or the Python package that speaks to it, is not installed."""
    try:
        import adlfs  # noqa: F401
    except ImportError:
        return ""
    folder = Path(sys.prefix) / "azurite" / "node_modules" / ".bin"
    return (
        shutil.which("azurite-blob", path=f"{folder}{os.pathsep}{os.environ.get('PATH', '')}") or ""
    )
