"""Addresses: where a channel reaches a contact, and whether that can be one."""

import re
from typing import Any, Final

from engine.contacts.contact import Contact
from engine.language.rules import Rules
from engine.limits import ADDRESS_CHARS_MAX
from engine.value import MISSING, value_at

EMAIL: Final = "email"
PHONE_CHANNELS: Final = ("sms",)

_LABEL: Final = r"[^\W_](?:[^\W_]|-){0,62}(?<!-)"
_EMAIL: Final = re.compile(rf"[^\s@\x00-\x20\x7f<>()\[\]\\,;:\"]{{1,64}}@(?:{_LABEL}\.)+{_LABEL}")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{7,14}")


def address_of(contact: Contact, channel: str, rules: Rules) -> str:
    """Return the contact's address on a channel, without spaces around; empty where none is.

    It is looked up only on channels for which the settings name an attribute.
    """
    value = _said(contact, channel, rules)
    return value.strip() if isinstance(value, str) else ""


def address_fault(contact: Contact, channel: str, rules: Rules) -> str:
    """Say why a channel has no valid address of the contact; empty where it has, or needs none."""
    attribute = rules.addresses.get(channel)
    if attribute is None:
        return ""
    value = _said(contact, channel, rules)
    if value is MISSING or value is None or (isinstance(value, str) and not value.strip()):
        return f"contact.{attribute} is missing"
    if not isinstance(value, str):
        return f"contact.{attribute} is no text"
    if not is_address(value.strip(), channel):
        wanted = {EMAIL: "an e-mail address", **dict.fromkeys(PHONE_CHANNELS, "+ and 8-15 digits")}
        return f"contact.{attribute} is not {wanted.get(channel, 'an address')}"
    return ""


def is_address(text: str, channel: str) -> bool:
    """Say whether a text can be an address on a channel.

    E-mail: a name of 64 characters at most and a domain with a dot, 254 in all (RFC 5321,
    4.5.3.1), without quotes; phones: E.164. On other channels every text can.
    """
    if channel in PHONE_CHANNELS:
        return _PHONE.fullmatch(text) is not None
    if channel != EMAIL:
        return bool(text)
    return len(text) <= ADDRESS_CHARS_MAX and _EMAIL.fullmatch(text) is not None


def _said(contact: Contact, channel: str, rules: Rules) -> Any:
    attribute = rules.addresses.get(channel)
    return MISSING if attribute is None else value_at(contact.attributes, attribute.split("."))
