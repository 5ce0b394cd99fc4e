"""Guard: the way back from a fault while visits move."""

from typing import Final

from msgspec.structs import replace

from engine.contacts.contact import Contact
from engine.limits import COUNTS_WAITING_MAX
from engine.notes import Notes


class Guard:
    """Holds what journeys and the outbox can change of one contact, as it was before they did.

    Made right before a visit may move: most events move none, so it costs them nothing. It
    copies the visits and messages only; to encode the whole contact took 80 µs for a busy one.
    Of SHARED it keeps what was there: nodes put new ones in their place, and change none. What is
    noted from here on is taken back as well.
    """

    __slots__ = ("_before", "_counted", "_decided", "_notes")

    def __init__(self, contact: Contact, notes: Notes) -> None:
        if len(notes.counts) >= COUNTS_WAITING_MAX:
            notes.add_up()
        self._notes = notes
        self._decided, self._counted = len(notes.decisions), len(notes.counts)
        # One copy of all fields at once, the others too: by name they took ten times as long.
        before = replace(contact)
        if contact.visits:
            before.visits = [replace(visit) for visit in contact.visits]
        else:
            before.visits = []
        if contact.pending:
            before.pending = [replace(pending) for pending in contact.pending]
        else:
            before.pending = []
        before.entered = contact.entered.copy()
        before.messages = contact.messages.copy()
        self._before = before

    def restore(self, contact: Contact) -> None:
        """Put the contact back as it was, and the notes too."""
        del self._notes.decisions[self._decided :]
        del self._notes.counts[self._counted :]
        for name in (*COPIED, *SHARED):
            setattr(contact, name, getattr(self._before, name))


COPIED: Final = ("visits", "pending", "entered", "messages")
SHARED: Final = (
    "session",
    "next_due_at_ms",
    "attributes",
    "history",
    "history_since_ms",
    "exited",
    "lists",
    "segments",
    "groups",
    "participations",
    "goals",
    "occasions",
    "planned_for",
    "queued",
)
