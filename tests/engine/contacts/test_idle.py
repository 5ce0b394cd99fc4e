"""An idle contact's bytes tell when its timer is armed and whether messages are out."""

from engine.contacts.contact import Contact, Pending, decode_contact, encode_contact
from engine.contacts.idle import IdleContact, decode_idle
from engine.limits import FAR_MS
from tests.engine.situation import MINUTE_MS, Situation, mail, wait
from tests.publications import journey


def test_it_has_the_first_fields_of_a_contact_in_their_order() -> None:
    names = IdleContact.__struct_fields__
    assert names == Contact.__struct_fields__[: len(names)]


def test_it_tells_what_the_whole_contact_says() -> None:
    slow = journey("slow", entry={"event": "later"}, nodes=[wait("20m"), mail()])
    situation = Situation(journey(), slow)
    seen = set()
    for name in ("x", "hi", "later"):
        situation.event(name)
        situation.now_ms += MINUTE_MS
        data = situation.partition.contact_bytes("c-1")
        assert data is not None
        whole, idle = decode_contact(data), decode_idle(data)
        assert idle.armed_at_ms == whole.armed_at_ms < FAR_MS
        assert idle.has_pending == bool(whole.pending)
        seen.add(idle.has_pending)
    assert seen == {True, False}


def test_a_contact_of_nothing_has_no_timer_and_no_messages() -> None:
    idle = decode_idle(encode_contact(Contact("c-1")))
    assert (idle.armed_at_ms, idle.has_pending) == (FAR_MS, False)
    pending = Pending("k", "j", "n", "email", "t", "p", "", 1, {}, [])
    assert decode_idle(encode_contact(Contact("c-1", pending=[pending]))).has_pending
