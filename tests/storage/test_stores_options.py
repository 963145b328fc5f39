"""Options in `storage` reach the client of each store: keys, endpoints, styles, authorities.

Nothing here leaves the machine: clients are made and looked at, or ask a server of ours.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from mmc.errors import PluginMissing, SourceError, TargetError
from mmc.storage import urls
from mmc.storage.failures import Trouble, cleaned, failure, world_errors
from mmc.storage.listing import find_files
from mmc.types import JsonValue
from tests.servers.azurite import ACCOUNT, KEY, NO_KEY, azure_container
from tests.servers.gcs import QuietServer, gcs_bucket, missing
from tests.servers.s3 import Bucket
from tests.storage.test_stores import put, whole


def s3_client(storage: dict[str, JsonValue]) -> Any:
    return urls.filesystem("s3://bucket-1250000000/a", storage)[0].s3


def signed(storage: dict[str, JsonValue]) -> str:
    """The URL that the client asks for an object."""
    url: str = urls.filesystem("s3://bucket-1250000000/a", storage)[0].sign(
        "bucket-1250000000/a", expiration=9
    )
    return url.partition("?")[0]


KEYS: dict[str, JsonValue] = {"key": "AKID", "secret": "not-told"}


def test_s3_keys_token_and_region() -> None:
    client = s3_client({**KEYS, "token": "sts", "client_kwargs": {"region_name": "eu-central-1"}})
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key) == ("AKID", "not-told")
    assert credentials.token == "sts"
    assert client.meta.region_name == "eu-central-1"
    assert client.meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("endpoint", "style", "asked"),
    [
        ("http://minio:9000", "path", "http://minio:9000/bucket-1250000000/a"),
        (
            "https://cos.ap-guangzhou.myqcloud.com",
            "virtual",
            "https://bucket-1250000000.cos.ap-guangzhou.myqcloud.com/a",
        ),
        (
            "https://s3.oss-cn-hangzhou.aliyuncs.com",
            "virtual",
            "https://bucket-1250000000.s3.oss-cn-hangzhou.aliyuncs.com/a",
        ),
    ],
)
def test_s3_endpoints_and_styles(endpoint: str, style: str, asked: str) -> None:
    config: dict[str, JsonValue] = {"s3": {"addressing_style": style}}
    storage: dict[str, JsonValue] = {**KEYS, "endpoint_url": endpoint, "config_kwargs": config}
    assert signed(storage) == asked


def test_s3_checksums_authority_proxy_and_deadlines() -> None:
    config: dict[str, JsonValue] = {
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "connect_timeout": 5,
        "read_timeout": 30,
    }
    client = s3_client({**KEYS, "config_kwargs": config})
    assert client.meta.config.request_checksum_calculation == "when_required"
    assert client.meta.config.response_checksum_validation == "when_required"
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (5, 30)
    client = s3_client({**KEYS, "client_kwargs": {"verify": "/etc/ssl/own.pem"}})
    assert client._endpoint.http_session._verify == "/etc/ssl/own.pem"


def test_oss_options() -> None:
    pytest.importorskip("ossfs")
    storage: dict[str, JsonValue] = {
        "endpoint": "https://oss-cn-hangzhou.aliyuncs.com",
        "key": "AKID",
        "secret": "not-told",
        "token": "sts",
    }
    system, path = urls.filesystem("oss://bucket/a", storage)
    assert system._endpoint == "https://oss-cn-hangzhou.aliyuncs.com"
    assert type(system._auth).__name__ == "StsAuth"
    assert path.strip("/") == "bucket/a"
    with pytest.raises(SourceError, match="no option 'endpoint_url'") as info:
        urls.filesystem("oss://bucket/a", {"endpoint_url": "x"})
    assert "'endpoint'" in info.value.hint


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("s3://b/x", "s3fs", "s3"),
        ("gs://b/x", "gcsfs", "gcs"),
        ("abfs://b/x", "adlfs", "azure"),
        ("oss://b/x", "ossfs", "oss"),
    ],
)
def test_a_missing_package_tells_the_pip_line(
    url: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = importlib.import_module("fsspec.registry")._registry
    monkeypatch.delitem(loaded, url.partition("://")[0], raising=False)
    for name in (module, f"{module}.core"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PluginMissing) as info:
        urls.open_blob(url)
    assert info.value.hint == f"pip install 'mmc[{extra}]'"


@pytest.fixture(scope="module")
def service_account() -> str:
    """The text of a key file as Google makes them."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "mmc@p.iam.example.com",
        "client_id": "2",
        "token_uri": "https://oauth2.example.com/token",
    }
    return json.dumps(account)


def test_gcs_key_file_and_its_text(
    service_account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gcsfs")
    (tmp_path / "key.json").write_text(service_account)
    monkeypatch.setenv("TEST_GCS_KEY", service_account)
    for token in (str(tmp_path / "key.json"), {"secret": "env:TEST_GCS_KEY"}):
        system, path = urls.filesystem("gs://bucket/a", {"token": token})
        assert system.credentials.credentials.service_account_email == "mmc@p.iam.example.com"
        assert path == "bucket/a"
    for anonymous in ({"anon": True}, {"token": "anon"}):
        assert urls.filesystem("gs://b/a", anonymous)[0].credentials.credentials is None


def test_gcs_default_credentials(
    service_account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gcsfs")
    (tmp_path / "key.json").write_text(service_account)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    system = urls.filesystem("gs://bucket/a", {"project": "p"})[0]
    assert system.credentials.credentials.service_account_email == "mmc@p.iam.example.com"


def test_gcs_key_file_that_is_not_there_is_not_sent_to_google(tmp_path: Path) -> None:
    pytest.importorskip("gcsfs")
    for name in (str(tmp_path / "none"), "none.json"):
        with pytest.raises(SourceError, match=r"the key file \S+ is not there") as info:
            urls.open_blob("gs://bucket/a", {"token": name})
        assert info.value.code == "MMC445"


def test_gcs_is_read_by_the_plain_client() -> None:
    """The other one asks an endpoint of ours by gRPC, for a minute a call."""
    with gcs_bucket() as bucket:
        assert type(urls.filesystem(bucket.url, bucket.storage)[0]).__module__ == "gcsfs.core"


@contextmanager
def refusing(status: int, message: str) -> Iterator[str]:
    """A server that refuses all, in the words of Google's JSON API: the emulator refuses none."""
    body = json.dumps({"error": {"code": status, "message": message}}).encode()

    class Refusal(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = refuse  # noqa: N815

        def log_message(self, *args: object) -> None:
            return

    with QuietServer(("127.0.0.1", 0), Refusal) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_gcs_denied() -> None:
    if missing():
        pytest.skip(missing())
    message = "mmc@p.iam.example.com does not have storage.objects.get access"
    with refusing(403, message) as endpoint:
        bucket = Bucket("gs://bucket", {"token": "anon", "endpoint_url": endpoint})
        for call in (urls.open_blob, urls.fingerprint, find_files, urls.list_files):
            with pytest.raises(SourceError, match="gs://bucket/a: permission denied") as info:
                call("gs://bucket/a", bucket.storage)
            assert not info.value.retryable
        with pytest.raises(TargetError, match="gs://bucket/a: permission denied"):
            put("gs://bucket/a", b"1", bucket)
        with pytest.raises(TargetError, match="gs://bucket/a: permission denied"):
            urls.delete(["gs://bucket/a"], bucket.storage)


@pytest.fixture(scope="module")
def container() -> Iterator[Bucket]:
    with azure_container() as made:
        put(f"{made.url}/x", b"1", made)
        yield made


def without_key(container: Bucket, credential: str) -> dict[str, JsonValue]:
    text = str(container.storage["connection_string"])
    return {"connection_string": text.replace(f"AccountKey={KEY}", credential)}


def test_azure_wrong_key_is_denied_and_not_told(container: Bucket) -> None:
    bad = Bucket(container.url, without_key(container, f"AccountKey={NO_KEY}"))
    url = f"{container.url}/x"
    for call in (urls.open_blob, urls.fingerprint, find_files, urls.list_files, urls.exists):
        with pytest.raises(SourceError, match="/x: permission denied") as info:
            call(url, bad.storage)
        assert not info.value.retryable
        assert NO_KEY[:40] not in f"{info.value}{info.value.hint}"
    with pytest.raises(TargetError, match="/x: permission denied"):
        put(url, b"2", bad)
    with pytest.raises(TargetError, match="/x: permission denied"):
        urls.delete([url], bad.storage)
    assert whole(url, container) == b"1"


def test_azure_signature_that_may_only_read(container: Bucket) -> None:
    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    signature = generate_account_sas(
        ACCOUNT,
        KEY,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(read=True, list=True),
        datetime.now(UTC) + timedelta(hours=1),
    )
    reader = Bucket(container.url, without_key(container, f"SharedAccessSignature={signature}"))
    assert whole(f"{reader.url}/x", reader) == b"1"
    assert urls.list_files(reader.url, reader.storage) == [("x", 1)]
    with pytest.raises(TargetError, match="/new: permission denied") as info:
        put(f"{reader.url}/new", b"2", reader)
    assert signature not in f"{info.value}{info.value.hint}"


@pytest.mark.parametrize(
    ("storage", "url", "credential"),
    [
        ({"account_key": KEY}, "https://mine.blob.core.windows.net/", "SharedKeyCredentialPolicy"),
        ({"sas_token": "sv=1&sig=2"}, "https://mine.blob.core.windows.net/", ""),
        (
            {"account_host": "mine.blob.core.chinacloudapi.cn", "account_key": KEY},
            "https://mine.blob.core.chinacloudapi.cn/",
            "SharedKeyCredentialPolicy",
        ),
        ({"anon": True}, "https://mine.blob.core.windows.net/", ""),
        ({}, "https://mine.blob.core.windows.net/", "DefaultAzureCredential"),
        (
            {"tenant_id": "t", "client_id": "c", "client_secret": "s"},
            "https://mine.blob.core.windows.net/",
            "ClientSecretCredential",
        ),
    ],
)
def test_azure_options(storage: dict[str, JsonValue], url: str, credential: str) -> None:
    pytest.importorskip("adlfs")
    system = urls.filesystem("abfs://box/a", {"account_name": "mine", **storage})[0]
    service = system.service_client
    assert service.url.partition("?")[0] == url
    assert ("sig=2" in service.url) == ("sas_token" in storage)
    made = type(service.credential).__name__ if service.credential else ""
    assert made == credential
    by_url = urls.filesystem("abfs://box@mine.dfs.core.windows.net/a", {"account_key": KEY})
    assert (by_url[0].account_name, by_url[1]) == ("mine", "box/a")


def raised_by_clients() -> list[tuple[BaseException, Trouble]]:
    """Errors as the clients make them, and what they mean."""
    from aiohttp import ServerDisconnectedError
    from azure.core.exceptions import HttpResponseError, ServiceRequestError
    from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
    from gcsfs.retry import HttpError
    from google.auth.exceptions import DefaultCredentialsError, TransportError

    def azure(status: int) -> HttpResponseError:
        error = HttpResponseError("refused")
        error.status_code = status
        return error

    def amazon(status: int, code: str) -> OSError:
        answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        error = OSError(5, "refused")
        error.__cause__ = ClientError(answer, "GetObject")
        return error

    return [
        (amazon(503, "SlowDown"), Trouble.BUSY),
        (amazon(500, "InternalError"), Trouble.BUSY),
        (amazon(429, "TooManyRequests"), Trouble.BUSY),
        (amazon(400, "InvalidArgument"), Trouble.REFUSED),
        (amazon(404, "NoSuchBucket"), Trouble.NO_BUCKET),
        (amazon(404, "NoSuchUpload"), Trouble.BUSY),
        (EndpointConnectionError(endpoint_url="http://x"), Trouble.BUSY),
        (NoCredentialsError(), Trouble.REFUSED),
        (azure(503), Trouble.BUSY),
        (azure(429), Trouble.BUSY),
        (azure(409), Trouble.BUSY),
        (azure(403), Trouble.DENIED),
        (azure(400), Trouble.REFUSED),
        (ServiceRequestError("no route"), Trouble.BUSY),
        (ServiceRequestError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), Trouble.UNTRUSTED),
        (HttpError({"code": 503, "message": "Backend Error"}), Trouble.BUSY),
        (HttpError({"code": 401, "message": "Invalid Credentials"}), Trouble.DENIED),
        (HttpError({"code": 400, "message": "Bad"}), Trouble.REFUSED),
        (DefaultCredentialsError("none"), Trouble.REFUSED),
        (TransportError("no route"), Trouble.BUSY),
        (ServerDisconnectedError(), Trouble.BUSY),
        (ConnectionResetError(104, "reset"), Trouble.BUSY),
        (TimeoutError(), Trouble.BUSY),
    ]


def test_only_what_may_pass_is_tried_again() -> None:
    pytest.importorskip("adlfs")
    pytest.importorskip("gcsfs")
    for error, trouble in raised_by_clients():
        assert (repr(error), failure(error).trouble) == (repr(error), trouble)
        assert isinstance(error, world_errors()), repr(error)


def test_errors_do_not_tell_what_signs_a_url() -> None:
    text = "cannot reach https://x/?a=1&sig=abc%3D&X-Amz-Signature=def 'access_token=ghi' too"
    told = "cannot reach https://x/?a=1&sig=***&X-Amz-Signature=*** 'access_token=***' too"
    assert cleaned(text) == told
    assert failure(OSError(f"{text}\nsecond line")).text == told
    assert len(failure(OSError("x" * 5000)).text) == 300
