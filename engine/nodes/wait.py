"""Wait: a node where a visit stays for a while."""

from engine.contacts.contact import Visit
from engine.moment import Moment
from engine.program import STAYS, Place, Program


class Wait(Place):
    """Stay for `span_ms`."""

    __slots__ = ("span_ms",)

    lasts = True

    def __init__(self, id: str, then: str, span_ms: int) -> None:
        super().__init__(id, then)
        self.span_ms = span_ms

    def enter(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        stay(moment, visit, moment.now_ms + self.span_ms)
        return STAYS

    def due(self, moment: Moment, program: Program, visit: Visit) -> str | None:
        """See Place."""
        return self.then

    def due_again_ms(self, moment: Moment, visit: Visit) -> int | None:
        """See Place."""
        return visit.waits_since_ms + self.span_ms


def stay(moment: Moment, visit: Visit, until_ms: int) -> None:
    """Let a visit stay where it is until then."""
    visit.waits_since_ms = moment.now_ms
    visit.due_at_ms = until_ms
    moment.contact.next_due_at_ms = min(moment.contact.next_due_at_ms, until_ms)
