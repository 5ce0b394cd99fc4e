"""May this contact be reached on this channel for this purpose."""

from typing import Any, Final

from engine.contact import Consent, Contact
from engine.input import CONSENT
from engine.limits import CONSENT_CHANNELS_MAX

STRENGTH: Final = {"opt_out": 0, "opt_in": 1, "double_opt_in": 2}


def consent_suffices(contact: Contact, channel: str, level: str) -> bool:
    """Say whether the contact's consent on the channel is at least `level`."""
    consent = contact.consents.get(channel)
    return consent is not None and STRENGTH[consent.level] >= STRENGTH[level]


def consent_reason(contact: Contact, channel: str, level: str) -> str:
    """Put a missing consent in words: what is there and what is needed."""
    consent = contact.consents.get(channel)
    return f"{channel}: {consent.level if consent else 'none'}, needed {level}"


def consents_in(name: str, payload: dict[str, Any]) -> dict[str, str]:
    """Return what an `identify` or `consent` event says: channel -> level.

    A `consent` event may also say it without the key `consent` around. What is no known level
    is left out here; the gateway refuses it with its path.
    """
    said = payload.get("consent", payload if name == CONSENT else None)
    if not isinstance(said, dict):
        return {}
    return {
        channel: level
        for channel, level in said.items()
        if isinstance(level, str) and level in STRENGTH
    }


def record_consents(contact: Contact, said: dict[str, str], at_ms: int, event_id: str) -> list[str]:
    """Keep new consents with their proof; return the channels on which consent became weaker."""
    weaker = []
    for channel, level in said.items():
        before = contact.consents.get(channel)
        if before is None and len(contact.consents) >= CONSENT_CHANNELS_MAX:
            continue
        if before is not None and STRENGTH[level] < STRENGTH[before.level]:
            weaker.append(channel)
        contact.consents[channel] = Consent(level, at_ms, event_id)
    return weaker
