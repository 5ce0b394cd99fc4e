"""May this contact be reached on this channel for this purpose.

What is said of a channel is said for marketing, and for every other purpose of which nothing is
said by itself; who withdraws it is reached for none of them.
"""

from typing import Any, Final

from engine.contacts.contact import Consent, Contact
from engine.fact import Fact, PastEvent
from engine.input import CONSENT
from engine.language.rules import MARKETING
from engine.limits import CONSENTS_KEPT_MAX

STRENGTH: Final = {"opt_out": 0, "opt_in": 1, "double_opt_in": 2}
OPT_OUT: Final = "opt_out"


def consent_suffices(contact: Contact, channel: str, level: str, purpose: str = MARKETING) -> bool:
    """Say whether the contact's consent on the channel, for a purpose, is at least `level`."""
    consent = contact.consents.get(_deciding(contact, channel, purpose))
    return consent is not None and STRENGTH[consent.level] >= STRENGTH[level]


def consent_reason(contact: Contact, channel: str, level: str, purpose: str = MARKETING) -> str:
    """Put a missing consent in words: what is there and what is needed."""
    return f"{consent_text(contact, channel, purpose)}, needed {level}"


def consent_text(contact: Contact, channel: str, purpose: str) -> str:
    """Put in words what the contact said of this channel and purpose."""
    deciding = _deciding(contact, channel, purpose)
    consent = contact.consents.get(deciding)
    return f"{deciding}: {consent.level if consent else 'none'}"


def consent_fact(contact: Contact, channel: str, level: str, purpose: str) -> Fact:
    """Return what the contact said of this channel and purpose, with its proof."""
    deciding = _deciding(contact, channel, purpose)
    consent = contact.consents.get(deciding)
    fact = Fact(
        what=f"consent {deciding}",
        holds=consent_suffices(contact, channel, level, purpose),
        wanted=f"{level} or stronger" if level != "double_opt_in" else level,
        found=consent.level if consent else "none",
        worded=True,
    )
    if consent is not None:
        fact.since_ms = consent.at_ms
        fact.events = [PastEvent(CONSENT, consent.at_ms, id=consent.event_id)]
    return fact


def _deciding(contact: Contact, channel: str, purpose: str) -> str:
    """Return under which name the consent is kept that counts for a purpose."""
    own = consent_key(channel, purpose)
    if own == channel or own not in contact.consents:
        return channel
    consent = contact.consents.get(channel)
    return channel if consent is not None and consent.level == OPT_OUT else own


def consent_key(channel: str, purpose: str) -> str:
    """Return under which name a consent is kept."""
    return channel if purpose == MARKETING else f"{channel}.{purpose}"


def consents_in(name: str, payload: dict[str, Any]) -> dict[str, str]:
    """Return what an `identify` or `consent` event says: `consent_key` -> level.

    Of a channel it says a level, or one for each purpose. A `consent` event may also say it
    without the key `consent` around. What is no known level is left out here; the gateway refuses
    it with its path.
    """
    said = payload.get("consent", payload if name == CONSENT else None)
    if not isinstance(said, dict):
        return {}
    levels: dict[str, str] = {}
    for channel, level in said.items():
        by_purpose = level if isinstance(level, dict) else {MARKETING: level}
        for purpose, each in by_purpose.items():
            if isinstance(each, str) and each in STRENGTH:
                levels[consent_key(channel, purpose)] = each
    return levels


def record_consents(contact: Contact, said: dict[str, str], at_ms: int, event_id: str) -> list[str]:
    """Keep new consents with their proof; return those that may be weaker now than before.

    There is no room for more than CONSENTS_KEPT_MAX. Then a purpose's withdrawal counts for the
    whole channel: to lose it would let messages out.
    """
    weaker = []
    for key, level in said.items():
        before = contact.consents.get(key)
        if before is None and len(contact.consents) >= CONSENTS_KEPT_MAX:
            key = key.partition(".")[0]  # noqa: PLW2901 - it is said of that instead
            if level != OPT_OUT or key not in contact.consents:
                continue
        if before is None or STRENGTH[level] < STRENGTH[before.level]:
            weaker.append(key)
        contact.consents[key] = Consent(level, at_ms, event_id)
    return weaker
