"""Entries: who enters a journey as a draft has it only, or as it was only, or another draft."""

from collections.abc import Mapping
from typing import Final

from console.replay.against.sums import Sums
from engine.contacts.contact import Visit
from engine.contacts.identity import VISIT_ID_CHARS
from engine.decision import CAPPED, EXITED, GROUPED, LATE, PAUSED, Outcome
from engine.fold.entrance import HOLDS_ALREADY

MORE: Final = "entered_more"
FEWER: Final = "entered_fewer"
REFUSED: Final = (LATE, GROUPED, PAUSED)

Side = tuple[Mapping[str, Mapping[str, Outcome]], Mapping[str, list[Visit]]]
"""Outcomes by contact and key, and visits by contact that have not ended."""


def note_entries(sums: Sums, inside: set[str], real: Side, draft: Side) -> None:
    """Count visits of one side only, but for those that were inside before the draft began.

    A visit is named for what it was entered on, so both sides give it one name.
    """
    entered = [_entered(side) for side in (real, draft)]
    for name, (ours, other) in ((FEWER, entered), (MORE, entered[::-1])):
        for visit, journey in ours.items():
            if visit not in other and visit not in inside:
                sums.count(journey, name)


def _entered(side: Side) -> dict[str, str]:
    """Return the journeys of all visits that began, or were there, by their ids."""
    outcomes, visits = side
    found = {each.id: each.journey for inside in visits.values() for each in inside}
    for told in outcomes.values():
        for outcome in told.values():
            if not _is_refused(outcome):
                found[outcome.key[:VISIT_ID_CHARS]] = outcome.journey
    return found


def _is_refused(outcome: Outcome) -> bool:
    """Say whether an outcome is of a visit that never began."""
    if outcome.channel:
        return False
    if outcome.outcome in REFUSED or outcome.outcome == CAPPED:
        return True
    return outcome.outcome == EXITED and outcome.reason == HOLDS_ALREADY
