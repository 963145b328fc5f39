"""An S3 server (moto), in this process or its own, with one empty bucket."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmc.types import JsonValue
from tests.servers import milvus_server as servers

STARTS_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """URL of the bucket, and the `storage` options that reach it."""

    url: str
    storage: dict[str, JsonValue]


@contextmanager
def s3_bucket() -> Iterator[Bucket]:
    """Starts the server, makes a bucket, stops it at the end."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield make_bucket(f"http://{host}:{port}", f"bucket-{uuid.uuid4().hex[:12]}")
    finally:
        server.stop()


def make_bucket(endpoint: str, name: str) -> Bucket:
    """A new bucket of the server at `endpoint`."""
    from s3fs import S3FileSystem

    bucket = bucket_at(endpoint, name)
    S3FileSystem(**bucket.storage, use_listings_cache=False).mkdir(name)
    return bucket


def bucket_at(endpoint: str, name: str) -> Bucket:
    """A bucket that is there: moto takes any key and secret, unless told otherwise."""
    return Bucket(f"s3://{name}", {"key": "testing", "secret": "testing", "endpoint_url": endpoint})


def start_s3(folder: Path, *options: str) -> int:
    """Starts moto in a process of its own, and gives its port; it ends once nobody holds `folder`
    any more (see `held`), or this process dies.
    """
    (port,) = servers._free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port), *options]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    servers._guard(folder / "users", process.pid)
    deadline = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                # The guard ends it; init takes the remains.
                process.returncode = 0
                return port
        time.sleep(0.05)
    raise AssertionError(f"the S3 server did not start; see {folder / 'log'}")


@contextmanager
def strict_s3_bucket() -> Iterator[tuple[Bucket, Bucket]]:
    """An S3 server that looks at keys: a bucket with keys that may do all, and with keys that may
    only get objects. Signatures are checked; while it lasts, by all S3 servers of this process.
    """
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        bucket = make_bucket(endpoint, f"bucket-{uuid.uuid4().hex[:12]}")
        iam = boto3.client(
            "iam",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        one, other = (
            replace(bucket, storage={**bucket.storage, **_user(iam, actions)})
            for actions in ("s3:*", "s3:GetObject")
        )
        iam.close()
        _count_free_calls(endpoint, 0)
        try:
            yield one, other
        finally:
            _count_free_calls(endpoint, float("inf"))
    finally:
        server.stop()


def _user(iam: Any, actions: str) -> dict[str, JsonValue]:
    """Makes a user who may do `actions` everywhere; gives the keys, as `storage` options."""
    name = f"user-{uuid.uuid4().hex[:12]}"
    iam.create_user(UserName=name)
    allowed = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"key": made["AccessKeyId"], "secret": made["SecretAccessKey"]}


def _count_free_calls(endpoint: str, calls: float) -> None:
    """How many more calls moto serves without a look at their keys."""
    request = urllib.request.Request(
        f"{endpoint}/moto-api/reset-auth",
        data=str(calls).encode(),
        headers={"Content-Type": "text/plain"},
    )
    urllib.request.urlopen(request, timeout=10).close()
