"""An authority of a test's own, with certificates for a node on 127.0.0.1 and for its client."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Pair:
    """PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """The certificate of the authority (PEM), and the pairs it signed."""

    ca: Path
    node: Pair
    client: Pair
    fingerprint: str
    """SHA-256 of the authority's certificate in hex, as elasticsearch-py's `ssl_assert_fingerprint`
    takes it.
    """


def make_certificates(folder: Path) -> Certificates:
    """Writes them into a folder; they are good for a day."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _signed("authority", ca_key, "authority", ca_key, is_ca=True)
    pairs = {}
    for name in ("node", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        signed = _signed(name, key, "authority", ca_key, is_ca=False)
        # The node's file goes on with the authority's, as what it sends is what a fingerprint of
        # the authority is looked up in.
        pairs[name] = _written(folder / name, [signed, ca], key)
    authority = _written(folder / "ca", [ca], ca_key)
    fingerprint = ca.fingerprint(hashes.SHA256()).hex()
    return Certificates(authority.certificate, pairs["node"], pairs["client"], fingerprint)


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    public, authority = key.public_key(), issuer_key.public_key()
    usage = x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False
        )
        .sign(issuer_key, hashes.SHA256())
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _written(
    path: Path, certificates: list[x509.Certificate], key: ec.EllipticCurvePrivateKey
) -> Pair:
    pair = Pair(path.with_suffix(".pem"), path.with_suffix(".key"))
    pem = serialization.Encoding.PEM
    pair.certificate.write_bytes(b"".join(one.public_bytes(pem) for one in certificates))
    plain = serialization.NoEncryption()
    pair.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return pair
