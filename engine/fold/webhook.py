"""Webhook: a node that asks a server, and goes on with what it answers."""

from typing import Any, Final

from engine.contacts.answer import keep_answer, web_answer
from engine.contacts.contact import Pending, Visit
from engine.contacts.happening import pack
from engine.contacts.identity import message_key
from engine.decision import CAPPED, DRY_RUN, FAILED, HELD_OUT, SENT, Outcome
from engine.fold.programs import Programs
from engine.input import Receipt
from engine.limits import PENDING_MAX, REQUEST_BYTES_MAX
from engine.moment import Moment
from engine.nodes.dry_run import dry_reason, is_dry
from engine.nodes.filling import Filling
from engine.nodes.hold_out import hold_out_reason
from engine.nodes.outbox import find_pending, stop_pending
from engine.nodes.wait import stay
from engine.nodes.walk import advance
from engine.program import STAYS, Place, Program

WEBHOOK: Final = "webhook"
"""The channel whose messages ask a server instead of telling the contact something."""


class Webhook(Place):
    """Put a request out, stay until it is answered, and go on to `then`.

    To `otherwise` where it cannot be put out, where it fails, and where nothing came in time. It
    is no message to the contact: no consent is asked for, and it counts for no cap.
    """

    __slots__ = ("_body", "_headers", "_method", "_url", "otherwise", "timeout", "timeout_ms")

    def __init__(self, id: str, then: str, otherwise: str, timeout: str, timeout_ms: int) -> None:
        super().__init__(id, then)
        self.otherwise = otherwise
        self.timeout = timeout
        self.timeout_ms = timeout_ms
        self._url = ""
        self._method = ""
        self._headers = Filling()
        self._body = Filling()

    def ask(self, url: str, method: str, headers: Filling, body: Filling) -> None:
        """Say what is asked."""
        self._url, self._method, self._headers, self._body = url, method, headers, body

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        visit.messages += 1
        key = self.key_for(visit)
        request = self.request(moment)
        outcome, reason = self._held_back(moment, program, visit, request)
        contact, now_ms = moment.contact, moment.now_ms
        moment.decide(
            Outcome(key, contact.key, program.journey, self.id, WEBHOOK, now_ms, outcome, reason)
        )
        if outcome != SENT:
            return self.otherwise
        contact.pending.append(
            Pending(
                key=key,
                journey=program.journey,
                node=self.id,
                channel=WEBHOOK,
                template="",
                purpose="",
                consent="",
                at_ms=now_ms,
                trigger={},
                views=[],
                request=request,
            )
        )
        stay(moment, visit, now_ms + self.timeout_ms)
        return STAYS

    def due(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place. A request that no courier has yet is not put any more."""
        pending = find_pending(moment.contact, self.key_for(visit))
        if pending is None:  # It stayed at a node of another kind, which a publish made this of.
            return self.enter(moment, program, visit)
        stop_pending(pending, moment.now_ms, FAILED, f"no answer within {self.timeout}")
        return self.otherwise

    def due_again_ms(self, moment: Moment, visit: Visit) -> int | None:
        """See Place. What was asked is asked, and its answer is waited for."""
        asked = find_pending(moment.contact, self.key_for(visit)) is not None
        return visit.was_due_ms or visit.due_at_ms if asked else None

    def edges(self) -> list[str]:
        """See Place."""
        return [self.then, self.otherwise]

    def key_for(self, visit: Visit) -> str:
        """Return the key of the request that a visit puts, as often as it has come here."""
        return message_key(visit.id, self.id, visit.passes.get(self.id, 1))

    def request(self, moment: Moment) -> dict[str, Any]:
        """Return what is asked at that moment."""
        return {
            "url": self._url,
            "method": self._method,
            "headers": self._headers.values(moment),
            "body": self._body.values(moment),
        }

    def _held_back(
        self, moment: Moment, program: Program, visit: Visit, request: dict[str, Any]
    ) -> tuple[str, str]:
        """Return SENT, or why nothing is asked: what that server does may be a treatment, too."""
        if visit.held_out:
            return HELD_OUT, hold_out_reason(program, moment.contact)
        if is_dry(program, moment.contact, visit):
            return DRY_RUN, dry_reason(program, moment.contact)
        if len(moment.contact.pending) >= PENDING_MAX:
            return CAPPED, f"outbox: {PENDING_MAX} messages are not settled yet"
        size = len(pack(request))
        if size > REQUEST_BYTES_MAX:
            return FAILED, f"the request has {size:,} bytes, {REQUEST_BYTES_MAX:,} at most"
        return SENT, ""


def take_answer(moment: Moment, programs: Programs, pending: Pending, receipt: Receipt) -> None:
    """Let the visit go on that waits for this answer, if one still does: others have no use of it.

    A visit that came to the node again since waits for another.
    """
    for visit in moment.contact.visits:
        if visit.journey != pending.journey or visit.node != pending.node or visit.enters:
            continue
        program = programs.program_of(visit)
        place = None if program is None else program.places.get(pending.node)
        if program is None or not isinstance(place, Webhook):
            continue
        if place.key_for(visit) == pending.key:
            if receipt.answer is not None:
                keep_answer(visit, place.id, _bounded(receipt.answer))
            advance(moment, program, visit, place.then if receipt.delivered else place.otherwise)
            return


def _bounded(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer as a channel makes it: who brings receipts may be of another version."""
    whole = not answer.get("cut", False)
    return web_answer(answer.get("status", 0), answer.get("body"), whole=whole)
