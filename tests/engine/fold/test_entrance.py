"""Entering: who may come again and when, late events, groups of journeys, goals and hold-outs."""

from typing import Any

import pytest

from engine.compile.publication import compile_publication
from engine.decision import CONVERTED, DECLINED, EXITED, HELD_OUT, LATE, SENT, Outcome
from engine.language.journey import Publication
from engine.limits import ENTRIES_KEPT_MAX, GOALS_MAX, REENTRY_KEY_CHARS_MAX, VISITS_MAX
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    Situation,
    mail,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey


def keyed(at_most: int = 10, **reentry: Any) -> dict[str, Any]:
    """Return a journey with a visit for each order, that waits a day."""
    rule = {"key": "order.id", "at_most": at_most} | reentry
    return journey(nodes=[wait("1d"), mail()], reentry=rule)


def order(situation: Situation, id: object, **at: Any) -> list[Any]:
    return situation.event("hi", {"order": {"id": id}}, **at)


def keys(situation: Situation) -> list[str]:
    return [visit.key for visit in situation.contact().visits]


def mistake_of(**fields: Any) -> tuple[str, str]:
    publication = Publication(
        journeys={"j.yaml": journey(**fields)}, templates={"hello.en": ""}, settings={}
    )
    (mistake,) = compile_publication(publication)[1]
    return mistake.path, mistake.problem


# Again, by key


def test_each_key_has_a_visit_of_its_own() -> None:
    situation = Situation(keyed())
    for id in ("a", "b", "a", 7, 7.5, True):
        order(situation, id)
    assert keys(situation) == ["a", "b", "7", "7.5", "True"]
    assert len(situation.pass_time(DAY_MS)) == 5


@pytest.mark.parametrize(
    "payload", [{}, {"order": 1}, {"order": {"id": None}}, {"order": {"id": []}}]
)
def test_an_event_without_the_key_does_not_enter(payload: dict[str, Any]) -> None:
    situation = Situation(keyed())
    assert situation.event("hi", payload) == []
    assert keys(situation) == []


def test_visits_of_different_keys_are_bounded() -> None:
    situation = Situation(keyed(at_most=2))
    decided = [order(situation, id) for id in ("a", "b", "c")]
    assert keys(situation) == ["a", "b"]
    assert decided[:2] == [[], []]
    refused = only_outcome(decided[2])
    assert (refused.outcome, refused.reason) == ("capped", "journey hello: 2 visits at a time")
    situation.pass_time(DAY_MS)
    order(situation, "c")
    assert keys(situation) == ["c"]


def test_visits_of_a_contact_are_bounded() -> None:
    situation = Situation(keyed(at_most=VISITS_MAX), journey("other", nodes=[wait("1d"), mail()]))
    decided = [order(situation, id) for id in range(VISITS_MAX + 1)]
    assert len(situation.contact().visits) == VISITS_MAX
    reasons = [each.reason for each in decided[-1] if isinstance(each, Outcome)]
    assert f"all journeys: {VISITS_MAX} visits at a time" in reasons


def test_a_key_too_long_is_told_from_others_all_the_same() -> None:
    situation = Situation(keyed())
    long = "x" * (REENTRY_KEY_CHARS_MAX + 1)
    for id in (long, long + "y", long, long[1:]):
        order(situation, id)
    found = keys(situation)
    assert len(found) == 3
    assert all(len(each) <= REENTRY_KEY_CHARS_MAX for each in found)
    assert found[2] == long[1:]


def test_once_is_once_for_each_key() -> None:
    situation = Situation(keyed(again="once"))
    order(situation, "a")
    situation.pass_time(DAY_MS)
    order(situation, "a")
    order(situation, "b")
    assert keys(situation) == ["b"]


def test_a_span_is_one_for_each_key() -> None:
    situation = Situation(keyed(again="3d"))
    order(situation, "a")
    order(situation, "b", after_ms=2 * DAY_MS)
    situation.pass_time(DAY_MS - 1)
    order(situation, "a")
    assert keys(situation) == ["b"]
    order(situation, "a", after_ms=1)
    assert keys(situation) == ["a"]


def test_entries_remembered_are_bounded_the_longest_ago_goes() -> None:
    nodes = [{"id": "x", "exit": "enough"}]
    situation = Situation(journey(nodes=nodes, reentry={"again": "once", "key": "order.id"}))
    for id in range(ENTRIES_KEPT_MAX + 1):
        assert outcomes(order(situation, id)) == [("hello", DECLINED)]
    assert len(situation.contact().entered) == ENTRIES_KEPT_MAX
    assert order(situation, 1) == []
    assert outcomes(order(situation, 0)) == [("hello", DECLINED)]


def test_exits_remembered_are_bounded_the_longest_ago_goes() -> None:
    reentry = {"again": "1d", "since": "exit", "key": "order.id"}
    situation = Situation(journey(reentry=reentry))
    for id in range(ENTRIES_KEPT_MAX + 1):
        order(situation, id)
    exited = situation.contact().exited
    assert len(exited) == ENTRIES_KEPT_MAX
    assert list(exited)[0] == "hello/1"  # noqa: RUF015


def test_who_comes_again_is_the_last_to_be_forgotten() -> None:
    reentry = {"again": "1d", "since": "exit", "key": "order.id"}
    situation = Situation(journey(reentry=reentry))
    for id in ("a", "b", "c"):
        order(situation, id)
    order(situation, "a", after_ms=DAY_MS)
    for kept in (situation.contact().entered, situation.contact().exited):
        assert list(kept) == ["hello/b", "hello/c", "hello/a"]


# Again, since the exit


def test_a_span_since_the_exit_counts_from_there() -> None:
    reentry = {"again": "2d", "since": "exit"}
    situation = Situation(journey(nodes=[wait("1d"), mail()], reentry=reentry))
    situation.event()
    situation.pass_time(DAY_MS)
    assert situation.contact().exited == {"hello": NOON_MS + DAY_MS}
    situation.event(after_ms=2 * DAY_MS - 1)
    assert situation.contact().visits == []
    situation.event(after_ms=1)
    assert len(situation.contact().visits) == 1


@pytest.mark.parametrize("ends", ["stop", "gone"])
def test_any_end_of_a_visit_is_its_exit(ends: str) -> None:
    reentry = {"again": "2d", "since": "exit"}
    waits = journey(nodes=[wait("1d"), mail()], reentry=reentry, exit_on=["stop"])
    situation = Situation(waits)
    situation.event()
    if ends == "stop":
        situation.event("stop", after_ms=HOUR_MS)
        assert situation.contact().exited == {"hello": NOON_MS + HOUR_MS}
    else:
        situation.publish(journey("other", entry={"event": "ho"}))
        situation.pass_time(DAY_MS)
        assert situation.contact().exited == {"hello": NOON_MS + DAY_MS}


def test_without_a_span_since_the_exit_nothing_is_remembered_of_it() -> None:
    situation = Situation(journey(reentry="once"))
    situation.event()
    assert situation.contact().exited == {}


@pytest.mark.parametrize(
    ("reentry", "path"),
    [
        ("often", "$.reentry"),
        ({"again": "often"}, "$.reentry.again"),
        ({"again": "401d"}, "$.reentry.again"),
        ({"key": "a..b"}, "$.reentry.key"),
        ({"key": ""}, "$.reentry.key"),
        ({"key": "a", "at_most": 0}, "$.reentry.at_most"),
        ({"key": "a", "at_most": VISITS_MAX + 1}, "$.reentry.at_most"),
        ({"since": "start"}, "$.reentry.since"),
    ],
)
def test_a_reentry_that_means_nothing_is_refused(reentry: Any, path: str) -> None:
    assert mistake_of(reentry=reentry)[0] == path


# Late events


@pytest.mark.parametrize(
    ("late_after", "late_ms", "expected"),
    [
        (None, 6 * HOUR_MS, SENT),
        (None, 6 * HOUR_MS + 1, LATE),
        ("5m", 5 * MINUTE_MS, SENT),
        ("5m", 5 * MINUTE_MS + 1, LATE),
        ("off", 300 * DAY_MS, SENT),
    ],
)
def test_an_event_too_old_as_it_comes_does_not_trigger(
    late_after: str | None, late_ms: int, expected: str
) -> None:
    late = {} if late_after is None else {"late_after": late_after}
    situation = Situation(journey(entry={"event": "hi"} | late, reentry="once"))
    outcome = only_outcome(situation.event(at_ms=NOON_MS - late_ms))
    assert outcome.outcome == expected
    if expected == LATE:
        assert outcome.reason == f"hi: {late_ms} ms old when it came"
        assert (outcome.journey, outcome.node) == ("hello", "mail")
        assert outcomes(situation.event()) == [("hello", SENT)]


def test_an_event_too_old_counts_in_the_history_all_the_same() -> None:
    situation = Situation(journey())
    situation.event(at_ms=NOON_MS - DAY_MS)
    assert list(situation.contact().history) == ["hi"]


def test_who_could_not_enter_anyway_is_not_said_to_be_late() -> None:
    situation = Situation(journey(reentry="once"))
    situation.event()
    assert situation.event(at_ms=NOON_MS - DAY_MS) == []


def test_each_entry_has_its_own_lateness() -> None:
    entries = [{"event": "hi", "late_after": "1m"}, {"event": "ho", "late_after": "off"}]
    situation = Situation(journey(entry=entries))
    at_ms = NOON_MS - DAY_MS
    assert outcomes(situation.event("hi", at_ms=at_ms)) == [("hello", LATE)]
    assert outcomes(situation.event("ho", at_ms=at_ms)) == [("hello", SENT)]


@pytest.mark.parametrize("late_after", ["never", "0s", "401d"])
def test_a_lateness_that_means_nothing_is_refused(late_after: str) -> None:
    assert mistake_of(entry={"event": "hi", "late_after": late_after})[0] == "$.entry.late_after"


# Goals and hold-outs


def aims(**fields: Any) -> dict[str, Any]:
    goal = {"event": "purchase", "within": "7d"} | fields.pop("goal", {})
    return journey(goal=goal, **fields)


@pytest.mark.parametrize(
    ("after_ms", "converted"), [(0, True), (7 * DAY_MS - 1, True), (7 * DAY_MS, False)]
)
def test_a_goal_in_its_window_is_a_conversion(after_ms: int, converted: bool) -> None:  # noqa: FBT001
    situation = Situation(aims())
    sent = only_outcome(situation.event())
    decided = situation.event("purchase", after_ms=after_ms)
    assert outcomes(decided) == ([("hello", CONVERTED)] if converted else [])
    if converted:
        goal = only_outcome(decided)
        assert goal.key == f"{sent.key.partition('.')[0]}.goal"
        assert goal.reason == "purchase"


def test_a_visit_converts_once() -> None:
    situation = Situation(aims())
    situation.event()
    assert len(situation.event("purchase")) == 1
    assert situation.event("purchase") == []
    situation.event()
    assert len(situation.event("purchase")) == 1


def test_each_visit_converts() -> None:
    situation = Situation(aims())
    for _ in range(2):
        situation.event()
    keys = {each.key for each in situation.event("purchase") if isinstance(each, Outcome)}
    assert len(keys) == 2


def test_only_for_which_the_condition_holds_is_a_conversion() -> None:
    situation = Situation(aims(goal={"when": {"field": "total", "at_least": 50}}))
    situation.event()
    assert situation.event("purchase", {"total": 49}) == []
    assert len(situation.event("purchase", {"total": 50})) == 1


def test_a_goal_that_ends_the_visit_is_counted_first() -> None:
    waits = aims(nodes=[wait("1d"), mail()], exit_on=["purchase"])
    situation = Situation(waits)
    situation.event()
    assert outcomes(situation.event("purchase")) == [("hello", CONVERTED), ("hello", EXITED)]


def test_visits_that_may_convert_are_bounded() -> None:
    situation = Situation(aims())
    for _ in range(GOALS_MAX + 1):
        situation.event()
    assert len(situation.contact().goals) == GOALS_MAX
    assert len(situation.event("purchase")) == GOALS_MAX
    assert situation.contact().goals == []


def test_goals_whose_window_is_over_are_forgotten() -> None:
    situation = Situation(aims())
    situation.event()
    situation.event(after_ms=7 * DAY_MS)
    assert len(situation.contact().goals) == 1


def test_a_publish_without_the_goal_ends_it() -> None:
    situation = Situation(aims())
    situation.event()
    situation.publish(journey())
    assert situation.event("purchase") == []


def test_who_is_held_out_walks_without_messages_and_converts_as_such() -> None:
    situation = Situation(aims(hold_out=99.999))
    assert outcomes(situation.event()) == [("hello", HELD_OUT)]
    assert only_outcome(situation.event("purchase")).reason == "purchase (held out)"


def test_a_hold_out_holds_the_same_contacts_out_each_time() -> None:
    situation = Situation(journey(hold_out=50))
    keys = [f"c-{i}" for i in range(200)]
    first = [only_outcome(situation.event(contact=key)).outcome for key in keys]
    again = [only_outcome(situation.event(contact=key)).outcome for key in keys]
    assert first == again
    assert 60 < first.count(HELD_OUT) < 140
    assert set(first) == {HELD_OUT, SENT}


@pytest.mark.parametrize("within", ["0s", "367d", "soon"])
def test_a_goals_window_that_means_nothing_is_refused(within: str) -> None:
    assert mistake_of(goal={"event": "purchase", "within": within})[0] == "$.goal.within"


@pytest.mark.parametrize("hold_out", [-1, 100])
def test_a_hold_out_that_means_nothing_is_refused(hold_out: int) -> None:
    assert mistake_of(hold_out=hold_out)[0] == "$.hold_out"


def test_a_visit_that_ends_without_a_message_says_so_once() -> None:
    situation = Situation(journey(nodes=[{"id": "x", "exit": "enough"}]))
    assert outcomes(situation.event()) == [("hello", DECLINED)]


@pytest.mark.parametrize(("since", "kept"), [("entry", "entered"), ("exit", "exited")])
def test_who_comes_again_is_remembered_for_longer(since: str, kept: str) -> None:
    nodes = [{"id": "x", "exit": "enough"}]
    reentry = {"again": "1ms", "since": since, "key": "order.id"}
    situation = Situation(journey(nodes=nodes, reentry=reentry))
    for id in (*range(ENTRIES_KEPT_MAX), 1):
        order(situation, id, after_ms=1)
    remembered = getattr(situation.contact(), kept)
    assert len(remembered) == ENTRIES_KEPT_MAX
    assert (list(remembered)[0], list(remembered)[-1]) == ("hello/0", "hello/1")  # noqa: RUF015
