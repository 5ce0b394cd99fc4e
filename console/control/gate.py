"""Gate: who asks, and whether they may."""

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from console.control.faults import RefusedError, fault_of
from console.control.settings import SCOPES, ControlKey, Scope, is_loopback

BEARER: Final = "bearer "
HERE: Final = "loopback"


class Caller(Struct, frozen=True):
    """Who asks."""

    name: str
    scopes: tuple[Scope, ...]


class NotLetInError(RefusedError):
    """Who asks may not; `name` is that of the key, empty where none of the keys was shown."""

    def __init__(self, status: HTTPStatus, text: str, name: str = "") -> None:
        super().__init__(status, fault_of(text))
        self.name = name


class Gate:
    """Knows keys by their digests; without any, lets in whoever is on this machine."""

    def __init__(self, keys: list[ControlKey]) -> None:
        self._known = [
            (sha256(each.key.encode()).digest(), Caller(each.name, tuple(each.scopes)))
            for each in keys
        ]

    def caller(self, headers: Mapping[str, str], scope: Scope) -> Caller:
        """Return who asks for something of this scope. Raises NotLetInError."""
        caller = self._by_key(headers) if self._known else _here(headers)
        if scope not in caller.scopes:
            text = f"the key of {caller.name} is not for this; it takes one with scope `{scope}`"
            raise NotLetInError(HTTPStatus.FORBIDDEN, text, caller.name)
        return caller

    def _by_key(self, headers: Mapping[str, str]) -> Caller:
        said = headers.get("authorization", "")
        if not said.lower().startswith(BEARER):
            text = "this takes a key; send it as `Authorization: Bearer KEY`"
            raise NotLetInError(HTTPStatus.UNAUTHORIZED, text)
        digest = sha256(said[len(BEARER) :].strip().encode()).digest()
        found = None
        for each, caller in self._known:  # All of them: the time it takes tells nothing.
            if compare_digest(digest, each):
                found = caller
        if found is None:
            text = "this is none of the keys; ask who runs the system for one"
            raise NotLetInError(HTTPStatus.UNAUTHORIZED, text)
        return found


def _here(headers: Mapping[str, str]) -> Caller:
    """Let in whoever is on this machine, but no page of another site in a browser on it."""
    host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    origin = headers.get("origin", "")
    if not is_loopback(host) or (origin and not is_loopback(urlsplit(origin).hostname or "")):
        text = "without keys only programs of this machine are answered; name keys in anlass.yaml"
        raise NotLetInError(HTTPStatus.FORBIDDEN, text)
    return Caller(HERE, SCOPES)
