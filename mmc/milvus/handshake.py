"""A look at a server before a client connects: does TLS work with it, and if not, why not?

gRPC says little, and pymilvus less: "server unavailable" for a wrong authority, a wrong name, an
expired certificate and a missing one of ours alike, which is tried again and again.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from mmc.errors import TargetError
from mmc.milvus.tls import Tls, context_of, words_of

PATIENCE = 10.0
"""Most seconds for the look. A server that is slower is left to the client, which waits longer."""

_PAUSE = 0.5

_EXPIRED, _NOT_YET = 10, 9
_OTHER_NAME = (62, 64)
"""X509_V_ERR_... of OpenSSL's x509_vfy.h."""

_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""RFC 9113, 3.4: the preface and an empty SETTINGS frame. In TLS 1.3 a server refuses the client's
certificate, or the lack of one, only after the client's part of the handshake is over.
"""


class _Closed(Exception):
    """The server broke off where the handshake was over for us."""


def checked(tls: Tls, timeout: float) -> Tls:
    """Tries the handshake; without `verify`, pins the certificate that the server shows. A server
    that is not there is no matter of TLS: the client tells.

    Raises:
        TargetError: TLS fails, and would again (MMC571).
    """
    seconds = min(timeout, PATIENCE)
    try:
        try:
            return _tried(tls, seconds)
        except _Closed:
            # A server that is about to stop does so once, one that is not pleased with us always.
            time.sleep(_PAUSE)
            return _tried(tls, seconds)
    except ssl.SSLCertVerificationError as error:
        raise _distrusted(tls, error, seconds) from None
    except ssl.SSLError as error:
        raise _refused(tls, words_of(error), str(error.reason or ""), seconds) from None
    except _Closed as error:
        raise _refused(tls, str(error), "", seconds) from None
    except OSError:
        return tls


def speaks_tls(host: str, port: int, timeout: float) -> bool:
    """Whether a server answers a TLS hello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), min(timeout, PATIENCE)) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except ssl.SSLError as error:
        return "ALERT" in str(error.reason)
    except (OSError, ValueError):
        return False


@contextmanager
def _open(tls: Tls, context: ssl.SSLContext, seconds: float) -> Iterator[ssl.SSLSocket]:
    with socket.create_connection((tls.host, tls.port), seconds) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=tls.name) as secure:
                yield secure
        except (ConnectionError, ssl.SSLEOFError):
            raise _Closed("it closes the connection") from None


def _tried(tls: Tls, seconds: float) -> Tls:
    wanted = tls if tls.verify else _pinned(tls, seconds)
    wanted.context.set_alpn_protocols(["h2"])
    with _open(wanted, wanted.context, seconds) as secure:
        secure.sendall(_HELLO)
        if not secure.recv(1):
            raise _Closed("it closes the connection")
    return wanted


def _pinned(tls: Tls, seconds: float) -> Tls:
    """Trusts what the server shows now, and nothing else: gRPC cannot leave a certificate
    unchecked. Its dates are looked at all the same.
    """
    anyone = context_of(tls.roots, tls.certificate, tls.key)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with _open(tls, anyone, seconds) as secure:
        shown = secure.getpeercert(binary_form=True)
    assert shown is not None, "a TLS server always shows a certificate"
    roots = ssl.DER_cert_to_PEM_cert(shown).encode()
    context = context_of(roots, tls.certificate, tls.key)
    context.check_hostname = False
    names = _names(replace(tls, context=context), seconds)
    return replace(tls, roots=roots, context=context, name=next(iter(names), tls.name))


def _names(tls: Tls, seconds: float) -> list[str]:
    """What the server's certificate is made out to: hosts and addresses, else its common name."""
    with _open(tls, tls.context, seconds) as secure:
        told: Any = secure.getpeercert() or {}
    names = [name.replace("*", "any", 1) for _, name in told.get("subjectAltName", ())]
    subject = [pair for part in told.get("subject", ()) for pair in part]
    return names or [name for kind, name in subject if kind == "commonName"]


def _shown_names(tls: Tls, seconds: float) -> list[str]:
    context = context_of(tls.roots, tls.certificate, tls.key)
    context.check_hostname = False
    try:
        return _names(replace(tls, context=context), seconds)
    except (_Closed, OSError):
        return []


def _distrusted(tls: Tls, error: ssl.SSLCertVerificationError, seconds: float) -> TargetError:
    if error.verify_code in (_EXPIRED, _NOT_YET):
        how = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
        return _failed(
            tls,
            f"its certificate {how}",
            "renew the server's certificate, and check this machine's clock; the dates are looked"
            " at with target.tls.verify: false too",
        )
    if error.verify_code in _OTHER_NAME:
        names = ", ".join(_shown_names(tls, seconds)) or "another name"
        return _failed(
            tls,
            f"its certificate is made out to {names}, not to {tls.name}",
            "if it is the right server, write a name of its certificate in target.tls.server_name",
        )
    return _failed(
        tls,
        f"its certificate is not trusted: {error.verify_message}",
        "target.tls.ca must name the file of the authority that signed the server's certificate"
        if tls.own_ca
        else "name the file of the authority that signed it in target.tls.ca",
    )


def _refused(tls: Tls, words: str, reason: str, seconds: float) -> TargetError:
    """The server does not go on. Only what it says in alerts tells why."""
    if "ALERT" not in reason and not speaks_tls(tls.host, tls.port, seconds):
        return _failed(
            tls,
            "the server does not speak TLS there",
            f"write http:// in target.uri, and leave target.tls out: {words}",
        )
    if not tls.certificate:
        return _failed(
            tls,
            f"the server breaks off ({words}), as one does that wants a client's certificate",
            "name yours in target.tls.certificate and target.tls.key",
        )
    return _failed(
        tls,
        f"the server does not take the client's certificate ({words})",
        "is target.tls.certificate signed by an authority that the server trusts, and not expired?",
    )


def _failed(tls: Tls, text: str, hint: str) -> TargetError:
    return TargetError(f"TLS with {tls.host}:{tls.port} fails: {text}", hint=hint, code="MMC571")
