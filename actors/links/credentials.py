"""Credentials: what a process shows on links between hosts, and what it trusts there."""

import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import structlog
from msgspec import Struct

from actors.clock import WallClock
from actors.errors import OperatorError
from actors.links.certificate import (
    BUNDLE_FILE,
    CERTIFICATE_FILE,
    KEY_FILE,
    ROLE_URI,
    Role,
    line_of,
    read_certificates,
)

log = structlog.get_logger()


class Peer(Struct, frozen=True):
    """Who is at the other end of a link, as its certificate says."""

    name: str
    roles: frozenset[str]
    hosts: frozenset[str]
    """Names and addresses of the hosts it may serve on; none: on any."""

    def refusal_as(self, *roles: Role) -> str:
        """Say why it may not act in any of these roles; empty where it may."""
        if not self.roles.isdisjoint(roles):
            return ""
        what = f"the certificate of {self.name!r} is of {_listed(self.roles)}"
        return f"{what}, and this is for {_listed(roles)}"

    def refusal_at(self, host: str) -> str:
        """Say why it may not serve on a host; empty where it may."""
        if not self.hosts or _canonical(host) in self.hosts:
            return ""
        what = f"the certificate of {self.name!r} is for {_listed(self.hosts)}, not for {host}"
        return f"{what}; make one with `anlass keys host --address {host}`"


def peer_of(certificate: dict[str, Any]) -> Peer:
    """Return who a verified certificate names, as ssl.SSLSocket.getpeercert says it."""
    names = [value for part in certificate.get("subject", ()) for _, value in part]
    others = certificate.get("subjectAltName", ())
    return Peer(
        name=names[0] if names else "nobody",
        roles=frozenset(
            value.removeprefix(ROLE_URI)
            for kind, value in others
            if kind == "URI" and value.startswith(ROLE_URI)
        ),
        hosts=frozenset(
            _canonical(value) for kind, value in others if kind in {"DNS", "IP Address"}
        ),
    )


class Credentials:
    """The certificate and key of a process, and the authorities it trusts, from one folder.

    The files are read again when they change: a renewed certificate needs no restart.
    """

    def __init__(self, folder: Path) -> None:
        """Raise OperatorError where the folder does not hold what it must."""
        self.folder = folder
        self._read_at: list[int] = []
        self._contexts: dict[int, ssl.SSLContext] = {}
        try:
            self._load(self._stamps())
        except (OSError, ValueError, OperatorError) as error:
            raise OperatorError(self._fault(error)) from None

    @classmethod
    def open(cls, folder: Path | str | None, role: Role) -> "Credentials | None":
        """Return those of a folder, checked for a role; None where none is said.

        Raises OperatorError.
        """
        return cls(Path(folder)).must_be(role) if folder else None

    def client_context(self) -> ssl.SSLContext:
        """Return the context of the side that connects."""
        self._refresh()
        return self._contexts[ssl.PROTOCOL_TLS_CLIENT]

    def server_context(self) -> ssl.SSLContext:
        """Return the context of the side that serves."""
        self._refresh()
        return self._contexts[ssl.PROTOCOL_TLS_SERVER]

    def must_be(self, role: Role) -> "Credentials":
        """Return them if they may act in a role. Raises OperatorError."""
        if role not in self.own.roles:
            text = f"{self.own.file} is of {_listed(self.own.roles)}, and this is for {role}"
            raise OperatorError(f"{text}; make one with `anlass keys host --role {role}`")
        return self

    def refusal(self) -> str:
        """Say why nobody would let us in; empty where some may."""
        self._refresh()
        if WallClock().read() < self.own.until_ms:
            return ""
        return "our certificate has ended; renew it with `anlass keys renew`"

    def _refresh(self) -> None:
        try:
            stamps = self._stamps()
            if stamps != self._read_at:
                self._load(stamps)
        except (
            OSError,
            ValueError,
            OperatorError,
        ) as error:  # Amid a renewal: the next link looks again.
            log.warning("links go on with the keys as they were", error=self._fault(error))

    def _stamps(self) -> list[int]:
        names = (BUNDLE_FILE, CERTIFICATE_FILE, KEY_FILE)
        return [(self.folder / name).stat().st_mtime_ns for name in names]

    def _load(self, stamps: list[int]) -> None:
        contexts = {}
        for side in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
            context = ssl.SSLContext(side)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.check_hostname = False  # Peer.refusal_at does it: roles may come without hosts.
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.folder / BUNDLE_FILE)
            context.load_cert_chain(self.folder / CERTIFICATE_FILE, self.folder / KEY_FILE)
            contexts[int(side)] = context
        # What is resumed would be trusted without a look at its certificate.
        contexts[ssl.PROTOCOL_TLS_SERVER].num_tickets = 0
        path = self.folder / CERTIFICATE_FILE
        self.own = line_of(read_certificates(path)[0], path)
        self._contexts, self._read_at = contexts, stamps

    def _fault(self, error: Exception) -> str:
        names = f"{BUNDLE_FILE}, {CERTIFICATE_FILE} and {KEY_FILE}"
        return f"{self.folder} must hold {names} that belong together (`anlass keys`): {error}"


def refusal_words(error: ssl.SSLError) -> str:
    """Say in words what TLS found wrong, on this side or on the other."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words = VERIFY_WORDS.get(error.verify_code, error.verify_message)
        return f"its certificate is not trusted here: {words}"
    reason = str(error.reason or error)
    for part, words in REASON_WORDS.items():
        if part in reason:
            return words
    return f"TLS failed: {reason}"


VERIFY_WORDS: Final = {
    9: "it is not valid yet; are both clocks right?",
    10: "it has ended; renew it with `anlass keys renew`",
    18: "it is of no authority of this cluster",
    19: "it is of another authority; is it of this cluster?",
    20: "it is of another authority; is it of this cluster?",
    26: "it is not for this side of a link",
}
REASON_WORDS: Final = {
    "ALERT_CERTIFICATE_EXPIRED": "our certificate has ended; renew it with `anlass keys renew`",
    "ALERT_UNKNOWN_CA": "our certificate is of an authority that is not trusted there",
    "ALERT_UNSUPPORTED_CERTIFICATE": "our certificate is not for this side of a link",
    "ALERT_CERTIFICATE_REQUIRED": "a certificate is asked for there",
    "ALERT_BAD_CERTIFICATE": "our certificate is not accepted there",
    "DID_NOT_RETURN_A_CERTIFICATE": "it showed no certificate",
    "WRONG_VERSION_NUMBER": "what came is no TLS",
    "HTTP_REQUEST": "what came is HTTP, not TLS",
    "UNSUPPORTED_PROTOCOL": "the other side does not speak TLS 1.3",
    "ALERT_PROTOCOL_VERSION": "the other side does not speak TLS 1.3",
}


def _canonical(host: str) -> str:
    """Return a name or an address in the one form in which it is compared."""
    try:
        return str(ip_address(host.strip()))
    except ValueError:
        return host.strip().lower()


def _listed(words: Any) -> str:
    return " and ".join(sorted(words)) or "no role"
