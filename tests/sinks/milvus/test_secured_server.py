"""A real Milvus 2.3.5 that wants certificates and a login: getting in, and being refused.

One server has both, since they ask different questions; that it wants no certificate of ours is
tried with a second one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmc.errors import TargetError
from mmc.sinks.milvus_insert import MilvusInsertSink
from tests.servers.certificates import make
from tests.servers.milvus_server import MilvusServer, own_server

ROOT = "root:Milvus"


@dataclass(frozen=True)
class Secured:
    """The server, and the folder of its certificates."""

    server: MilvusServer
    folder: Path

    def config(self, token: str = ROOT, database: str = "", **tls: str) -> dict[str, Any]:
        """Options of a target; `tls` names certificates."""
        names = {"ca": "ca", "certificate": "client", "key": "client"} | tls
        ends = {"ca": "pem", "certificate": "pem", "key": "key"}
        files = {
            option: str(self.folder / f"{name}.{ends[option]}") if option in ends else name
            for option, name in names.items()
            if name
        }
        return {
            "type": "milvus",
            "uri": f"https://127.0.0.1:{self.server.port}",
            "token": token,
            "database": database,
            "timeout": 20.0,
            "tls": files,
        }


@contextmanager
def _secured(folder: Path, mode: int) -> Iterator[Secured]:
    certificates = folder / "certificates"
    certificates.mkdir(parents=True)
    ca = make(certificates, "ca", authority=True)
    make(certificates, "other", authority=True)
    made = {name: make(certificates, name, ca) for name in ("server", "client")}
    settings = {
        "tls_mode": mode,
        "authorization_enabled": True,
        "server_pem_path": str(made["server"].file),
        "server_key_path": str(made["server"].key),
        "ca_pem_path": str(ca.file),
    }
    with own_server(folder / "milvus", settings) as server:
        yield Secured(server, certificates)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with _secured(tmp_path_factory.mktemp("secured"), 2) as found:
        yield found


def _refused(config: dict[str, Any]) -> TargetError:
    with pytest.raises(TargetError) as caught:
        MilvusInsertSink().inspect(config, ["c"])
    assert not caught.value.retryable
    return caught.value


@pytest.mark.parametrize(
    ("tls", "hint"),
    [
        ({"ca": "other"}, "target.tls.ca"),
        ({"ca": ""}, "target.tls.ca"),
        ({"certificate": "", "key": ""}, "target.tls.certificate and target.tls.key"),
        ({"certificate": "other", "key": "other"}, "target.tls.certificate"),
        ({"server_name": "milvus.example"}, "target.tls.server_name"),
    ],
)
def test_certificates_that_do_not_fit(secured: Secured, tls: dict[str, str], hint: str) -> None:
    error = _refused(secured.config(**tls))
    assert error.code == "MMC571" and hint in error.hint


def test_the_scheme_is_wrong(secured: Secured) -> None:
    config = {**secured.config(), "uri": secured.server.uri, "tls": None}
    assert "write https://" in _refused(config).hint


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("", "it wants a login, and target.token is not set"),
        ("rootMilvus", "it does not know the API key in target.token"),
        ("root:wrong22", "the user or the password in target.token is wrong"),
        ("nobody:Passw0rd", "the user or the password in target.token is wrong"),
    ],
)
def test_logins_that_are_refused(secured: Secured, token: str, text: str) -> None:
    error = _refused(secured.config(token))
    assert error.code == "MMC573" and text in str(error)
    assert not token or token not in f"{error} {error.hint}"


@pytest.mark.slow
def test_no_certificate_is_asked_for(tmp_path: Path) -> None:
    with _secured(tmp_path, 1) as secured:
        for tls in ({"certificate": "", "key": ""}, {}):
            assert MilvusInsertSink().inspect(secured.config(**tls), ["c"]).version == "2.3.5"
        assert _refused(secured.config(ca="other")).code == "MMC571"
        unchecked = {**secured.config(), "tls": {"verify": False}}
        assert [it.code for it in MilvusInsertSink().inspect(unchecked, []).problems] == ["MMC574"]
