"""A story tells when a journey was paused, resumed or ended: why a visit that was due stays."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from console.explain import explanation_of, narrowed
from console.story import StateNote
from console.story_words import Teller
from tests.console.past import Past
from tests.engine.situation import HOUR_MS, NOON_MS, mail, wait
from tests.publications import journey, version

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
