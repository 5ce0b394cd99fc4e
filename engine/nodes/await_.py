"""Await: a node where a visit stays until an event comes that it waits for, or until too late."""

from typing import Any, Final

from engine.calendar.span import span_text
from engine.conditions.compare import encode_json
from engine.conditions.condition import Test
from engine.contacts.answer import keep_answer
from engine.contacts.contact import Visit
from engine.decision import DECLINED
from engine.fact import Fact, shown
from engine.input import Event, payload_of
from engine.moment import Moment
from engine.nodes.wait import stay
from engine.program import STAYS, Place, Program
from engine.value import MISSING, value_at

NUMBERS: Final = (int, float)


class Coming:
    """An event that is waited for: its name, what must hold of it, and where it leads."""

    __slots__ = ("again", "name", "same", "test", "then")

    def __init__(
        self, name: str, then: str, test: Test | None, same: list[list[str]], *, again: bool
    ) -> None:
        self.name = name
        self.then = then
        self.test = test
        self.same = same
        """Paths of fields that must be as in what the visit was entered on."""
        self.again = again
        """Whether it starts the wait again, and leads nowhere."""


class Await(Place):
    """Stay for `timeout_ms`, or until one of the events comes; the first that fits is taken."""

    __slots__ = ("branches", "otherwise", "timeout_ms")

    lasts = True

    def __init__(self, id: str, branches: list[Coming], timeout_ms: int, otherwise: str) -> None:
        super().__init__(id, "")
        self.branches = branches
        self.timeout_ms = timeout_ms
        self.otherwise = otherwise

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        stay(moment, visit, moment.now_ms + self.timeout_ms)
        return STAYS

    def due(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        moment.outcome = DECLINED
        moment.reason = f"{self.id}: nothing came in {span_text(self.timeout_ms)}"
        return self.otherwise

    def due_again_ms(self, moment: Moment, visit: Visit) -> int | None:
        """See Place."""
        return visit.waits_since_ms + self.timeout_ms

    def hear(self, moment: Moment, program: Program, visit: Visit, event: Event) -> str | None:
        """See Place."""
        payload = payload_of(event)
        for branch in self.branches:
            if (
                branch.name == event.name
                and all(_is_same(payload, visit.trigger, path) for path in branch.same)
                and (branch.test is None or branch.test.holds(moment))
            ):
                keep_answer(visit, self.id, payload)
                moment.moved = True
                if not branch.again:
                    return branch.then
                stay(moment, visit, moment.now_ms + self.timeout_ms)
                return STAYS
        return STAYS

    def explain(
        self, moment: Moment, program: Program, visit: Visit, event: Event | None = None
    ) -> list[Fact]:
        """See Place."""
        facts: list[Fact] = []
        for branch in self.branches:
            if event is None or branch.name != event.name:
                continue
            parts = [_same_fact(payload_of(event), visit.trigger, path) for path in branch.same]
            if branch.test is not None:
                parts.append(branch.test.explain(moment))
            holds = all(part.holds for part in parts)
            wanted = (
                "starts the wait anew" if branch.again else f"leads to {branch.then or 'the end'}"
            )
            facts.append(Fact(what=event.name, holds=holds, wanted=wanted, parts=parts))
            if holds:
                break
        return facts

    def edges(self) -> list[str]:
        """See Place."""
        return [*(branch.then for branch in self.branches if not branch.again), self.otherwise]

    def hears(self) -> list[str]:
        """See Place."""
        return [branch.name for branch in self.branches]

    def tests(self) -> list[Test]:
        """See Place."""
        return [branch.test for branch in self.branches if branch.test is not None]


def _same_fact(payload: dict[str, Any], trigger: dict[str, Any], path: list[str]) -> Fact:
    value, other = value_at(payload, path), value_at(trigger, path)
    wanted = "as in what it was entered on: "
    wanted += "nothing" if other is MISSING else encode_json(other).decode()
    holds = _is_same(payload, trigger, path)
    return Fact(what=".".join(path), holds=holds, wanted=wanted, found=shown(value))


def _is_same(payload: dict[str, Any], trigger: dict[str, Any], path: list[str]) -> bool:
    """Say whether both have the field with one value; a missing one, or null, is like none."""
    value = value_at(payload, path)
    if value is MISSING or value is None:
        return False
    other = value_at(trigger, path)
    if value.__class__ in NUMBERS and other.__class__ in NUMBERS:
        return bool(value == other)
    return value.__class__ is other.__class__ and bool(value == other)
