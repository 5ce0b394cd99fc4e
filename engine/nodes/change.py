"""Nodes that change something: attributes and lists of the contact, other journeys, the record."""

from typing import Final

import msgspec

from engine.contacts.contact import Pending, Visit
from engine.contacts.identity import message_key
from engine.decision import CAPPED, CONVERTED, DRY_RUN, EXITED, HELD_OUT, SENT, Fault, Outcome
from engine.input import START
from engine.limits import ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX, LISTS_MAX, PENDING_MAX
from engine.moment import Moment
from engine.nodes.dry_run import dry_reason, is_dry, leave_undone, reached_otherwise
from engine.nodes.filling import Filling
from engine.nodes.hold_out import hold_out_reason
from engine.nodes.walk import end_visits
from engine.program import Place, Program

ADS: Final = "ads"
"""The channel that audiences are kept on."""
AUDIENCE: Final = "audience/"
"""Before an audience's name, among a contact's lists."""

_encode: Final = msgspec.json.Encoder().encode


class SetAttributes(Place):
    """Set attributes of the contact; null removes one. What cannot be set is listed as a fault."""

    __slots__ = ("filling",)

    def __init__(self, id: str, then: str, filling: Filling) -> None:
        super().__init__(id, then)
        self.filling = filling

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        if is_dry(program, moment.contact, visit):
            return leave_undone(moment, visit, self.then)
        attributes = moment.contact.attributes.copy()
        for name, value in self.filling.values(moment).items():
            if value is None:
                attributes.pop(name, None)
            elif len(_encode(value)) > ATTRIBUTE_BYTES_MAX:
                _note_fault(moment, visit, f"{name}: more than {ATTRIBUTE_BYTES_MAX} bytes")
            elif name in attributes or len(attributes) < ATTRIBUTES_MAX:
                attributes[name] = value
            else:
                _note_fault(moment, visit, f"{name}: a contact has {ATTRIBUTES_MAX} attributes")
        moment.contact.attributes = attributes
        moment.described = True
        return self.then


class ListChange(Place):
    """Put the contact on a static list or an audience, or take it off.

    An audience is kept by the ads channel: what is to be done there is a message without template,
    in the outbox as all are. It asks for no consent and counts for no cap; whoever is held out is
    not put there.
    """

    __slots__ = ("adds", "audience", "name")

    def __init__(self, id: str, then: str, name: str, *, adds: bool, audience: bool) -> None:
        super().__init__(id, then)
        self.name = name
        self.adds = adds
        self.audience = audience

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        dry = is_dry(program, moment.contact, visit)
        if not self.audience:
            if dry:
                return leave_undone(moment, visit, self.then)
            self._change(moment, visit, self.name)
            return self.then
        visit.messages += 1
        key = message_key(visit.id, self.id, visit.passes.get(self.id, 1))
        outcome, reason = SENT, ""
        if visit.held_out:
            outcome = HELD_OUT
            reason = hold_out_reason(program, moment.contact)
        elif dry:
            outcome, reason = DRY_RUN, dry_reason(program, moment.contact)
        elif len(moment.contact.pending) >= PENDING_MAX:
            outcome, reason = CAPPED, f"outbox: {PENDING_MAX} messages are not settled yet"
        elif not self._change(moment, visit, AUDIENCE + self.name):
            outcome, reason = CAPPED, f"a contact is on {LISTS_MAX} lists"
        else:
            self._put_out(moment, visit, key)
        journey, contact = program.journey, moment.contact.key
        moment.decide(Outcome(key, contact, journey, self.id, ADS, moment.now_ms, outcome, reason))
        return self.then

    def request(self) -> dict[str, str]:
        """Return what the ads channel is asked."""
        return {"audience": self.name, "action": "add" if self.adds else "remove"}

    def _change(self, moment: Moment, visit: Visit, name: str) -> bool:
        lists = moment.contact.lists
        if not self.adds:
            moment.contact.lists = {each: at for each, at in lists.items() if each != name}
        elif name not in lists:
            if len(lists) >= LISTS_MAX:
                _note_fault(moment, visit, f"{name}: a contact is on {LISTS_MAX} lists")
                return False
            moment.contact.lists = lists | {name: moment.now_ms}
        return True

    def _put_out(self, moment: Moment, visit: Visit, key: str) -> None:
        moment.contact.pending.append(
            Pending(
                key=key,
                journey=visit.journey,
                node=self.id,
                channel=ADS,
                template="",
                purpose="",
                consent="",
                at_ms=moment.now_ms,
                trigger=visit.trigger,
                views=[],
                request=self.request(),
            )
        )


class Emit(Place):
    """Let an event happen. It counts in the history as if it had been sent, not in the session."""

    __slots__ = ("filling", "name")

    def __init__(self, id: str, then: str, name: str, filling: Filling) -> None:
        super().__init__(id, then)
        self.name = name
        self.filling = filling

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        if is_dry(program, moment.contact, visit):
            return leave_undone(moment, visit, self.then)
        id = message_key(visit.id, self.id, visit.passes.get(self.id, 1))
        moment.derive(id, self.name, self.filling.values(moment))
        return self.then


class Start(Place):
    """Let the contact enter another journey, by its rules, on what this visit was entered on."""

    __slots__ = ("journey",)

    def __init__(self, id: str, then: str, journey: str) -> None:
        super().__init__(id, then)
        self.journey = journey

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        if is_dry(program, moment.contact, visit):
            return leave_undone(moment, visit, self.then)
        id = message_key(visit.id, self.id, visit.passes.get(self.id, 1))
        moment.derive(id, START + self.journey, visit.trigger, visit.views)
        return self.then

    def starts(self) -> list[str]:
        """See Place."""
        return [self.journey]


class End(Place):
    """End the contact's visits of a journey, and stop its messages that no courier has yet."""

    __slots__ = ("journey",)

    def __init__(self, id: str, then: str, journey: str) -> None:
        super().__init__(id, then)
        self.journey = journey

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        if is_dry(program, moment.contact, visit):
            return leave_undone(moment, visit, self.then)
        end_visits(moment, self.journey, EXITED, f"ended by {program.journey}")
        return self.then


class GoalReached(Place):
    """Record that the visit reached what it is for, once, however often it comes here."""

    __slots__ = ("goal",)

    def __init__(self, id: str, then: str, goal: str) -> None:
        super().__init__(id, then)
        self.goal = goal

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        if visit.passes.get(self.id, 1) == 1:
            key, contact = f"{visit.id}.{self.id}.goal", moment.contact.key
            reason = self.goal
            if visit.held_out or visit.dry:
                reason, kind = reached_otherwise(self.goal, dry=visit.dry)
                moment.counts.append((program.journey, self.id, "", kind, moment.now_ms, 1))
            moment.decide(
                Outcome(
                    key, contact, program.journey, self.id, "", moment.now_ms, CONVERTED, reason
                )
            )
        return self.then


def _note_fault(moment: Moment, visit: Visit, error: str) -> None:
    what = f"visit {visit.id} of journey {visit.journey} at node {visit.node}"
    moment.decisions.append(Fault(moment.contact.key, what, error))
