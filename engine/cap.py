"""Caps: how many messages in a window, and is one more allowed."""

from collections import Counter

from engine.contact import Contact, Sent
from engine.limits import MESSAGES_KEPT_MAX
from engine.program import Program
from engine.rules import Cap, Rules


def cap_reached(
    rules: Rules, program: Program, channel: str, purpose: str, contact: Contact, now_ms: int
) -> str:
    """Return the cap that forbids one more message now, in words; empty where none does."""
    messages = contact.messages
    if not messages:
        return ""
    for cap in program.caps:
        if _reached(cap, purpose, messages, program.journey, now_ms):
            return cap.text
    for cap in rules.caps:
        if _reached(cap, purpose, messages, "", now_ms):
            return cap.text
    return ""


def _reached(cap: Cap, purpose: str, messages: list[Sent], journey: str, now_ms: int) -> bool:
    if cap.purpose and cap.purpose != purpose:
        return False
    after_ms = now_ms - cap.span_ms
    count = 0
    for sent in reversed(messages):
        if sent.at_ms <= after_ms:
            return False
        if (not journey or sent.journey == journey) and (
            not cap.purpose or sent.purpose == cap.purpose
        ):
            count += 1
            if count >= cap.messages:
                return True
    return False


def reserve(contact: Contact, sent: Sent) -> None:
    """Count a message from the decision on.

    Where too many are kept, the oldest of the journey with the most goes: a busy journey must
    not make the cap of a rare one forget.
    """
    messages = contact.messages
    messages.append(sent)
    if len(messages) > MESSAGES_KEPT_MAX:
        busiest = Counter(each.journey for each in messages).most_common(1)[0][0]
        del messages[next(i for i, each in enumerate(messages) if each.journey == busiest)]


def release(contact: Contact, key: str) -> None:
    """Count a message no more: the contact did not get it."""
    contact.messages = [sent for sent in contact.messages if sent.key != key]
