"""How a story is worded: values as they are, spans and moments as people say them."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from console.contacts.explain import explanation_of
from console.contacts.story_words import Teller
from tests.console.past import Past
from tests.engine.situation import HOUR_MS, SECOND_MS, decide, mail
from tests.publications import journey, version


def lines_of(past: Past) -> list[str]:
    past.commit()
    entries = explanation_of(past.data, "c").entries
    return [line.text for line in Teller(ZoneInfo("UTC")).lines(entries)]


def test_texts_that_were_sent_stand_in_quotes_and_words_of_ours_do_not(
    make_past: Callable[..., Past],
) -> None:
    red = {"field": "colour", "equals": "red"}
    past = make_past()
    past.publish(journey(nodes=[decide(red, **{"else": "mail"}), mail(purpose="marketing")]))
    past.event("c", payload={"colour": "none"})
    text = "\n".join(lines_of(past))
    assert 'colour is "none", wanted equals "red"' in text
    assert "consent email is none, wanted opt_in or stronger" in text


def test_an_age_is_told_in_units(make_past: Callable[..., Past]) -> None:
    past = make_past()
    past.publish(journey())
    past.pass_ms(24 * HOUR_MS)
    past.event("c", late_ms=10 * HOUR_MS + 4 * SECOND_MS + 50)
    text = "\n".join(lines_of(past))
    assert "age of hi is 10 h 4 s, wanted at most 6h" in text
    assert "hi: 10 h 4 s old when it came" in text
    assert "36004050" not in text


def test_an_entry_that_waited_is_told_of_without_its_sign(make_past: Callable[..., Past]) -> None:
    past = make_past()
    past.publish(journey(), versions={"hello": version(1)})
    past.set_state("hello", "paused")
    past.event("c")
    past.pass_ms(HOUR_MS)
    past.set_state("hello", "live")
    past.pass_ms(HOUR_MS)
    lines = lines_of(past)
    assert "an entry that waited for a paused journey has its turn" in lines
    assert not any("+ is due" in line for line in lines)
