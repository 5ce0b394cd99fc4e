"""Notes: what the fold notes while it moves contacts: decisions, and what is to be counted."""

from collections.abc import Callable
from typing import Final

from engine.decision import OUTCOMES, Decision

Counted = tuple[str, str, str, str, int, int]
"""Something that `engine.numbers` counts, by journey and node.

Journey, node (empty: of the journey as a whole), then the node that a visit went to from there, or
why it ended there; what it is (empty: it went on); when; and how many. A tuple: to make a Struct
takes five times as long.
"""

LEFT: Final = "left/"
"""With an outcome: visits that ended at the node."""
COMPLETED: Final = "completed"
"""In place of an outcome: the visit came to its end, and had what was there for it."""
ERASED: Final = "erased"
"""In place of an outcome: the contact was erased."""
LEFT_AS: Final = {outcome: LEFT + outcome for outcome in (*OUTCOMES, COMPLETED, ERASED)}
ENTERED_HELD_OUT: Final = "entered_held_out"
"""Of a journey: visits that walk without messages, from their entry or from some node on."""
CONVERTED_HELD_OUT: Final = "converted_held_out"
ENTERED_DRY: Final = "entered_dry"
"""Of a journey in test mode: visits that entered, of contacts that are not in the test."""
CONVERTED_DRY: Final = "converted_dry"
QUEUED: Final = "queued"
"""Entries that wait as their journey is paused: how many wait now; in no series."""
NOT_DONE: Final = "not_done"
"""Changes that a node of a dry visit did not make."""
DELIVERED: Final = "delivered"


class Notes:
    """Two lists that the fold appends to; a Guard takes back what came of a fault.

    Without a list of its own, what is noted goes nowhere.
    """

    __slots__ = ("add_up", "counts", "decisions")

    def __init__(
        self,
        decisions: list[Decision] | None = None,
        counts: list[Counted] | None = None,
        add_up: Callable[[], None] | None = None,
    ) -> None:
        self.decisions: list[Decision] = [] if decisions is None else decisions
        self.counts: list[Counted] = [] if counts is None else counts
        self.add_up: Callable[[], None] = self.counts.clear if add_up is None else add_up
        """Takes what is counted so far off the list: to be called where there is much."""
