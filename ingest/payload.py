"""Payload: what may stand in one, so that no shard ever meets one that it cannot fold."""

from typing import Any, Final

import msgspec

from engine.contacts.consent import STRENGTH
from engine.input import (
    CART_UPDATE,
    CONSENT,
    DERIVED_NAMES,
    DERIVED_PREFIXES,
    IDENTIFY,
    is_derived,
)
from engine.language.author import NAME_FORM
from engine.language.rules import TRANSACTIONAL
from engine.limits import (
    ATTRIBUTE_BYTES_MAX,
    ATTRIBUTES_MAX,
    CONSENT_CHANNELS_MAX,
    CONSENT_PURPOSES_MAX,
)
from ingest.limits import LISTS_PER_EVENT_MAX, NAME_CHARS_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_DEPTH_MAX

LEVELS: Final = ", ".join(sorted(STRENGTH))
WITH_ITEMS: Final = frozenset({CART_UPDATE, "purchase"})
WITH_RULES: Final = frozenset({IDENTIFY, CONSENT, *DERIVED_NAMES, *WITH_ITEMS})

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
_encode_into = msgspec.msgpack.Encoder().encode_into
_scratch = bytearray()


class EventError(Exception):
    """One event cannot be taken: where in it, and what its sender must change."""

    def __init__(self, path: str, error: str) -> None:
        super().__init__(f"{error} - at `{path}`")
        self.path = path
        self.error = error


def check_payload(name: str, payload: bytes) -> None:
    """Check the payload of an event of this name. Raises EventError.

    It is decoded whole although it travels as it came: msgspec.Raw lets through broken UTF-8,
    numbers past any range and any depth, and in a shard those would be poison.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        error = f"a payload may have {PAYLOAD_BYTES_MAX} bytes, this one has {len(payload)}"
        raise EventError("$.payload", error)
    try:
        value = _decode(payload)
        _encode_into(value, _scratch)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        text, _, inner = str(error).partition(" - at `$")
        raise EventError(f"$.payload{inner.rstrip('`')}", text) from None
    except OverflowError:
        raise EventError("$.payload", "a whole number must fit into 64 bits") from None
    except RecursionError:
        raise _too_deep() from None
    if payload.count(b"{") + payload.count(b"[") > PAYLOAD_DEPTH_MAX:
        _check_depth(value)
    if name in WITH_RULES or name.startswith(DERIVED_PREFIXES):
        _check_rules(name, value)


def _too_deep() -> EventError:
    return EventError(
        "$.payload", f"a payload may be nested {PAYLOAD_DEPTH_MAX} levels deep, not more"
    )


def _check_depth(value: dict[str, Any]) -> None:
    level: list[Any] = [value]
    for _ in range(PAYLOAD_DEPTH_MAX):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _check_rules(name: str, value: dict[str, Any]) -> None:
    if is_derived(name):
        shown = name[:NAME_CHARS_MAX]
        raise EventError("$.name", f"{shown} is derived by the engine and cannot be sent")
    if name == IDENTIFY:
        _check_identify(value)
    elif name == CONSENT:
        _check_consent(value)
    elif "items" in value:
        items = value["items"]
        if not isinstance(items, list):
            raise EventError("$.payload.items", "items must be a list of objects")
        for i, item in enumerate(items):
            if not isinstance(item, dict):
                raise EventError(f"$.payload.items[{i}]", "an item must be an object")


def _check_identify(value: dict[str, Any]) -> None:
    for field in value:
        if field not in ("attributes", "consent", "lists"):
            error = (
                "identify knows `attributes`, `consent` and `lists`; "
                "put other fields into `attributes`"
            )
            raise EventError(f"$.payload.{field}", error)
    attributes = value.get("attributes", {})
    if not isinstance(attributes, dict):
        raise EventError("$.payload.attributes", "attributes must be an object")
    if len(attributes) > ATTRIBUTES_MAX:
        error = f"a contact has at most {ATTRIBUTES_MAX} attributes"
        raise EventError("$.payload.attributes", error)
    for name, each in attributes.items():
        if len(_encode(each)) > ATTRIBUTE_BYTES_MAX:
            error = f"an attribute's value may have {ATTRIBUTE_BYTES_MAX} bytes"
            raise EventError(f"$.payload.attributes.{name}", error)
    if "consent" in value:
        _check_levels("$.payload.consent", value["consent"])
    if "lists" in value:
        _check_lists(value["lists"])


def _check_lists(lists: Any) -> None:
    path = "$.payload.lists"
    if not isinstance(lists, dict):
        raise EventError(path, 'lists must say for each whether to be on it: {"news": true}')
    if len(lists) > LISTS_PER_EVENT_MAX:
        error = f"an event may name {LISTS_PER_EVENT_MAX} lists, not {len(lists)}"
        raise EventError(path, error)
    for name, on in lists.items():
        if not NAME_FORM.fullmatch(name):
            error = "a list's name has a-z, 0-9, - and _, 64 at most, a letter or digit first"
            raise EventError(f"{path}.{name[:NAME_CHARS_MAX]}", error)
        if not isinstance(on, bool):
            error = "say true to be on the list, false to be off it"
            raise EventError(f"{path}.{name}", error)


def _check_consent(value: dict[str, Any]) -> None:
    if "consent" not in value:
        _check_levels("$.payload", value)
        return
    for field in value:
        if field != "consent":
            error = "beside `consent` nothing is read; put all channels into it"
            raise EventError(f"$.payload.{field}", error)
    _check_levels("$.payload.consent", value["consent"])


def _check_levels(path: str, levels: Any) -> None:
    if not isinstance(levels, dict) or not levels:
        raise EventError(path, 'consent must say a level for each channel: {"email": "opt_in"}')
    if len(levels) > CONSENT_CHANNELS_MAX:
        raise EventError(
            path, f"consent may name {CONSENT_CHANNELS_MAX} channels, not {len(levels)}"
        )
    for channel, level in levels.items():
        if "." in channel:
            error = 'say a purpose inside its channel: {"email": {"news": "opt_in"}}'
            raise EventError(f"{path}.{channel[:NAME_CHARS_MAX]}", error)
        if isinstance(level, dict):
            _check_purposes(f"{path}.{channel}", level)
        elif not isinstance(level, str) or level not in STRENGTH:
            raise EventError(f"{path}.{channel}", f"a level of consent must be one of {LEVELS}")


def _check_purposes(path: str, levels: dict[str, Any]) -> None:
    if not levels:
        error = 'say a level for each purpose: {"marketing": "opt_in"}'
        raise EventError(path, error)
    if len(levels) > CONSENT_PURPOSES_MAX:
        error = f"consent on a channel may name {CONSENT_PURPOSES_MAX} purposes, not {len(levels)}"
        raise EventError(path, error)
    for purpose, level in levels.items():
        if not NAME_FORM.fullmatch(purpose):
            error = "a purpose has a-z, 0-9, - and _, 64 at most, a letter or digit first"
            raise EventError(f"{path}.{purpose[:NAME_CHARS_MAX]}", error)
        if purpose == TRANSACTIONAL:
            error = "what is transactional needs no consent; leave it out"
            raise EventError(f"{path}.{purpose}", error)
        if not isinstance(level, str) or level not in STRENGTH:
            raise EventError(f"{path}.{purpose}", f"a level of consent must be one of {LEVELS}")
