"""Settings of the control API: where it listens, and who may do what with which key."""

from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct

from actors.errors import OperatorError
from actors.kept.kept import RedisPlace, StorePlace
from actors.settings import (
    RedisSettings,
    control_keys_of_environment,
    secret_of_environment,
)
from engine.language.author import nearest

Scope = Literal["read", "contacts", "publish", "operate"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
KEY_CHARS_MIN: Final = 16
KEYS_MAX: Final = 100
VARIABLE_SIGN: Final = "$"
KEY_FORM: Final = "NAME:SCOPE+SCOPE:KEY, such as anna:read+publish:..."


class ControlKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may do what: shown as `Authorization: Bearer KEY`."""

    name: str
    """Of a person or program: the history and the audit log say it."""
    key: str
    """`$NAME` is taken from the environment."""
    scopes: list[Scope]


class ControlSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `anlass.yaml` says of the control API."""

    keys: list[ControlKey] = []


class ControlStart(Struct, frozen=True, kw_only=True):
    """What the process of the control API needs to know."""

    data: str
    lifeline: str
    listener: int
    """The descriptor of the socket that it serves."""
    keys: list[ControlKey]
    """None only on the loopback: then whoever is on this machine may do all."""
    operator: dict[str, Any]
    """See actors.folder.Folder: what drafts are checked against."""
    key_file: str = ""
    redis: RedisSettings | None = None
    """Of a cluster's store."""
    archive: str = ""
    certificates: str = ""
    """Folder of this host's certificate, in a cluster of several; empty where there is none."""

    def place(self) -> StorePlace:
        """Return where the store is."""
        data = Path(self.data)
        if self.redis is None:
            return data
        keys = Path(self.certificates) if self.certificates else None
        return RedisPlace(redis=self.redis, archive=self.archive, data=data, keys=keys)


def control_keys(said: dict[str, Any]) -> list[ControlKey]:
    """Return the keys of `anlass.yaml` and of the environment. Raises OperatorError."""
    try:
        keys = msgspec.convert(said, ControlSettings).keys
    except msgspec.ValidationError as error:
        raise OperatorError(f"anlass.yaml, control: {error}") from None
    keys = [_with_secret(each) for each in keys]
    keys += [read_key(text) for text in control_keys_of_environment()]
    if len(keys) > KEYS_MAX:
        raise OperatorError(f"control: {len(keys)} keys, {KEYS_MAX} at most; remove some")
    for number, each in enumerate(keys):
        _check(each, keys[:number])
    return keys


def read_key(text: str) -> ControlKey:
    """Read one key as the environment says it. Raises OperatorError."""
    name, colon, rest = text.partition(":")
    scopes, more, key = rest.partition(":")
    if not (colon and more):
        raise OperatorError(f"ANLASS_CONTROL_KEYS: a key cannot be read; write {KEY_FORM}")
    for scope in scopes.split("+"):
        if scope not in SCOPES:
            text = f"ANLASS_CONTROL_KEYS, {name}: there is no scope {scope!r}"
            raise OperatorError(f"{text}; {nearest(scope, [*SCOPES])}")
    return ControlKey(
        name=name, key=key, scopes=[each for each in SCOPES if each in scopes.split("+")]
    )


def read_address(text: str, keys: list[ControlKey]) -> tuple[str, int]:
    """Read HOST:PORT. Raises OperatorError, also where others could reach it without a key."""
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not (colon and host and port.isdecimal() and int(port) <= 65_535):
        raise OperatorError(f"--control {text!r} is no address; write HOST:PORT, 127.0.0.1:8081")
    if not keys and not is_loopback(host):
        raise OperatorError(
            f"--control {text}: others can reach it and there are no keys; name some in "
            "`control.keys` of anlass.yaml or in ANLASS_CONTROL_KEYS, or listen on 127.0.0.1"
        )
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a host."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _with_secret(key: ControlKey) -> ControlKey:
    if not key.key.startswith(VARIABLE_SIGN):
        return key
    return msgspec.structs.replace(key, key=secret_of_environment(key.key[1:]))


def _check(key: ControlKey, before: list[ControlKey]) -> None:
    """Refuse what cannot be meant. Raises OperatorError."""
    who = f"control: the key of {key.name!r}"
    if not key.name or not key.name.isprintable():
        raise OperatorError("control: a key has no name; say whose it is")
    if len(key.key) < KEY_CHARS_MIN or not key.key.isascii():
        text = f"{who} can be guessed; take at least {KEY_CHARS_MIN} signs of ASCII"
        raise OperatorError(f"{text}: openssl rand -hex 24")
    if not key.scopes:
        raise OperatorError(f"{who} may do nothing; give it scopes: {', '.join(SCOPES)}")
    for other in before:
        if other.key == key.key:
            raise OperatorError(f"{who} is that of {other.name!r}, too; give each its own")
        if other.name == key.name:
            raise OperatorError(f"{who} is there twice; give each a name of its own")
