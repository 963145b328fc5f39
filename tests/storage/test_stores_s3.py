"""S3: keys that are wrong or may do little, parts that a killed writer left, own authorities."""

from __future__ import annotations

import datetime
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmc.errors import SourceError, TargetBusy, TargetError
from mmc.storage import urls
from mmc.storage.listing import find_files
from mmc.types import JsonValue
from tests.servers.milvus_server import held
from tests.servers.s3 import Bucket, bucket_at, make_bucket, s3_bucket, start_s3, strict_s3_bucket
from tests.storage.test_stores import LARGE, put, start_writer, whole


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_bucket() as made:
        yield made


def unfinished(bucket: Bucket) -> list[str]:
    """Keys of uploads that nobody completed."""
    system: Any = urls.filesystem(bucket.url, bucket.storage)[0]
    found = system.call_s3("list_multipart_uploads", Bucket=bucket.url.removeprefix("s3://"))
    return [upload["Key"] for upload in found.get("Uploads", ())]


def uploading(bucket: Bucket) -> None:
    deadline = time.monotonic() + 30
    while not unfinished(bucket):
        assert time.monotonic() < deadline, "no upload began"
        time.sleep(0.005)


def leave_parts(url: str, bucket: Bucket, folder: Path) -> None:
    """A writer that is killed while its parts go out."""
    with start_writer(url, bucket, folder) as process:
        uploading(bucket)
        process.send_signal(signal.SIGKILL)
    assert unfinished(bucket) == [url.removeprefix(bucket.url + "/")]
    assert not urls.exists(url, bucket.storage)


def test_parts_of_a_killed_writer_go_with_the_next_one(bucket: Bucket, tmp_path: Path) -> None:
    leave_parts(f"{bucket.url}/again", bucket, tmp_path)
    put(f"{bucket.url}/again", b"z" * LARGE, bucket)
    assert unfinished(bucket) == []
    with urls.open_blob(f"{bucket.url}/again", bucket.storage) as blob:
        assert blob.size == LARGE


def test_parts_of_a_killed_writer_go_with_a_delete_of_that_key_alone(
    bucket: Bucket, tmp_path: Path
) -> None:
    leave_parts(f"{bucket.url}/gone.2", bucket, tmp_path)
    urls.delete([f"{bucket.url}/gone"], bucket.storage)
    assert unfinished(bucket) == ["gone.2"]
    urls.delete([f"{bucket.url}/gone.2"], bucket.storage)
    assert unfinished(bucket) == []


@pytest.mark.slow
def test_an_upload_that_another_ended_is_tried_again(bucket: Bucket) -> None:
    url = f"{bucket.url}/contended"
    failed: list[BaseException] = []

    def write() -> None:
        try:
            put(url, b"w" * LARGE, bucket)
        except TargetError as error:
            failed.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    uploading(bucket)
    urls.delete([url], bucket.storage)
    writer.join()
    assert isinstance(failed[0], TargetBusy)
    assert unfinished(bucket) == []
    assert not urls.exists(url, bucket.storage)


@pytest.fixture(scope="module")
def strict() -> Iterator[tuple[Bucket, Bucket]]:
    with strict_s3_bucket() as made:
        put(f"{made[0].url}/x", b"1", made[0])
        yield made


@pytest.mark.parametrize("wrong", ["key", "secret"])
def test_wrong_keys_are_denied_and_not_told(strict: tuple[Bucket, Bucket], wrong: str) -> None:
    good = strict[0]
    bad = Bucket(good.url, {**good.storage, wrong: "Sup3rS3cretText"})
    url = f"{good.url}/x"
    calls: list[Any] = [
        lambda: urls.open_blob(url, bad.storage),
        lambda: urls.fingerprint(url, bad.storage),
        lambda: urls.list_files(good.url, bad.storage),
        lambda: find_files(f"{good.url}/*", bad.storage),
        lambda: put(url, b"2", bad),
        lambda: urls.delete([url], bad.storage),
    ]
    for call in calls:
        with pytest.raises((SourceError, TargetError), match="permission denied") as info:
            call()
        assert good.url in str(info.value)
        assert not info.value.retryable
        assert "check the keys" in info.value.hint
        assert "Sup3rS3cretText" not in f"{info.value}{info.value.hint}"
    assert whole(url, good) == b"1"


def test_keys_that_may_only_get(strict: tuple[Bucket, Bucket]) -> None:
    reader = strict[1]
    assert whole(f"{reader.url}/x", reader) == b"1"
    with pytest.raises(TargetError, match="/new: permission denied"):
        put(f"{reader.url}/new", b"2", reader)
    with pytest.raises(TargetError, match="/x: permission denied"):
        urls.delete([f"{reader.url}/x"], reader.storage)
    with pytest.raises(SourceError, match="permission denied"):
        find_files(f"{reader.url}/*.npy", reader.storage)


def test_keys_of_a_profile_and_of_the_environment(
    strict: tuple[Bucket, Bucket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = strict[0].storage
    endpoint: dict[str, JsonValue] = {"endpoint_url": good["endpoint_url"]}
    url = f"{strict[0].url}/x"
    keys = f"aws_access_key_id={good['key']}\naws_secret_access_key={good['secret']}\n"
    (tmp_path / "credentials").write_text(f"[mine]\n{keys}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert urls.read_text(url, {**endpoint, "profile": "mine"}) == "1"
    with pytest.raises(SourceError, match="profile"):
        urls.read_text(url, {**endpoint, "profile": "other"})
    with pytest.raises(SourceError, match="credentials") as info:
        urls.read_text(url, {**endpoint, "max_concurrency": 3})
    assert not info.value.retryable
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", str(good["key"]))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", str(good["secret"]))
    assert urls.read_text(url, {**endpoint, "max_concurrency": 4}) == "1"
    with pytest.raises(SourceError, match="permission denied"):
        urls.read_text(url, {**endpoint, "anon": True})


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ({"client_kwargs": {"verfy": "ca.pem"}}, "verfy"),
        ({"config_kwargs": {"connect_time": 3}}, "connect_time"),
        ({"endpoint_url": "s3.example.com"}, "s3.example.com"),
        ({"key": "x", "username": "y"}, "either key or username"),
    ],
)
def test_wrong_options_further_down_are_named(storage: dict[str, JsonValue], said: str) -> None:
    with pytest.raises(SourceError, match=said) as info:
        urls.open_blob("s3://bucket/x", {"key": "a", "secret": "b", **storage})
    assert (info.value.code, info.value.retryable) == ("MMC445", False)


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key: two files."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / "ca.pem").write_bytes(made.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(secret)
    return str(folder / "ca.pem"), str(folder / "key.pem")


@contextmanager
def s3_over_tls(folder: Path) -> Iterator[tuple[str, str]]:
    authority, key = certificate(folder)
    with held(folder):
        port = start_s3(folder, "--ssl-cert", authority, "--ssl-key", key)
        yield f"https://127.0.0.1:{port}", authority


def test_tls_with_ones_own_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_over_tls(tmp_path) as (endpoint, authority):
        monkeypatch.setenv("AWS_CA_BUNDLE", authority)
        bucket = make_bucket(endpoint, "by-environment")
        put(f"{bucket.url}/x", b"1", bucket)
        monkeypatch.delenv("AWS_CA_BUNDLE")
        storage: dict[str, JsonValue] = {**bucket.storage, "client_kwargs": {"verify": authority}}
        assert urls.read_text(f"{bucket.url}/x", storage) == "1"


@pytest.mark.slow
def test_a_strange_authority_is_final(tmp_path: Path) -> None:
    """The client itself tries for ten seconds."""
    with s3_over_tls(tmp_path) as (endpoint, _):
        bucket = bucket_at(endpoint, "bucket")
        strange: dict[str, JsonValue] = {**bucket.storage, "config_kwargs": {"read_timeout": 5}}
        with pytest.raises(SourceError, match="certificate is not trusted") as info:
            urls.read_text(f"{bucket.url}/x", strange)
        assert not info.value.retryable
        assert "storage.md" in info.value.hint
        with pytest.raises(TargetError, match="certificate is not trusted"):
            put(f"{bucket.url}/x", b"1", Bucket(bucket.url, strange))
