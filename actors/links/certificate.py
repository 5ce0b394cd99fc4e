"""Certificates as people see them: whose, for what, until when; and what to say before they end."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, get_args

from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec import Struct

from actors.errors import OperatorError
from engine.limits import DAY_MS

Role = Literal["shard", "gateway", "courier", "operator"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

ROLE_URI: Final = "urn:anlass:role:"
"""A certificate names a role by a URI of its alternative names that begins so."""

BUNDLE_FILE: Final = "ca.pem"
CERTIFICATE_FILE: Final = "cert.pem"
KEY_FILE: Final = "key.pem"

WARN_MS: Final = 30 * DAY_MS


class CertificateLine(Struct, kw_only=True):
    """One certificate. Moments are epoch milliseconds, UTC."""

    name: str
    authority: bool
    """Whether it signs others."""
    roles: list[str]
    hosts: list[str]
    """Names and addresses that it may serve on; none: any."""
    until_ms: int
    file: str

    def notice(self, now_ms: int) -> str:
        """Say that it ends soon, or has ended, and what to do; empty where there is time."""
        left_ms = self.until_ms - now_ms
        if left_ms > WARN_MS:
            return ""
        day = datetime.fromtimestamp(self.until_ms / 1000, UTC).strftime("%Y-%m-%d")
        whose = "authority" if self.authority else "certificate of"
        ends = f"ends on {day}" if left_ms > 0 else f"has ended on {day}: no link is made with it"
        option = " --authority" if self.authority else ""
        do = f"`anlass keys renew{option}`, then copy the folders to their hosts"
        return f"{self.file}: the {whose} {self.name!r} {ends}; {do}"


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Read a file of certificates. Raises OperatorError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except FileNotFoundError:
        text = f"{path} is not there; name the folder that `anlass keys` has made"
        raise OperatorError(text) from None
    except (OSError, ValueError) as error:
        raise OperatorError(f"{path} holds no certificate that can be read: {error}") from None


def issued_folders(folder: Path) -> list[Path]:
    """Return the folders with the certificates that an authority's folder holds."""
    return sorted(path.parent for path in folder.glob(f"*/{CERTIFICATE_FILE}"))


def lines_of(folder: Path) -> list[CertificateLine]:
    """Return all certificates in a folder of an authority, or of a host. Raises OperatorError."""
    files = [folder / BUNDLE_FILE, folder / CERTIFICATE_FILE]
    files += [issued / CERTIFICATE_FILE for issued in issued_folders(folder)]
    return [
        line_of(certificate, path)
        for path in files
        if path.name == BUNDLE_FILE or path.exists()
        for certificate in read_certificates(path)
    ]


def notices_of(folder: Path, now_ms: int) -> list[str]:
    """Return what to say of the certificates in a folder that end soon. Raises OperatorError."""
    return [notice for line in lines_of(folder) if (notice := line.notice(now_ms))]


def line_of(certificate: x509.Certificate, path: Path) -> CertificateLine:
    """Return what a certificate of a file says."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    try:
        others = list(
            certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        )
    except x509.ExtensionNotFound:
        others = []
    uris = [each.value for each in others if isinstance(each, x509.UniformResourceIdentifier)]
    hosts = [str(each.value) for each in others if isinstance(each, x509.DNSName | x509.IPAddress)]
    return CertificateLine(
        name=str(names[0].value) if names else "",
        authority=basic.ca,
        roles=[uri.removeprefix(ROLE_URI) for uri in uris if uri.startswith(ROLE_URI)],
        hosts=hosts,
        until_ms=int(certificate.not_valid_after_utc.timestamp() * 1000),
        file=str(path),
    )
