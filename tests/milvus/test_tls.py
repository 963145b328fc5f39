"""TLS with a server: every way in which it fails names the option to look at, at once; gRPC and
REST get through where it works. The servers are gRPC's own, with certificates of every kind.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from mmc.errors import TargetError
from mmc.milvus.connect import Address, address_of
from mmc.milvus.handshake import checked, speaks_tls
from mmc.milvus.tls import Tls, tls_of, warnings
from mmc.sinks.milvus.bulk.restimports import RestImports
from tests.servers.certificates import Certificate, make, with_password
from tests.servers.import_double import import_double
from tests.servers.milvus_lite import options_at

Made = dict[str, Certificate]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("certificates")
    ca = make(folder, "ca", authority=True)
    other = make(folder, "other", authority=True)
    return {
        "ca": ca,
        "other": other,
        "server": make(folder, "server", ca),
        "client": make(folder, "client", ca),
        "stranger": make(folder, "stranger", other),
        "expired": make(folder, "expired", ca, days=(-30, -1)),
        "tomorrow": make(folder, "tomorrow", ca, days=(1, 30)),
        "elsewhere": make(folder, "elsewhere", ca, hosts=("milvus.example", "*.b.example")),
        "old.example": make(folder, "old.example", ca, hosts=()),
        "itself": make(folder, "itself", hosts=("it.example",)),
    }


class _Anything(grpc.GenericRpcHandler):
    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"here")


@contextmanager
def _serving(made: Made, name: str, *, mutual: bool = False) -> Iterator[int]:
    """A gRPC server with the certificate of this name; gives its port."""
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool, handlers=[_Anything()])
        shown = [(made[name].key.read_bytes(), made[name].file.read_bytes())]
        trusted = made["ca"].file.read_bytes() if mutual else None
        said = grpc.ssl_server_credentials(shown, trusted, require_client_auth=mutual)
        port = server.add_secure_port("127.0.0.1:0", said)
        server.start()
        try:
            yield port
        finally:
            server.stop(0).wait()


@pytest.fixture(scope="module")
def port_of(made: Made) -> Iterator[Callable[[str], int]]:
    """Servers by the name of their certificate; `mutual` asks for a client's."""
    with ExitStack() as stack:
        ports: dict[str, int] = {}

        def port(name: str) -> int:
            if name not in ports:
                shown = "server" if name == "mutual" else name
                ports[name] = stack.enter_context(_serving(made, shown, mutual=name == "mutual"))
            return ports[name]

        yield port


def _options(made: Made, said: dict[str, Any]) -> dict[str, Any]:
    """Names of certificates become paths."""
    paths = {
        "ca": lambda name: str(made[name].file),
        "certificate": lambda name: str(made[name].file),
        "key": lambda name: str(made[name].key),
    }
    return {
        option: paths[option](value) if option in paths and str(value) in made else value
        for option, value in said.items()
    }


def _tls(made: Made, port: int, said: dict[str, Any] | None) -> Tls:
    options = options_at(f"https://127.0.0.1:{port}", tls=said and _options(made, said))
    found = tls_of(options.uri, options.tls)
    assert found is not None
    return found


def _asked(tls: Tls) -> bytes:
    """What gRPC gets through the channel."""
    channel = tls.channel(f"{tls.host}:{tls.port}")
    try:
        answer: bytes = channel.unary_unary("/any/Thing")(b"", timeout=20)
    finally:
        channel.close()
    return answer


OURS = {"certificate": "client", "key": "client"}


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("server", {"ca": "ca"}),
        ("server", {"ca": "server"}),
        ("server", {"ca": "ca", **OURS}),
        ("mutual", {"ca": "ca", **OURS}),
        ("old.example", {"ca": "ca", "server_name": "old.example"}),
        ("elsewhere", {"ca": "ca", "server_name": "milvus.example"}),
        ("elsewhere", {"ca": "ca", "server_name": "a.b.example"}),
        ("itself", {"ca": "itself", "server_name": "it.example"}),
        ("server", {"verify": False}),
        ("mutual", {"verify": False, **OURS}),
        ("elsewhere", {"verify": False}),
        ("old.example", {"verify": False}),
        ("itself", {"verify": False}),
    ],
)
def test_it_gets_through(
    made: Made, port_of: Callable[[str], int], server: str, said: dict[str, Any]
) -> None:
    assert _asked(checked(_tls(made, port_of(server), said), 20)) == b"here"


UNTRUSTED = "its certificate is not trusted"


@pytest.mark.parametrize(
    ("server", "said", "text", "hint"),
    [
        ("server", None, UNTRUSTED, "name the file of .* in target.tls.ca"),
        ("server", {}, UNTRUSTED, "name the file of .* in target.tls.ca"),
        ("server", {"ca": "other"}, UNTRUSTED, "target.tls.ca must name"),
        ("itself", {"ca": "ca"}, UNTRUSTED, "target.tls.ca must name"),
        (
            "elsewhere",
            {"ca": "ca"},
            r"made out to milvus\.example, any\.b\.example, not to 127\.0\.0\.1",
            "target.tls.server_name",
        ),
        ("server", {"ca": "ca", "server_name": "x.example"}, "not to x.example", "server_name"),
        ("expired", {"ca": "ca"}, "its certificate has expired", "renew the server's"),
        ("expired", {"verify": False}, "its certificate has expired", "verify: false too"),
        ("tomorrow", {"ca": "ca"}, "its certificate is not valid yet", "clock"),
        ("mutual", {"ca": "ca"}, "wants a client's certificate", "yours in target.tls.certificate"),
        ("mutual", {"verify": False}, "wants a client's certificate", "target.tls.certificate"),
        (
            "mutual",
            {"ca": "ca", "certificate": "stranger", "key": "stranger"},
            "does not take the client's certificate",
            "target.tls.certificate signed by",
        ),
        (
            "mutual",
            {"ca": "ca", "certificate": "expired", "key": "expired"},
            "does not take the client's certificate",
            "not expired",
        ),
    ],
)
def test_each_failure_names_the_option(
    made: Made,
    port_of: Callable[[str], int],
    server: str,
    said: dict[str, Any] | None,
    text: str,
    hint: str,
) -> None:
    with pytest.raises(TargetError, match=text) as caught:
        checked(_tls(made, port_of(server), said), 20)
    assert (caught.value.code, caught.value.retryable) == ("MMC571", False)
    assert re.search(hint, caught.value.hint), caught.value.hint


def test_what_is_pinned_is_that_certificate_alone(
    made: Made, port_of: Callable[[str], int]
) -> None:
    """Another one of the same authority and name is not trusted: gRPC refuses it too."""
    pinned = checked(_tls(made, port_of("server"), {"verify": False}), 20)
    elsewhere = _tls(made, port_of("mutual"), {"ca": "ca", **OURS})
    assert _asked(pinned) == b"here"
    with pytest.raises(grpc.RpcError), _another(made) as port:
        moved = Tls(
            host="127.0.0.1",
            port=port,
            name=pinned.name,
            roots=pinned.roots,
            context=elsewhere.context,
        )
        _asked(moved)


@contextmanager
def _another(made: Made) -> Iterator[int]:
    folder = made["ca"].file.parent
    with _serving({**made, "server": make(folder, "another", made["ca"])}, "server") as port:
        yield port


@contextmanager
def _plain(answer: bytes) -> Iterator[int]:
    """A server that speaks no TLS: gives `answer` to whatever it is told, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_server_without_tls(made: Made, answer: bytes) -> None:
    with _plain(answer) as port:
        assert not speaks_tls("127.0.0.1", port, 20)
        with pytest.raises(TargetError, match="does not speak TLS") as caught:
            checked(_tls(made, port, {"ca": "ca"}), 20)
    assert caught.value.code == "MMC571" and "http://" in caught.value.hint


def test_a_server_that_is_away_is_left_to_the_client(made: Made) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    for said in ({"ca": "ca"}, {"verify": False}):
        tls = _tls(made, port, said)
        assert checked(tls, 20) is tls


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"ca": "no.pem"}, "target.tls.ca: no.pem: No such file"),
        ({"ca": "{key}"}, "client.key holds no certificate in PEM form"),
        ({"ca": "{damaged}"}, r"target\.tls\.ca: "),
        ({"ca": "ca", "verify": False}, "target.tls.ca is not looked at"),
        ({"ca": "ca", "key": "client"}, "target.tls.key is given, and target.tls.certificate is"),
        ({"certificate": "no.pem"}, "target.tls.certificate: no.pem: No such file"),
        ({"certificate": "client", "key": "no.key"}, "target.tls.key: no.key: No such file"),
        ({"certificate": "client", "key": "stranger"}, "key values mismatch"),
        ({"certificate": "client"}, "target.tls.certificate and target.tls.key: "),
        ({"certificate": "client", "key": "{locked}"}, "target.tls.certificate and"),
        ({"certificate": "client", "key": {"secret": "env:KEY"}}, "target.tls.certificate and"),
    ],
)
def test_options_that_cannot_be_used(
    made: Made,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: dict[str, Any],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY", "hunter22 is no key")
    damaged = tmp_path / "damaged.pem"
    damaged.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    places = {
        "{key}": made["client"].key,
        "{damaged}": damaged,
        "{locked}": with_password(made["client"], tmp_path / "locked.key"),
    }
    filled = {
        option: str(places[value]) if isinstance(value, str) and value in places else value
        for option, value in said.items()
    }
    with pytest.raises(TargetError, match=text) as caught:
        _tls(made, 1, filled)
    assert caught.value.code == "MMC572" and "hunter22" not in str(caught.value)


@pytest.mark.parametrize("uri", ["http://h:19530", "tcp://h:19530", "./x.db", "unix:/run/m.sock"])
def test_an_address_without_tls(uri: str) -> None:
    plain = options_at(uri)
    assert tls_of(uri, plain.tls) is None
    assert address_of(plain).uri
    with pytest.raises(TargetError, match=r"target\.tls is given") as caught:
        address_of(options_at(uri, tls={"verify": True}))
    assert caught.value.code == "MMC572" and "https://" in caught.value.hint


def test_a_key_may_be_a_secret(
    made: Made, port_of: Callable[[str], int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = made["client"].key.read_text()
    monkeypatch.setenv("KEY", key)
    both = tmp_path / "both.pem"
    both.write_bytes(made["client"].file.read_bytes() + key.encode())
    ways = (
        {"certificate": "client", "key": {"secret": "env:KEY"}},
        {"certificate": "client", "key": {"secret": f"file:{made['client'].key}"}},
        {"certificate": str(both)},
    )
    for way in ways:
        tls = checked(_tls(made, port_of("mutual"), {"ca": "ca", **way}), 20)
        assert _asked(tls) == b"here"
        assert key.splitlines()[1] not in repr(tls)


def test_the_plan_warns_of_a_certificate_that_is_not_checked() -> None:
    def told(**more: Any) -> list[str]:
        return [it.code for it in warnings(options_at("https://h:19530", **more))]

    assert told(tls={"verify": False}) == ["MMC574"]
    assert told(tls={"verify": True}) == told(tls={}) == told(tls=None) == told() == []


@contextmanager
def _rest(made: Made, name: str, *, mutual: bool = False) -> Iterator[tuple[Any, int]]:
    """The double of the import interface, behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made[name].file, made[name].key)
    if mutual:
        context.load_verify_locations(made["ca"].file)
        context.verify_mode = ssl.CERT_REQUIRED
    with import_double([("default", "c")], tls=context) as double:
        yield double, int(double.url.rpartition(":")[2])


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("server", {"ca": "ca"}),
        ("mutual", {"ca": "ca", **OURS}),
        ("elsewhere", {"ca": "ca", "server_name": "milvus.example"}),
        ("elsewhere", {"verify": False}),
        ("old.example", {"ca": "ca", "server_name": "old.example"}),
    ],
)
def test_imports_by_rest_get_through(made: Made, server: str, said: dict[str, Any]) -> None:
    shown = "server" if server == "mutual" else server
    with _rest(made, shown, mutual=server == "mutual") as (double, port):
        tls = checked(_tls(made, port, said), 20)
        address = Address(f"https://127.0.0.1:{port}", None, "", 20.0)
        with closing(RestImports(address, "", keys=False, tls=tls)) as calls:
            assert calls.submit("c", "", [["a.parquet"]], "") == double.jobs[0].id


def test_imports_by_rest_trust_the_same_certificates(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither requests' own list nor its variable adds to what `target.tls.ca` says."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made["ca"].file))
    with _rest(made, "server") as (double, port):
        address = Address(f"https://127.0.0.1:{port}", None, "", 20.0)
        tls = _tls(made, port, {"ca": "other"})
        with (
            closing(RestImports(address, "", keys=False, tls=tls)) as calls,
            pytest.raises(TargetError, match="CERTIFICATE_VERIFY_FAILED") as caught,
        ):
            calls.submit("c", "", [["a.parquet"]], "")
        assert (caught.value.code, caught.value.retryable) == ("MMC571", False)
        assert double.jobs == []
