"""Authority: makes the certificates of a cluster's links, and renews them."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from actors.errors import OperatorError
from actors.links.certificate import (
    BUNDLE_FILE,
    CERTIFICATE_FILE,
    KEY_FILE,
    ROLE_URI,
    issued_folders,
    line_of,
    read_certificates,
)

AUTHORITY_KEY_FILE: Final = "ca.key"
CLUSTER_NAME: Final = "cluster"
"""Of the certificate that any host may show, in any role."""

CERTIFICATE_DAYS: Final = 825
AUTHORITY_DAYS: Final = 3650
CLOCKS_APART: Final = timedelta(hours=1)
"""A certificate holds since so long before it was made: hosts' clocks differ."""

NAME_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
SECRET_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644


class Authority:
    """The authority of a cluster: a folder with its bundle, and the key that signs.

    The bundle holds one authority, and beside it the one before while certificates of it are used.
    """

    def __init__(self, folder: Path, key_file: Path | None, now_ms: int) -> None:
        """Raise OperatorError where it is not there, or the key is of another."""
        self.folder = folder
        self._now = datetime.fromtimestamp(now_ms / 1000, UTC)
        self._key_file = key_file or folder / AUTHORITY_KEY_FILE
        self.bundle = read_certificates(folder / BUNDLE_FILE)
        self._key = _read_key(self._key_file)
        own = [each for each in self.bundle if each.public_key() == self._key.public_key()]
        if not own:
            text = f"{self._key_file} is the key of no authority in {folder / BUNDLE_FILE}"
            raise OperatorError(f"{text}; name the right one with --ca-key")
        self.certificate = own[0]

    @classmethod
    def make(cls, folder: Path, key_file: Path | None, now_ms: int) -> "Authority":
        """Make an authority in a folder that has none. Raises OperatorError."""
        path = key_file or folder / AUTHORITY_KEY_FILE
        for file in (folder / BUNDLE_FILE, path):
            if file.exists():
                text = f"{file} is there already, and is not written over"
                raise OperatorError(f"{text}; renew with `anlass keys renew {folder}`")
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        _write(path, _key_bytes(key), SECRET_MODE)
        certificate = _authority_certificate(key, datetime.fromtimestamp(now_ms / 1000, UTC))
        _write(folder / BUNDLE_FILE, _pem([certificate]), PUBLIC_MODE)
        return cls(folder, key_file, now_ms)

    def issue(self, name: str, roles: Sequence[str], hosts: Sequence[str], days: int) -> Path:
        """Make a certificate with a key of its own, in a folder to be copied to its host.

        `hosts` are the names and addresses it may serve on; none: any. Raises OperatorError.
        """
        if not NAME_FORM.fullmatch(name):
            raise OperatorError(f"{name!r} is no name; write letters, digits, `.`, `-`, `_` or `:`")
        until = self._now + timedelta(days=days)
        last = self.certificate.not_valid_after_utc
        if until > last:
            text = f"the authority itself ends on {last:%Y-%m-%d}, before {days} days are over"
            change = f"change it with `anlass keys renew {self.folder} --authority`"
            raise OperatorError(f"{text}; ask for less with --days, or {change}")
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if "shard" in roles:  # No other role serves: TLS itself refuses a gateway that would.
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        others: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(f"{ROLE_URI}{role}") for role in roles
        ]
        certificate = (
            _builder(key, name, self.certificate.subject, self._now, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([*others, *map(_host_name, hosts)]), critical=False
            )
            .add_extension(_issuer_of(self._key), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        _write(folder / BUNDLE_FILE, _pem(self.bundle), PUBLIC_MODE)
        _write(folder / KEY_FILE, _key_bytes(key), SECRET_MODE)
        _write(folder / CERTIFICATE_FILE, _pem([certificate]), PUBLIC_MODE)
        return folder

    def renew(self, folder: Path, days: int) -> None:
        """Make a folder's certificate anew, with another key: for the same roles and hosts."""
        line = line_of(read_certificates(folder / CERTIFICATE_FILE)[0], folder)
        self.issue(folder.name, line.roles, line.hosts, days)

    def has_issued(self, certificate: x509.Certificate) -> bool:
        """Whether a certificate is of this authority, not of the one before."""
        return certificate.issuer == self.certificate.subject

    def change(self) -> None:
        """Make a new authority beside the one that is; both are trusted until `forget`."""
        if len(self.bundle) > 1:
            text = f"{self.folder / BUNDLE_FILE} holds the authority before, too"
            forget = f"`anlass keys renew {self.folder} --forget-authority`"
            raise OperatorError(f"{text}; let every certificate be renewed, then {forget}")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _authority_certificate(key, self._now)
        self._write_bundle([certificate, *self.bundle])
        _write(self._key_file, _key_bytes(key), SECRET_MODE)
        self._key, self.certificate = key, certificate

    def forget(self) -> None:
        """Trust only this authority. Raises OperatorError while a certificate needs the other."""
        for folder in issued_folders(self.folder):
            if not self.has_issued(read_certificates(folder / CERTIFICATE_FILE)[0]):
                text = f"{folder / CERTIFICATE_FILE} is still of the authority before"
                raise OperatorError(f"{text}; first `anlass keys renew {self.folder}`")
        self._write_bundle([self.certificate])

    def _write_bundle(self, bundle: list[x509.Certificate]) -> None:
        self.bundle = bundle
        for folder in (self.folder, *issued_folders(self.folder)):
            _write(folder / BUNDLE_FILE, _pem(bundle), PUBLIC_MODE)


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        text = f"{path}, the authority's key, is not there; name it with --ca-key"
        raise OperatorError(text) from None
    except (OSError, ValueError, TypeError) as error:
        raise OperatorError(f"{path} holds no key that can be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise OperatorError(f"{path} is no key that `anlass keys make` has made")
    return key


def _authority_certificate(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    # A name of its own: by it two authorities of one bundle are told apart.
    name = f"anlass {now:%Y-%m-%d} {x509.random_serial_number() & 0xFFFFFF:06x}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        _builder(key, name, subject, now, now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    key: ec.EllipticCurvePrivateKey, name: str, issuer: x509.Name, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_APART)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _issuer_of(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host.lower())
    except ValueError:
        raise OperatorError(f"{host!r} is no name of a host, and no address") from None


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file as a whole or not at all; a secret is never readable for others, not even now.

    Raises OperatorError.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(file, "wb") as written:
            written.write(data)
        new.replace(path)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}") from None
