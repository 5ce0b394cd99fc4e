"""Conditions as an author writes them, compiled; and moments to ask them in."""

from typing import Any

from engine.compile.publication import compile_publication
from engine.conditions.condition import Test
from engine.contacts.contact import Contact
from engine.errors import Mistake
from engine.language.journey import Publication
from engine.language.rules import Rules
from engine.limits import FAR_MS
from engine.moment import Moment
from engine.notes import Notes
from tests.publications import journey


def compiled(condition: dict[str, Any], **settings: Any) -> tuple[Test | None, list[Mistake]]:
    """Return the test of an entry's condition, or the mistakes in it."""
    publication = Publication(
        journeys={"a": journey(entry={"event": "hi", "when": condition})},
        settings=settings,
        templates={"hello.en": ""},
    )
    programs, mistakes = compile_publication(publication)
    if programs is None:
        return None, mistakes
    return programs.by_journey["hello"].ways[0].test, []


def compiled_well(condition: dict[str, Any], **settings: Any) -> Test:
    """Return the test of a condition that has no mistake."""
    test, mistakes = compiled(condition, **settings)
    assert test is not None, mistakes
    return test


def moment_at(now_ms: int, payload: Any = None, contact: Contact | None = None) -> Moment:
    """Return the moment at which a contact does something."""
    return Moment(Rules(), contact or Contact("c-1"), now_ms, Notes(), payload or {})


def assert_changes_no_earlier(test: Test, moment: Moment, samples: list[int]) -> None:
    """Check that a test comes out the same until the moment that it says."""
    now_ms, holds = moment.now_ms, test.holds(moment)
    changes_ms = test.changes_at_ms(moment)
    assert changes_ms > now_ms
    for sample in [*samples, now_ms + 1, changes_ms - 1]:
        if now_ms < sample < min(changes_ms, FAR_MS):
            moment.now_ms = sample
            assert test.holds(moment) is holds, (sample, changes_ms)
    moment.now_ms = now_ms
