"""Send: a node that decides a message, if all rules allow it; else it says which does not."""

from engine.cap import cap_reached, reserve
from engine.consent import consent_reason, consent_suffices
from engine.contact import Pending, Sent, Visit
from engine.decision import CAPPED, HELD_OUT, NO_CONSENT, SENT, Outcome
from engine.hold_out import hold_out_reason
from engine.identity import message_key
from engine.limits import PENDING_MAX
from engine.moment import Moment
from engine.program import Place, Program


class Send(Place):
    """Send a message. `consent` is the level needed, empty where none is."""

    __slots__ = ("channel", "consent", "purpose", "template")

    def __init__(
        self, id: str, then: str, channel: str, template: str, purpose: str, consent: str
    ) -> None:
        super().__init__(id, then)
        self.channel = channel
        self.template = template
        self.purpose = purpose
        self.consent = consent

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        visit.messages += 1
        key = message_key(visit.id, self.id, visit.passes.get(self.id, 1))
        outcome, reason = self._held_back(moment, program, visit)
        if outcome == SENT:
            self._put_out(moment, program, visit, key)
        journey, contact = program.journey, moment.contact.key
        moment.decisions.append(
            Outcome(key, contact, journey, self.id, self.channel, moment.now_ms, outcome, reason)
        )
        return self.then

    def _held_back(self, moment: Moment, program: Program, visit: Visit) -> tuple[str, str]:
        """Return SENT, or which rule holds the message back and why."""
        contact = moment.contact
        if visit.held_out:
            return HELD_OUT, hold_out_reason(program, contact)
        if self.consent and not consent_suffices(contact, self.channel, self.consent):
            return NO_CONSENT, consent_reason(contact, self.channel, self.consent)
        reason = cap_reached(
            moment.rules, program, self.channel, self.purpose, contact, moment.now_ms
        )
        if len(contact.pending) >= PENDING_MAX:
            reason = f"outbox: {PENDING_MAX} messages are not settled yet"
        return (CAPPED, reason) if reason else (SENT, "")

    def _put_out(self, moment: Moment, program: Program, visit: Visit, key: str) -> None:
        contact, now_ms = moment.contact, moment.now_ms
        journey, channel, purpose = program.journey, self.channel, self.purpose
        reserve(contact, Sent(now_ms, journey, self.id, channel, purpose, key))
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
            )
        )
