"""Reasons: the language's model says as well why no journey was entered, each time one might be."""

from typing import Any

from tests.engine.machines.language.contact import DAY, HOUR, Person
from tests.engine.machines.language.model import Model
from tests.engine.machines.language.rules import AGAIN, LATE_AFTER, NEVER
from tests.engine.machines.language.world import NODES

Considered = tuple[str, int, str]
"""The journey, the moment, and why it was entered or not."""

CONDITIONAL = {
    "browse": "product_view",
    "tips": "session_end",
    "leaver": "session_end",
    "alert": "hot_alert",
    "party": "enters evening",
    "morning": "",
}
"""Entries with a condition, and the event that each is asked on; `morning` has a schedule."""


class ReasonedModel(Model):
    """Notes in `considered` what it makes of each journey that an event may open."""

    def __init__(self, variant: str, now: int) -> None:
        super().__init__(variant, now)
        self.considered: list[Considered] = []

    def _pass_by(self, person: Person, journey: str, name: str) -> None:
        if journey in NODES[self.variant] and CONDITIONAL.get(journey) == name:
            self.considered.append((journey, self.now, "no_match"))

    def _enter(
        self, person: Person, journey: str, payload: dict[str, Any], session: int, too_late: str
    ) -> None:
        why = self._why(person, journey, payload, session, too_late)
        self.considered.append((journey, self.now, why))
        super()._enter(person, journey, payload, session, too_late)

    def _why(
        self, person: Person, journey: str, payload: dict[str, Any], session: int, too_late: str
    ) -> str:
        key = str(payload.get("order_id", "")) if journey == "order" else ""
        if journey == "order" and not key:
            return "no_key"
        if any((stay.journey, stay.key) == (journey, key) for stay in person.stays):
            return "inside"
        last = person.entered.get((journey, key), -NEVER)
        again = AGAIN.get(journey, 0)
        if self.now - last < again:
            return "once" if again == NEVER else "too_soon"
        if journey == "basket" and self.now < person.left.get(journey, -DAY) + 3 * HOUR:
            return "too_soon"
        session = person.session["start"] if person.session else session
        refused = self._refused(person, journey, session, too_late)
        if refused is None:
            return "entered"
        return "crowded" if refused[0] == "capped" else refused[0]


assert not set(CONDITIONAL) & {journey for journey, _ in LATE_AFTER}, "each is one or the other"
