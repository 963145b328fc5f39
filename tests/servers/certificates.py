"""Certificates for tests of TLS, made where they are needed: an authority, and what it signed."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, also as PEM files."""

    value: x509.Certificate
    secret: ec.EllipticCurvePrivateKey
    file: Path
    key: Path


def make(
    folder: Path,
    name: str,
    issuer: Certificate | None = None,
    *,
    hosts: Sequence[str] = HERE,
    days: tuple[int, int] = (-1, 30),
    authority: bool = False,
) -> Certificate:
    """Makes NAME.pem and NAME.key.

    Args:
        issuer: who signs it; itself where none is given.
        hosts: names and addresses it is made out to, beside the common name NAME.
        days: from and until when it is valid, from now.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.value.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days[0]))
        .not_valid_after(now + datetime.timedelta(days[1]))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
    )
    if hosts and not authority:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=False
        )
    value = builder.sign(issuer.secret if issuer else key, hashes.SHA256())
    made = Certificate(value, key, folder / f"{name}.pem", folder / f"{name}.key")
    made.file.write_bytes(value.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def with_password(certificate: Certificate, file: Path) -> Path:
    """The key in a file that asks for a password."""
    file.write_bytes(
        certificate.secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    return file
