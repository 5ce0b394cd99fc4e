"""A story tells who published what, where visits went by it, and when a journey was paused."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest
from msgspec import Raw

from actors.errors import UnknownError
from actors.publications import PublicationNote, digest_of_source
from console.contacts.explain import explanation_of, narrowed
from console.contacts.imprint import Imprints
from console.contacts.story import StateNote
from console.contacts.story_words import Teller
from engine.input import Event, Publish
from tests.console.contacts.test_reasons import Alone
from tests.console.past import Past
from tests.engine.situation import HOUR_MS, NOON_MS, mail, wait
from tests.publications import journey, source_of, version

HELLO = journey(nodes=[wait("1h"), mail()])


def test_it_is_told_with_the_visit_that_waits(make_past: Callable[..., Past]) -> None:
    past = make_past()
    past.publish(HELLO, versions={"hello": version(1), "other": version(1)})
    past.event("c")
    for state in ("paused", "live", "ended"):
        past.pass_ms(2 * HOUR_MS)
        past.set_state("hello", state)
        past.set_state("hello", state)
    entries = narrowed(explanation_of(past.data, "c").entries, "hello", 0)
    told = [each.note for each in entries if isinstance(each.note, StateNote)]
    assert told == [
        StateNote(at_ms=NOON_MS + hours * HOUR_MS, journey="hello", state=state)
        for hours, state in ((2, "paused"), (4, "live"), (6, "ended"))
    ]
    lines = [line.text for line in Teller(ZoneInfo("UTC")).lines(entries)]
    paused = "hello: is paused: nobody enters, and visits stay where they are, until it is resumed"
    assert paused in lines
    assert "hello: is resumed: what waited for that is due now" in lines
    assert "hello: is ended: nobody enters any more" in lines


def test_of_who_never_came_nothing_is_told_though_a_journey_was_paused(
    make_past: Callable[..., Past],
) -> None:
    past = make_past()
    past.publish(HELLO, versions={"hello": version(1)})
    past.event("c")
    past.set_state("hello", "paused")
    with pytest.raises(UnknownError, match="nothing is known of contact 'nobody'"):
        explanation_of(past.data, "nobody")


def test_who_published_what_and_why_is_told_with_where_the_visit_went(
    make_past: Callable[..., Past],
) -> None:
    past = make_past()
    past.by = "ada"
    past.publish(HELLO, versions={"hello": version(1)})
    past.event("c")
    past.pass_ms(HOUR_MS // 2)
    past.note = "Shorter"
    then = journey(nodes=[wait("2h", "pause"), mail()])
    past.publish(then, versions={"hello": version(2, "migrate", map={"wait": "pause"})})
    past.pass_ms(1)
    past.by = "run"
    after = journey(nodes=[wait("3h", "pause"), mail()])
    past.publish(after, versions={"hello": version(3)})
    past.pass_ms(HOUR_MS)
    entries = explanation_of(past.data, "c").entries
    lines = [line.text for line in Teller(ZoneInfo("UTC")).lines(entries)]
    assert [each for each in lines if each.startswith("publication")] == [
        "publication 1 by ada: hello is new, version 1",
        'publication 2 by ada: hello is version 2 now ("Shorter")',
        'publication 3 by a start: hello is version 3 now ("Shorter")',
    ]
    goes = "hello: the visit goes over to version"
    assert [each.partition(" until")[0] for each in lines if each.startswith(goes)] == [
        f"{goes} 2, from wait to pause, and stays there",
        f"{goes} 3 and stays at pause",
    ]


def test_what_was_published_twice_alike_is_told_with_who_did_it_each_time() -> None:
    notes = [
        PublicationNote(
            number=number, at_ms=number * 10, by=by, what="publish", digest=digest_of_source(source)
        )
        for number, by, source in ((1, "ada", b"a"), (2, "bob", b"b"), (3, "cleo", b"a"))
    ]

    def told(imprints: Imprints, *records: tuple[bytes, int]) -> list[str]:
        found = [imprints.of(*record) for record in records]
        return ["" if each is None else each.by for each in found]

    in_order = ((b"a", 12), (b"b", 22), (b"a", 32), (b"c", 42))
    for by_time in (True, False):
        assert told(Imprints(notes, by_time=by_time), *in_order) == ["ada", "bob", "cleo", ""]
    assert told(Imprints(notes, by_time=True), (b"a", 32)) == ["cleo"], "the story begins late"


def test_what_is_published_before_the_clock_has_begun_is_told_where_it_came() -> None:
    """On the clock of events a stopped store has none: the fold takes it at the latest moment."""
    alone = Alone()
    alone.fold(Publish(source_of(journey())), 0)
    alone.fold(Event("e-1", "c-1", "seen", NOON_MS, Raw(b"{}")), NOON_MS)
    alone.fold(Publish(source_of(journey(), versions={"hello": version(1, state="paused")})), 0)
    told = [(each.at_ms, bool(each.note)) for each in alone.story.entries if each.at_ms]
    assert told == [(NOON_MS, False), (NOON_MS, False), (NOON_MS, True)]
