"""Nodes that decide where a visit goes on, or that it does not."""

from engine.conditions.condition import Consented, Test
from engine.contacts.consent import consent_reason
from engine.contacts.contact import Contact, Visit
from engine.decision import DECLINED, NO_CONSENT
from engine.fact import Fact
from engine.input import Event
from engine.moment import Moment
from engine.program import Place, Program


class Decide(Place):
    """Go to `then` or `otherwise`."""

    __slots__ = ("otherwise", "test")

    def __init__(self, id: str, then: str, test: Test, otherwise: str) -> None:
        super().__init__(id, then)
        self.test = test
        self.otherwise = otherwise

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        if self.test.holds(moment):
            return self.then
        moment.outcome, moment.reason = declined(self.id, self.test, moment.contact)
        return self.otherwise

    def explain(
        self, moment: Moment, program: Program, visit: Visit, event: Event | None = None
    ) -> list[Fact]:
        """See Place."""
        return [self.test.explain(moment)]

    def edges(self) -> list[str]:
        """See Place."""
        return [self.then, self.otherwise]

    def tests(self) -> list[Test]:
        """See Place."""
        return [self.test]


class Exit(Place):
    """Leave, saying why."""

    __slots__ = ("reason",)

    def __init__(self, id: str, reason: str) -> None:
        super().__init__(id, "")
        self.reason = reason

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        if moment.outcome == DECLINED:
            moment.reason = self.reason
        return ""


def declined(node: str, test: Test, contact: Contact) -> tuple[str, str]:
    """Return the outcome and the reason of a visit that ends as this test did not hold."""
    if isinstance(test, Consented):
        return NO_CONSENT, consent_reason(contact, test.channel, test.level, test.purpose)
    return DECLINED, f"{node} did not hold"
