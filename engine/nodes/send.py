"""Send: a node that decides a message, if all rules allow it; else it says which does not."""

from collections.abc import Iterator
from typing import Final

from engine.calendar.span import span_text
from engine.calendar.window import Window, window_ends
from engine.calendar.zone import clock_text
from engine.chance import falls_within
from engine.contacts.address import address_fault, address_of
from engine.contacts.consent import consent_fact, consent_reason, consent_suffices
from engine.contacts.contact import Contact, Pending, Sent, Visit
from engine.contacts.identity import message_key
from engine.contacts.zone import zone_for
from engine.decision import (
    CAPPED,
    DECLINED,
    DRY_RUN,
    HELD_OUT,
    MISSING,
    NO_ADDRESS,
    NO_CONSENT,
    QUIET,
    SENT,
    Outcome,
)
from engine.fact import Fact
from engine.input import Event
from engine.language.rules import MARKETING
from engine.limits import FAR_MS, HOLD_MS_MAX, MESSAGES_COUNTED_MAX, PENDING_MAX
from engine.moment import NO_MESSAGE, Moment
from engine.nodes.cap import cap_facts, forget_uncounted, frees_at_ms, full_cap, reserve
from engine.nodes.dry_run import dry_reason, is_dry
from engine.nodes.hold_out import hold_out_reason
from engine.nodes.need import Need, seen_of
from engine.nodes.outbox import find_pending
from engine.nodes.wait import stay
from engine.program import STAYS, Place, Program

ALL_HELD_OUT: Final = "*"
"""Salt of the hold-out over all journeys: no journey has this id."""


class Ruling:
    """What the rules say of a message: an outcome, or until when it is to wait for another one."""

    __slots__ = ("outcome", "over_cap", "reason", "until_ms")

    def __init__(
        self, outcome: str, reason: str = "", *, until_ms: int = FAR_MS, over_cap: bool = False
    ) -> None:
        self.outcome = outcome
        self.reason = reason
        self.until_ms = until_ms
        """FAR_MS: it does not wait."""
        self.over_cap = over_cap
        """Whether it is a cap that holds the message back, so that `on_cap` says what is next."""


class Send(Place):
    """Send a message, wait until it may be sent, or say why it is not."""

    __slots__ = (
        "channel",
        "consent",
        "drops_when_quiet",
        "instead",
        "needs",
        "purpose",
        "quiet",
        "template",
        "waits_for_cap",
    )

    def __init__(
        self, id: str, then: str, channel: str, template: str, purpose: str, consent: str
    ) -> None:
        super().__init__(id, then)
        self.channel = channel
        self.template = template
        self.purpose = purpose
        self.consent = consent
        """The level needed, empty where none is."""
        self.needs: list[Need] = []
        self.quiet: Window | None = None
        """When it keeps silent, in the contact's zone."""
        self.drops_when_quiet = False
        self.waits_for_cap = False
        self.instead = ""
        """The place to go to where a cap is reached; empty: as after any other message."""

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        visit.held_since_ms = 0
        return self._ask(moment, program, visit)

    def due(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        if not visit.held_since_ms:  # A publish made this of another kind of node.
            return super().due(moment, program, visit)
        return self._ask(moment, program, visit)

    def _ask(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """Ask all rules, whether for the first time or after a wait for some of them."""
        now_ms = moment.now_ms
        key = message_key(visit.id, self.id, visit.passes.get(self.id, 1))
        if visit.carried and _has_sent(moment.contact, key):
            return self.then
        sent = self._as_sent(moment, program, visit, key)
        ruling = self._judge(moment, program, visit, sent)
        if ruling.until_ms < FAR_MS:
            since_ms = visit.held_since_ms or now_ms
            if ruling.until_ms <= since_ms + HOLD_MS_MAX:
                visit.held_since_ms = since_ms
                stay(moment, visit, ruling.until_ms)
                return STAYS
            ruling.reason += f"; that lasts longer than {span_text(HOLD_MS_MAX)}"
        visit.held_since_ms = 0
        visit.messages += 1
        moment.outcome, moment.reason = DECLINED, NO_MESSAGE  # Whatever led here is no end of it.
        if ruling.outcome in (SENT, DRY_RUN):
            reserve(moment.contact, sent)
        if ruling.outcome == SENT:
            self._put_out(moment, program, visit, key)
        journey, contact = program.journey, moment.contact.key
        moment.decide(
            Outcome(
                key, contact, journey, self.id, self.channel, now_ms, ruling.outcome, ruling.reason
            )
        )
        return self.instead if ruling.over_cap and self.instead else self.then

    def due_again_ms(self, moment: Moment, visit: Visit) -> int | None:
        """See Place. A message that waits for a rule asks the rules that are in force now."""
        return moment.now_ms if visit.held_since_ms else None

    def explain(
        self, moment: Moment, program: Program, visit: Visit, event: Event | None = None
    ) -> list[Fact]:
        """See Place. All that is asked, in the order of `_judge`, up to what stands in the way."""
        facts = []
        for fact in self._facts(moment, program, visit):
            facts.append(fact)
            if not fact.holds:
                break
        return facts

    def _facts(self, moment: Moment, program: Program, visit: Visit) -> Iterator[Fact]:
        contact, rules, now_ms = moment.contact, moment.rules, moment.now_ms
        reason = self._held_out(moment, program, visit)
        if reason or program.hold_out or rules.hold_out:
            yield Fact(what="not held out", holds=not reason, found=reason or None, worded=True)
        for need in self.needs:
            yield need.explain(moment, visit)
        if self.channel in rules.addresses:
            fault = address_fault(contact, self.channel, rules)
            address = address_of(contact, self.channel, rules)
            what = f"contact.{rules.addresses[self.channel]}"
            yield Fact(what=what, holds=not fault, wanted="a valid address", found=address or None)
        if self.consent:
            yield consent_fact(contact, self.channel, self.consent, self.purpose)
        ruling = self._judge_hours(moment)
        if ruling is not None:
            until_ms = None if ruling.until_ms == FAR_MS else ruling.until_ms
            zone = zone_for(contact, rules)
            found = clock_text(now_ms, zone)
            yield Fact(what=ruling.reason, holds=False, found=found, until_ms=until_ms, worded=True)
        sent = self._as_sent(moment, program, visit)
        yield from cap_facts(rules, program, sent, contact)
        pending, wanted = len(contact.pending), f"fewer than {PENDING_MAX}"
        if pending >= PENDING_MAX:
            yield Fact(what="unsettled messages", holds=False, wanted=wanted, found=pending)
        if program.test is not None or visit.dry:
            reason = dry_reason(program, contact)
            dry = is_dry(program, contact, visit)
            yield Fact(what="in earnest", holds=not dry, found=reason if dry else None, worded=True)

    def edges(self) -> list[str]:
        """See Place."""
        return [self.then, self.instead] if self.instead else [self.then]

    def _judge(self, moment: Moment, program: Program, visit: Visit, sent: Sent) -> Ruling:
        """Ask what does not pass by itself, then what does: quiet hours, then caps."""
        contact = moment.contact
        reason = self._held_out(moment, program, visit)
        if reason:
            return Ruling(HELD_OUT, reason)
        for need in self.needs:
            if not need.is_met(moment, visit):
                return Ruling(MISSING, f"{need.text} is missing")
        reason = address_fault(contact, self.channel, moment.rules)
        if reason:
            return Ruling(NO_ADDRESS, reason)
        needed, purpose = self.consent, self.purpose
        if needed and not consent_suffices(contact, self.channel, needed, purpose):
            return Ruling(NO_CONSENT, consent_reason(contact, self.channel, needed, purpose))
        return self._judge_hours(moment) or self._judge_caps(moment, program, sent)

    def _held_out(self, moment: Moment, program: Program, visit: Visit) -> str:
        if visit.held_out:
            return hold_out_reason(program, moment.contact)
        share = moment.rules.hold_out if self.purpose == MARKETING else 0
        if falls_within(share, moment.contact.key, ALL_HELD_OUT):
            return f"all journeys: the {share:g} % that are held out"
        return ""

    def _judge_hours(self, moment: Moment) -> Ruling | None:
        if self.quiet is None:
            return None
        zone = zone_for(moment.contact, moment.rules)
        ends_ms = window_ends(moment.now_ms, self.quiet, zone)
        if ends_ms == moment.now_ms:
            return None
        reason = f"{self.channel}: quiet hours, {zone.key}"
        return Ruling(QUIET, reason, until_ms=FAR_MS if self.drops_when_quiet else ends_ms)

    def _judge_caps(self, moment: Moment, program: Program, sent: Sent) -> Ruling:
        contact, rules, now_ms = moment.contact, moment.rules, moment.now_ms
        cap = full_cap(rules, program, sent, contact)
        if cap is not None:
            until_ms = FAR_MS
            if self.waits_for_cap:
                until_ms = frees_at_ms(cap, rules, contact, now_ms, dry=sent.dry)
            return Ruling(CAPPED, cap.text, until_ms=until_ms, over_cap=True)
        if len(contact.pending) >= PENDING_MAX:
            return Ruling(CAPPED, f"outbox: {PENDING_MAX} messages are not settled yet")
        forget_uncounted(contact, rules, now_ms, dry=sent.dry)
        if len(contact.messages) >= MESSAGES_COUNTED_MAX:
            return Ruling(CAPPED, f"caps: {MESSAGES_COUNTED_MAX} messages count for them already")
        return Ruling(DRY_RUN, dry_reason(program, contact)) if sent.dry else Ruling(SENT)

    def _as_sent(self, moment: Moment, program: Program, visit: Visit, key: str = "") -> Sent:
        """Return the message as caps count it."""
        dry = is_dry(program, moment.contact, visit)
        where = (program.journey, self.id, self.channel, self.purpose, key)
        return Sent(moment.now_ms, *where, dry=dry)

    def _put_out(self, moment: Moment, program: Program, visit: Visit, key: str) -> None:
        contact, now_ms = moment.contact, moment.now_ms
        journey, channel, purpose = program.journey, self.channel, self.purpose
        contact.pending.append(
            Pending(
                key=key,
                journey=journey,
                node=self.id,
                channel=channel,
                template=self.template,
                purpose=purpose,
                consent=self.consent,
                at_ms=now_ms,
                trigger=visit.trigger,
                views=visit.views,
                visit=seen_of(visit) if moment.rules.mentions.visit else {},
            )
        )


def _has_sent(contact: Contact, key: str) -> bool:
    """Say whether a message of this key was decided: a publish may lead a visit past it again."""
    return find_pending(contact, key) is not None or any(
        sent.key == key for sent in contact.messages
    )
