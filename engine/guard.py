"""Guard: the way back from a fault while visits move."""

from msgspec.structs import replace

from engine.contact import Contact, Pending, Sent, Session, Visit


class Guard:
    """Holds what journeys and the outbox can change of one contact, as it was before they did.

    Made right before a visit may move: most events move none, so it costs them nothing. It
    copies the visits and messages only; to encode the whole contact took 80 µs for a busy one.
    """

    __slots__ = ("_entered", "_messages", "_next_due_at_ms", "_pending", "_session", "_visits")

    def __init__(self, contact: Contact) -> None:
        self._visits: list[Visit] = [replace(visit) for visit in contact.visits]
        self._entered: dict[str, int] = dict(contact.entered)
        self._messages: list[Sent] = contact.messages[:]
        self._pending: list[Pending] = [replace(pending) for pending in contact.pending]
        self._session: Session | None = contact.session
        self._next_due_at_ms = contact.next_due_at_ms

    def restore(self, contact: Contact) -> None:
        """Put the contact back as it was."""
        contact.visits = self._visits
        contact.entered = self._entered
        contact.messages = self._messages
        contact.pending = self._pending
        contact.session = self._session
        contact.next_due_at_ms = self._next_due_at_ms
