"""How one publication follows another: numbers, and what is kept of older versions."""

from typing import Any

import pytest

from engine.compile.publication import programs_of
from engine.fold.succession import (
    Choice,
    Known,
    changed_journeys,
    says_the_same,
    source_of,
    succeed,
    versions_of,
    with_state,
)
from engine.language.journey import Passage, Publication, Version
from tests.engine.situation import HOUR_MS, NOON_MS, Situation, mail, outcomes, wait
from tests.publications import journey

OLD = journey(nodes=[wait("1d", "a"), mail()])
NEW = journey(nodes=[wait("1d", "b"), mail()])
TEMPLATES = {"hello.en": "Hello"}


def publication(*journeys: dict[str, Any], **versions: Version) -> Publication:
    said = Publication(
        journeys={f"{each['journey']}.yaml": each for each in journeys}, templates=TEMPLATES
    )
    if versions:
        said.versions = versions
    return said


def line(after: Publication, name: str = "hello") -> Version:
    return versions_of(after)[name]


def test_numbers_go_on_from_the_highest_there_ever_was() -> None:
    before = publication(OLD, hello=Version(number=3))
    assert line(succeed(before, publication(NEW), {})).number == 4
    known = Known({"hello": 7})
    assert line(succeed(before, publication(NEW), {}, known)).number == 8
    assert line(succeed(publication(OLD), publication(NEW), {}, known)).number == 8
    assert line(succeed(publication(OLD), publication(NEW), {})).number == 1


def test_what_does_not_change_keeps_its_version_and_its_state() -> None:
    other = journey("other")
    before = publication(OLD, other, hello=Version(number=3, state="paused"))
    after = succeed(before, publication(OLD, other | {"title": "Other"}), {})
    assert line(after) == Version(number=3, state="paused")
    assert line(after, "other").number == 1
    changed = succeed(after, publication(NEW, other), {})
    assert line(changed).state == "paused"


def test_a_publication_without_versions_has_the_bytes_that_it_always_had() -> None:
    assert b"versions" not in source_of(publication(OLD))
    assert says_the_same(publication(OLD, hello=Version(number=3)), publication(OLD))
    assert not says_the_same(publication(OLD), publication(NEW))


def test_what_a_draft_changes_is_said_by_journey() -> None:
    before, draft = publication(OLD, journey("gone")), publication(NEW, journey("new"))
    assert changed_journeys(before, draft) == {"gone": "gone", "hello": "changed", "new": "new"}


def test_a_journey_whose_file_goes_ends_and_one_that_comes_back_lives() -> None:
    gone = succeed(publication(OLD, journey("other")), publication(journey("other")), {})
    assert line(gone).state == "ended"
    assert line(gone).passages == [Passage(number=1, in_flight="end")]
    back = succeed(gone, publication(OLD, journey("other")), {})
    assert (line(back).state, line(back).number) == ("live", 2)
    assert line(back).passages == line(gone).passages


def test_visits_without_a_number_stay_in_what_they_are_in() -> None:
    """Also where the journey has got a number since, as it was paused for a while."""
    situation = Situation(OLD)
    situation.event()
    after = publication(OLD)
    for state in ("paused", "live"):
        after = with_state(after, "hello", state)
    after = succeed(after, publication(NEW), {"hello": Choice("stay")})
    assert line(after).kept == {"0": OLD, "1": OLD}
    situation.publish(NEW, versions=after.versions)
    assert situation.pass_time(0) == []
    situation.now_ms = NOON_MS + 24 * HOUR_MS
    assert outcomes(situation.pass_time(0)) == [("hello", "sent")]


@pytest.mark.parametrize(
    ("in_use", "passages", "kept"),
    [
        ({1, 3}, [2, 3, 4], {"1", "3"}),
        ({2, 3}, [3, 4], {"3"}),
        ({3}, [4], {"3"}),
        (set(), [4], set()),
        (None, [1, 2, 3, 4], {"1", "3"}),
    ],
)
def test_what_no_visit_needs_any_more_is_dropped(
    in_use: set[int] | None, passages: list[int], kept: set[str]
) -> None:
    version = Version(
        number=3,
        passages=[Passage(number=each, in_flight="stay") for each in (1, 2, 3)],
        kept={"1": OLD, "3": OLD},
    )
    known = Known({}, None if in_use is None else {"hello": in_use})
    after = succeed(
        publication(OLD, hello=version), publication(NEW), {"hello": Choice("stay")}, known
    )
    assert [each.number for each in line(after).passages] == passages
    assert set(line(after).kept) == kept | {"3"}
    follows = succeed(publication(OLD, hello=version), publication(NEW), {}, known)
    assert line(follows).kept == {}


@pytest.mark.parametrize("state", ["paused", "live", "ended"])
def test_every_state_compiles(state: Any) -> None:
    after = with_state(publication(OLD), "hello", state)
    assert programs_of(source_of(after)).versions.lines["hello"].paused == (state == "paused")
