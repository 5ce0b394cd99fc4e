"""Nodes that send visits different ways: by conditions, by a value, by chance, by their past."""

from typing import Any, Final

from engine.calendar.span import span_text
from engine.chance import point_of
from engine.conditions.condition import Test
from engine.contacts.contact import Contact, Visit
from engine.contacts.identity import message_key
from engine.decision import DECLINED, HELD_OUT, Outcome
from engine.fact import Fact
from engine.input import Event
from engine.limits import PARTICIPATIONS_MAX
from engine.moment import Moment
from engine.nodes.dry_run import SHADOW, is_dry
from engine.nodes.hold_out import hold_out
from engine.notes import ENTERED_HELD_OUT
from engine.program import Place, Program
from engine.value import value_at

TRIGGER: Final = "trigger"
CONTACT: Final = "contact"
VISIT: Final = "visit"
CASE_CHARS_MAX: Final = 40
"""Of a value that no case is for: what of it the reason says."""


class Split(Place):
    """Take the first branch whose condition holds, else `otherwise`."""

    __slots__ = ("branches", "otherwise")

    def __init__(self, id: str, branches: list[tuple[Test, str]], otherwise: str) -> None:
        super().__init__(id, "")
        self.branches = branches
        self.otherwise = otherwise

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        for test, then in self.branches:
            if test.holds(moment):
                return then
        moment.outcome, moment.reason = DECLINED, f"{self.id}: no branch held"
        return self.otherwise

    def explain(
        self, moment: Moment, program: Program, visit: Visit, event: Event | None = None
    ) -> list[Fact]:
        """See Place."""
        facts = []
        for test, _ in self.branches:
            facts.append(test.explain(moment))
            if facts[-1].holds:
                break
        return facts

    def edges(self) -> list[str]:
        """See Place."""
        return [*(then for _, then in self.branches), self.otherwise]

    def tests(self) -> list[Test]:
        """See Place."""
        return [test for test, _ in self.branches]


class Switch(Place):
    """Take the case of the value at a path, else `otherwise`."""

    __slots__ = ("cases", "otherwise", "path", "source")

    def __init__(
        self, id: str, source: str, path: list[str], cases: dict[str, str], otherwise: str
    ) -> None:
        super().__init__(id, "")
        self.source = source
        """TRIGGER, CONTACT or VISIT."""
        self.path = path
        self.cases = cases
        self.otherwise = otherwise

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        text = case_of(value_at(self._looked_at(moment, visit), self.path))
        then = None if text is None else self.cases.get(text)
        if then is not None:
            return then
        said = "no value" if text is None else f"{text[:CASE_CHARS_MAX]!r}"
        where = ".".join([self.source, *self.path])
        moment.outcome, moment.reason = DECLINED, f"{self.id}: no case for {where}, {said}"
        return self.otherwise

    def explain(
        self, moment: Moment, program: Program, visit: Visit, event: Event | None = None
    ) -> list[Fact]:
        """See Place."""
        text = case_of(value_at(self._looked_at(moment, visit), self.path))
        what, wanted = ".".join([self.source, *self.path]), f"one of {', '.join(self.cases)}"
        return [Fact(what=what, holds=text in self.cases, wanted=wanted, found=text)]

    def edges(self) -> list[str]:
        """See Place."""
        return [*self.cases.values(), self.otherwise]

    def _looked_at(self, moment: Moment, visit: Visit) -> dict[str, Any]:
        if self.source == CONTACT:
            return moment.contact.attributes
        if self.source == TRIGGER:
            return visit.trigger
        return {
            "key": visit.key,
            "messages": visit.messages,
            "trigger": visit.trigger,
            "answers": visit.answers,
        }


def case_of(value: Any) -> str | None:
    """Write a value as a case: `gold`, `3`, `2.5`, `true`; None for what can be none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value) if isinstance(value, int) else None


class Lot(Place):
    """Split by chance: one contact always falls on the same side."""

    __slots__ = ("salt", "sides")

    def __init__(self, id: str, sides: list[tuple[float, str, bool]], salt: str) -> None:
        super().__init__(id, "")
        self.sides = sides
        """Up to which point of 100, where it leads, and whether it holds out; the last to 100."""
        self.salt = salt
        """Empty: its own, by journey and node."""

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        salt = self.salt or f"{program.journey}.{self.id}"
        point = point_of(moment.contact.key, salt)
        _, then, holds_out = next((side for side in self.sides if point < side[0]), self.sides[-1])
        if holds_out:
            if not (visit.held_out or visit.dry):
                count = (visit.journey, "", "", ENTERED_HELD_OUT, moment.now_ms, 1)
                moment.counts.append(count)
            hold_out(moment.contact, visit)
        if not then:
            self._end(moment, visit, held_out=holds_out)
        return then

    def explain(
        self, moment: Moment, program: Program, visit: Visit, event: Event | None = None
    ) -> list[Fact]:
        """See Place."""
        salt = self.salt or f"{program.journey}.{self.id}"
        point = point_of(moment.contact.key, salt)
        lower, upper = 0.0, 100.0
        for end, _, _ in self.sides:
            if point < end:
                upper = end
                break
            lower = end
        wanted = f"from {lower:g} to {upper:g} of 100"
        return [Fact(what=f"point for {salt}", holds=True, wanted=wanted, found=round(point, 4))]

    def edges(self) -> list[str]:
        """See Place."""
        return [then for _, then, _ in self.sides]

    def _end(self, moment: Moment, visit: Visit, *, held_out: bool) -> None:
        """Say why the visit ends here; that it is held out also where it had messages before."""
        moment.outcome, moment.reason = DECLINED, f"{self.id}: by chance"
        if not held_out:
            return
        visit.messages += 1
        key = message_key(visit.id, self.id, visit.passes.get(self.id, 1))
        journey, contact = visit.journey, moment.contact.key
        reason = f"{self.id}: held out by a random split"
        moment.decide(Outcome(key, contact, journey, self.id, "", moment.now_ms, HELD_OUT, reason))


class Participation(Place):
    """Go on if the contact has not gone on here for `span_ms`, else to `otherwise`."""

    __slots__ = ("otherwise", "span_ms")

    def __init__(self, id: str, then: str, span_ms: int, otherwise: str) -> None:
        super().__init__(id, then)
        self.span_ms = span_ms
        self.otherwise = otherwise

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        contact = moment.contact
        last_at_ms = self._last_at_ms(contact, program, visit)
        if last_at_ms is not None and moment.now_ms - last_at_ms < self.span_ms:
            moment.outcome = DECLINED
            moment.reason = f"{self.id}: took part less than {span_text(self.span_ms)} ago"
            return self.otherwise
        shadow = SHADOW if is_dry(program, contact, visit) else ""
        name = f"{shadow}{program.journey}.{self.id}"
        kept = {each: at_ms for each, at_ms in contact.participations.items() if each != name}
        if len(kept) >= PARTICIPATIONS_MAX:
            del kept[next(iter(kept))]
        contact.participations = kept | {name: moment.now_ms}
        return self.then

    def explain(
        self, moment: Moment, program: Program, visit: Visit, event: Event | None = None
    ) -> list[Fact]:
        """See Place."""
        last_at_ms = self._last_at_ms(moment.contact, program, visit)
        until_ms = None if last_at_ms is None else last_at_ms + self.span_ms
        holds = until_ms is None or until_ms <= moment.now_ms
        what, wanted = "took part here", f"not in the last {span_text(self.span_ms)}"
        return [Fact(what=what, holds=holds, wanted=wanted, since_ms=last_at_ms, until_ms=until_ms)]

    def edges(self) -> list[str]:
        """See Place."""
        return [self.then, self.otherwise]

    def _last_at_ms(self, contact: Contact, program: Program, visit: Visit) -> int | None:
        """Return when the contact last went on here; what was dry counts for who is dry alone."""
        name = f"{program.journey}.{self.id}"
        names = [name, SHADOW + name] if is_dry(program, contact, visit) else [name]
        found = [contact.participations[each] for each in names if each in contact.participations]
        return max(found, default=None)
