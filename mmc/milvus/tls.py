"""TLS with a server: what `target.tls` says, as what gRPC and REST take. Opens no connection.

gRPC, REST and the look at the server before them (`handshake`) trust the same certificates, which
are read once: left alone, gRPC brings a list of its own, requests another, Python the system's.
"""

from __future__ import annotations

import os
import re
import ssl
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import TargetError
from mmc.milvus.options import ServerOptions
from mmc.milvus.options import Tls as TlsOptions
from mmc.secrets import resolve
from mmc.spec.options import Secret

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

_CHANNEL = {
    "grpc.max_send_message_length": -1,
    "grpc.max_receive_message_length": -1,
    "grpc.enable_retries": 1,
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.keepalive_permit_without_calls": True,
}
"""What pymilvus gives its channels. It has no way to say an authority beside a client's certificate
of one's own, or a key that is no file, so the channels are made here.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How to speak TLS with one server.

    Attributes:
        name: what the server's certificate must be made out to; also told to the server.
        roots: certificates of the authorities that are trusted, PEM.
        certificate, key: of the client, PEM; b"" for none. One file may have both.
        context: the same for Python's ssl.
        verify: `target.tls.verify`; when false, `handshake` pins what the server shows.
        own_ca: `target.tls.ca` is given.
    """

    host: str
    port: int
    name: str
    roots: bytes
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    context: ssl.SSLContext = field(repr=False)
    verify: bool = True
    own_ca: bool = False

    def channel(self, address: str) -> Any:
        """A gRPC channel to `host:port`."""
        import grpc

        options: dict[str, int | str] = {**_CHANNEL}
        if self.name != self.host:
            options["grpc.ssl_target_name_override"] = self.name
        made = grpc.ssl_channel_credentials(
            root_certificates=self.roots,
            private_key=self.key or None,
            certificate_chain=self.certificate or None,
        )
        return grpc.secure_channel(address, made, options=list(options.items()))


def tls_of(uri: str, options: TlsOptions | None) -> Tls | None:
    """What an address and the options of a target ask for; None where TLS is not spoken. Reads the
    files that the options name.

    Raises:
        TargetError: the options do not go together, or a file cannot be used (MMC572).
        SecretError: the key's reference does not resolve.
    """
    parts = urlsplit(uri)
    if parts.scheme.lower() != "https":
        return None
    options = options or TlsOptions()
    ca, verify = options.ca, options.verify
    if ca and not verify:
        raise _unusable(
            "target.tls.ca is not looked at where target.tls.verify is false",
            "leave one of the two out",
        )
    roots = _authorities(ca) if ca else _known_authorities()
    certificate, key = _client(options)
    context = context_of(roots, certificate, key)
    host = parts.hostname or "localhost"
    return Tls(
        host=host,
        port=parts.port or 443,
        name=options.server_name or host,
        roots=roots,
        certificate=certificate,
        key=key,
        context=context,
        verify=verify,
        own_ca=bool(ca),
    )


def refuse_pointless(options: ServerOptions) -> None:
    """Raises TargetError when TLS is asked for at an address that does not speak it (MMC572)."""
    scheme, mark, _ = options.uri.partition("://")
    if options.tls and scheme.lower() != "https":
        where = f"begins with {scheme}://" if mark else "is a local path"
        raise _unusable(
            f"target.tls is given, and target.uri {where}",
            "write uri: https://HOST:19530, or leave target.tls out",
        )


def warnings(options: ServerOptions) -> tuple[Diagnostic, ...]:
    """What a plan must say of the options."""
    if options.tls is None or options.tls.verify:
        return ()
    return (
        Diagnostic(
            "MMC574",
            "target.tls.verify is false: mmc trusts the certificate that is shown when it connects,"
            " and anyone on the way can pose as the server",
            severity=Severity.WARNING,
            hint="name the file of the authority that signed it in target.tls.ca",
        ),
    )


def context_of(roots: bytes, certificate: bytes, key: bytes) -> ssl.SSLContext:
    """A client's context that trusts these certificates and no others, and shows this one.

    Raises:
        TargetError: one of them cannot be used (MMC572).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # As gRPC has it: a server's own certificate may be trusted without its authority.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=roots.decode("ascii"))
    except ssl.SSLError as error:
        raise _unusable(
            f"target.tls.ca: {words_of(error)}", "give a file of certificates in PEM form"
        ) from None
    if not certificate:
        return context
    # Python takes files only. This one nobody else can read, and it is gone at once.
    with tempfile.NamedTemporaryFile(suffix=".pem") as both:
        both.write(certificate + b"\n" + key)
        both.flush()
        try:
            # Without a password of ours, a key that has one would be asked for at the terminal.
            context.load_cert_chain(both.name, password="")
        except (ssl.SSLError, ValueError) as error:
            raise _unusable(
                f"target.tls.certificate and target.tls.key: {words_of(error)}",
                "both must be PEM and belong together, and the key must have no password",
            ) from None
    return context


@cache
def _known_authorities() -> bytes:
    """Certificates of the system's authorities, of the list that comes with requests, and of those
    that the variables of gRPC and requests name.
    """
    import certifi

    files = (
        ssl.get_default_verify_paths().cafile,
        os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"),
        os.environ.get("REQUESTS_CA_BUNDLE"),
        certifi.where(),
    )
    found: dict[bytes, None] = {}
    for file in files:
        if file and Path(file).is_file():
            found.update(dict.fromkeys(_CERTIFICATE.findall(Path(file).read_bytes())))
    return b"\n".join(found)


def _authorities(file: str) -> bytes:
    found = _CERTIFICATE.findall(_read("ca", file))
    if not found:
        raise _unusable(
            f"target.tls.ca: {file} holds no certificate in PEM form",
            "openssl x509 -inform der -in FILE -out ca.pem turns the binary form into PEM",
        )
    return b"\n".join(found)


def _client(options: TlsOptions) -> tuple[bytes, bytes]:
    """Certificate and key that are shown to the server; without a key of its own, the file of the
    certificate has it.
    """
    file, key = options.certificate, options.key
    if file:
        certificate = _read("certificate", file)
        if isinstance(key, Secret):
            return certificate, (resolve(key) or "").encode()
        return certificate, _read("key", key) if key else certificate
    if key:
        raise _unusable(
            "target.tls.key is given, and target.tls.certificate is not",
            "name the file of the client's certificate in target.tls.certificate",
        )
    return b"", b""


def _read(option: str, file: str) -> bytes:
    try:
        return Path(file).expanduser().read_bytes()
    except OSError as error:
        raise _unusable(
            f"target.tls.{option}: {file}: {error.strerror}",
            "paths are relative to the folder that mmc runs in",
        ) from None


def words_of(error: Exception) -> str:
    """`[SSL: KEY_VALUES_MISMATCH] key values mismatch (_ssl.c:3900)` without its frame."""
    text = str(getattr(error, "strerror", None) or error)
    return re.sub(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$", "", text)


def _unusable(text: str, hint: str) -> TargetError:
    return TargetError(text, hint=hint, code="MMC572")
