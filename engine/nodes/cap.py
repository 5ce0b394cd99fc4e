"""Caps: how many messages in a window, is one more allowed, and when will it be."""

from bisect import insort_right
from zoneinfo import ZoneInfo

from engine.calendar.zone import (
    date_of_day,
    date_start,
    day_of_date,
    day_start,
    local,
    month_start,
    reading,
    week_start,
)
from engine.contacts.contact import Contact, Sent
from engine.contacts.zone import zone_for
from engine.fact import Fact, PastMessage
from engine.language.rules import Cap, Rules
from engine.limits import DAY_MS, MESSAGES_KEPT_MAX
from engine.program import Program


def full_cap(rules: Rules, program: Program, sent: Sent, contact: Contact) -> Cap | None:
    """Return a cap that forbids this message at its moment; None where none does."""
    if not contact.messages:
        return None
    for caps in (program.caps, rules.caps):
        for cap in caps:
            if counts(cap, sent) and _is_full(cap, rules, contact, sent):
                return cap
    return None


def cap_facts(rules: Rules, program: Program, sent: Sent, contact: Contact) -> list[Fact]:
    """Return of each cap that counts this message how full it is, and by which messages."""
    facts = []
    for cap in (*program.caps, *rules.caps):
        if not counts(cap, sent):
            continue
        after_ms = sent.at_ms - cap.span_ms
        if cap.period:
            after_ms = _period_start(cap.period, sent.at_ms, zone_for(contact, rules)) - 1
        counted = [
            PastMessage(each.key, each.at_ms)
            for each in reversed(contact.messages)
            if each.at_ms > after_ms and counts(cap, each) and (sent.dry or not each.dry)
        ]
        fact = Fact(
            what=f"cap of {cap.text}",
            holds=len(counted) < cap.messages,
            wanted=f"fewer than {cap.messages}",
            found=len(counted),
            messages=counted,
            since_ms=after_ms,
        )
        if not fact.holds:
            fact.until_ms = frees_at_ms(cap, rules, contact, sent.at_ms, dry=sent.dry)
        facts.append(fact)
    return facts


def counts(cap: Cap, sent: Sent) -> bool:
    """Say whether a message is one of those that a cap counts, and holds back."""
    return (
        (not cap.purpose or cap.purpose == sent.purpose)
        and (not cap.channel or cap.channel == sent.channel)
        and (cap.journeys is None or sent.journey in cap.journeys)
    )


def _is_full(cap: Cap, rules: Rules, contact: Contact, sent: Sent) -> bool:
    after_ms = sent.at_ms - cap.span_ms
    if cap.period:
        after_ms = _period_start(cap.period, sent.at_ms, zone_for(contact, rules)) - 1
    return nth_newest(cap, contact.messages, after_ms, dry=sent.dry) is not None


def nth_newest(cap: Cap, messages: list[Sent], after_ms: int, *, dry: bool = False) -> Sent | None:
    """Return the message with which a cap was full, of those after a moment; None if it is not.

    Those of test mode count for a `dry` message alone.
    """
    count = 0
    for sent in reversed(messages):
        if sent.at_ms <= after_ms:
            return None
        if counts(cap, sent) and (dry or not sent.dry):
            count += 1
            if count >= cap.messages:
                return sent
    return None


def frees_at_ms(cap: Cap, rules: Rules, contact: Contact, now_ms: int, *, dry: bool = False) -> int:
    """Return the first moment after `now_ms` at which a cap that is full allows one more.

    Unless a message that it counts fails before: then it is free at once.
    """
    if cap.period:
        return _period_end(cap.period, now_ms, zone_for(contact, rules))
    last = nth_newest(cap, contact.messages, now_ms - cap.span_ms, dry=dry)
    return now_ms if last is None else last.at_ms + cap.span_ms


def _period_start(period: str, at_ms: int, zone: ZoneInfo) -> int:
    if period == "day":
        return day_start(at_ms, zone)
    return week_start(at_ms, zone) if period == "week" else month_start(at_ms, zone)


def _period_end(period: str, at_ms: int, zone: ZoneInfo) -> int:
    """Return the first moment after `at_ms` that is in the next period."""
    today = local(at_ms, zone)
    day = day_of_date(today.date)
    if period == "day":
        next_day = day + 1
    elif period == "week":
        next_day = day + 7 - today.weekday
    else:
        in_next_month = date_of_day(day - today.date.day + 32)
        next_day = day_of_date(in_next_month.replace(day=1))
    ends_ms = date_start(date_of_day(next_day), zone)
    if ends_ms > at_ms:
        return ends_ms
    # Clocks showed the next day for a while already, and went back over midnight.
    return at_ms + DAY_MS - reading(at_ms, zone) % DAY_MS


def reserve(contact: Contact, sent: Sent) -> None:
    """Count a message from the decision on. See `forget_uncounted`, which makes room before."""
    messages = contact.messages
    if messages and messages[-1].at_ms > sent.at_ms:
        insort_right(messages, sent, key=lambda each: each.at_ms)
    else:
        messages.append(sent)


def release(contact: Contact, key: str) -> None:
    """Count a message no more: the contact did not get it."""
    contact.messages = [sent for sent in contact.messages if sent.key != key]


def forget_uncounted(contact: Contact, rules: Rules, now_ms: int, *, dry: bool = False) -> None:
    """Make room for one message more by forgetting the oldest that no cap can count again.

    All are kept that a cap in force needs to tell whether it is full, however many they are: a
    busy journey must not make the cap of a rare one, nor its own, forget. Those of test mode go
    first, and are needed for a `dry` message alone.
    """
    messages = contact.messages
    too_many = len(messages) - MESSAGES_KEPT_MAX + 1
    if too_many <= 0:
        return
    needed = _needed(contact, rules, now_ms)
    if dry:
        needed |= _needed(contact, rules, now_ms, dry=True)
    free = sorted(set(range(len(messages))) - needed, key=lambda i: (not messages[i].dry, i))
    gone = set(free[:too_many])
    contact.messages = [sent for i, sent in enumerate(messages) if i not in gone]


def _needed(contact: Contact, rules: Rules, now_ms: int, *, dry: bool = False) -> set[int]:
    """Return the places of the messages that a cap may count now or later."""
    messages = contact.messages
    unsettled = {pending.key for pending in contact.pending}
    needed: set[int] = set()
    for cap in [*rules.caps, *_caps_of(contact, rules)]:
        certain = 0
        for i in range(len(messages) - 1, -1, -1):
            sent = messages[i]
            if sent.at_ms <= now_ms - cap.span_ms:
                break
            if counts(cap, sent) and (dry or not sent.dry):
                needed.add(i)
                # One that may still fail does not make an older one needless.
                certain += sent.key not in unsettled
                if certain >= cap.messages:
                    break
    return needed


def _caps_of(contact: Contact, rules: Rules) -> list[Cap]:
    """Return the journeys' own caps that count any of the contact's messages, each once."""
    found: dict[int, Cap] = {}
    for journey in {sent.journey for sent in contact.messages}:
        for cap in rules.caps_counting.get(journey, ()):
            found[id(cap)] = cap
    return list(found.values())
