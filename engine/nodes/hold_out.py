"""Hold-out: visits that walk without messages on purpose, to compare with those that get some."""

from msgspec.structs import replace

from engine.chance import falls_within
from engine.contacts.contact import Contact, Visit
from engine.program import Program


def hold_out(contact: Contact, visit: Visit) -> None:
    """Let a visit go on without messages; if it comes to its goal, that says so."""
    visit.held_out = True
    contact.goals = [
        replace(goal, held_out=True) if goal.visit == visit.id else goal for goal in contact.goals
    ]


def hold_out_reason(program: Program, contact: Contact) -> str:
    """Return why a visit that is held out gets no message."""
    if falls_within(program.hold_out, contact.key, program.journey):
        return f"{program.journey}: the {program.hold_out:g} % that are held out"
    return f"{program.journey}: held out by a random split"
