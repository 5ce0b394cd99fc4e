"""Dry run: visits of a journey in test mode are decided and recorded; nothing comes of them.

What a dry visit leaves behind is kept in the shadow: it counts for other dry visits, so that the
run is as it would be, and for nothing else.
"""

from collections.abc import Iterable
from typing import Final

from engine.contacts.contact import Contact, Visit
from engine.moment import Moment
from engine.notes import CONVERTED_DRY, CONVERTED_HELD_OUT, NOT_DONE
from engine.program import Program

SHADOW: Final = "~"
"""Before the name of a journey, or of a group, under which something is kept in the shadow: no name
begins so."""


def is_dry(program: Program, contact: Contact, visit: Visit) -> bool:
    """Say whether nothing may come of a visit: from its entry, or as its journey is in test now."""
    return visit.dry or program.is_dry_for(contact.key)


def dry_reason(program: Program, contact: Contact) -> str:
    """Return why a message of a dry visit is not sent."""
    if program.test is None or contact.key in program.test:
        return f"{program.journey}: entered in test mode"
    count = len(program.test)
    said = "there are none" if not count else f"not one of {count}"
    return f"{program.journey}: test mode, for test contacts only ({said})"


def leave_undone(moment: Moment, visit: Visit, then: str) -> str:
    """Count that a node would change something, were the visit not dry; return where it goes on."""
    moment.counts.append((visit.journey, visit.node, "", NOT_DONE, moment.now_ms, 1))
    return then


def reached_otherwise(goal: str, *, dry: bool) -> tuple[str, str]:
    """Return reason and count of a conversion that no message led to: dry, or held out."""
    if dry:
        return f"{goal} (test mode)", CONVERTED_DRY
    return f"{goal} (held out)", CONVERTED_HELD_OUT


def in_test_words(programs: Iterable[Program]) -> list[str]:
    """Say which journeys are in test mode, and for how many contacts they are in earnest."""
    return [
        f"{each.journey} is in test mode: of all contacts, {len(each.test)} may get its messages"
        for each in programs
        if each.test is not None
    ]
