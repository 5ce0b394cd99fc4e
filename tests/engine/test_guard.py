"""The way back from a fault: whatever visits and messages did to a contact is undone."""

from typing import Any

import pytest
from msgspec.structs import fields

from engine.contacts.contact import Contact, Entered, Pending, Sent, Session, Visit, encode_contact
from engine.contacts.happening import pack
from engine.guard import COPIED, SHARED, Guard
from engine.notes import Notes

OF_INTAKE = {
    "key",
    "armed_at_ms",
    "event_ids",
    "older_event_ids",
    "consents",
    "cart",
}
"""What no visit and no message changes: it is taken in before any is asked."""


def busy_contact() -> Contact:
    contact = Contact("c-1")
    contact.session = Session(1, 2, 3, {"purchase": 1}, [b"{}"])
    contact.visits = [Visit("v-1", "welcome", "mail", 1, 1, 9, {}, [])]
    contact.pending = [Pending("k-1", "welcome", "mail", "email", "hello", "news", "", 1, {}, [])]
    contact.entered = {"welcome": 1}
    contact.messages = [Sent(1, "welcome", "mail", "email", "news", "k-1")]
    contact.groups = {"shop": Entered(1, 2)}
    return contact


def move_everything(contact: Contact) -> None:
    """Change in place what nodes change so, and put something new in the place of all else."""
    for visit in contact.visits:
        visit.node = "elsewhere"
        visit.due_at_ms = 77
    contact.visits.append(Visit("v-2", "other", "mail", 5, 5, 5, {}, []))
    for pending in contact.pending:
        pending.stopped_at_ms = 5
    contact.pending.append(Pending("k-2", "o", "m", "email", "t", "news", "", 5, {}, []))
    contact.entered["other"] = 5
    contact.messages.append(Sent(5, "other", "mail", "email", "news", "k-2"))
    for name in SHARED:
        setattr(contact, name, 4 if isinstance(getattr(contact, name), int) else None)
    contact.history = {"hi": [pack(4)]}


@pytest.mark.parametrize("contact", [Contact("c-1"), busy_contact()], ids=["new", "busy"])
def test_a_contact_is_as_it_was(contact: Contact) -> None:
    before = encode_contact(contact)
    guard = Guard(contact, Notes())
    move_everything(contact)
    assert encode_contact(contact) != before
    guard.restore(contact)
    assert encode_contact(contact) == before


def test_what_was_taken_in_meanwhile_stays() -> None:
    contact = busy_contact()
    guard = Guard(contact, Notes())
    contact.event_ids = {"e-1": 5}
    contact.armed_at_ms = 5
    guard.restore(contact)
    assert contact.event_ids == {"e-1": 5}
    assert contact.armed_at_ms == 5


def test_each_field_of_a_contact_is_guarded_or_of_the_intake() -> None:
    names = {each.name for each in fields(Contact)}
    assert names == OF_INTAKE | set(COPIED) | set(SHARED)


@pytest.mark.parametrize("kind", [Contact, Session, Visit])
def test_fields_are_stored_as_in_a_class_with_slots(kind: Any) -> None:
    """With msgspec's own way CPython stores each in a general one: three times as long."""
    assert kind.__setattr__ is object.__setattr__
    assert kind.__delattr__ is object.__delattr__
