"""What a publish makes of visits in flight: they follow, stay, or migrate by a map; timers too."""

from typing import Any

import pytest

from engine.compile.publication import compile_publication
from engine.contacts.contact import Visit
from engine.contacts.idle import armed_anew
from engine.decision import Outcome
from engine.language.journey import Passage, Publication, Version
from engine.limits import TIMERS_PER_ADVANCE_MAX
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    Situation,
    decide,
    mail,
    only_outcome,
    outcomes,
    wait,
)
from tests.publications import journey, version

V2 = {"hello": version(2)}


def waiting(*nodes: dict[str, Any], after_ms: int = HOUR_MS, **fields: Any) -> Situation:
    """Return a situation in which one visit waits at the first of these nodes since `after_ms`."""
    situation = Situation(journey(nodes=[*nodes, mail()], **fields))
    situation.event()
    situation.now_ms += after_ms
    return situation


def only_visit(situation: Situation) -> Visit:
    (visit,) = situation.contact().visits
    return visit


def told(situation: Situation) -> list[Any]:
    """Tell the time, and return what that decided."""
    return situation.pass_time(0)


@pytest.mark.parametrize(
    ("before", "after", "due_after_ms"),
    [
        (wait("1d"), wait("1d"), DAY_MS),
        (wait("1d"), wait("2d"), 2 * DAY_MS),
        (wait("1d"), wait("2h"), 2 * HOUR_MS),
        (wait("1d"), wait("30m"), HOUR_MS),
        (wait("1d"), {"id": "wait", "wait_for": [{"event": "bye"}], "timeout": "3h"}, 3 * HOUR_MS),
        ({"id": "wait", "wait_for": [{"event": "bye"}], "timeout": "1d"}, wait("3h"), 3 * HOUR_MS),
        (wait("1d"), {"id": "wait", "wait": {"until": "2023-11-16"}}, -1),
    ],
)
def test_a_timer_is_planned_at_once_by_the_new_wait_from_when_it_began(
    before: dict[str, Any], after: dict[str, Any], due_after_ms: int
) -> None:
    situation = waiting(before)
    situation.publish(journey(nodes=[after, mail()]), versions=V2)
    made = told(situation)
    if due_after_ms == HOUR_MS:
        assert only_outcome(made).at_ms == situation.now_ms
        return
    assert made == []
    if due_after_ms > 0:
        assert only_visit(situation).due_at_ms == NOON_MS + due_after_ms
    assert only_visit(situation).version == 2


def test_without_versions_a_timer_stays_as_it_was_planned() -> None:
    situation = waiting(wait("1d"))
    situation.publish(journey(nodes=[wait("30m"), mail()]))
    assert told(situation) == []
    assert only_visit(situation).due_at_ms == NOON_MS + DAY_MS


def test_a_visit_at_a_node_that_is_gone_ends_at_once_and_says_why() -> None:
    situation = waiting(wait("1d"))
    situation.publish(journey(nodes=[wait("1d", "other"), mail()]), versions=V2)
    outcome = only_outcome(told(situation))
    assert (outcome.outcome, outcome.reason) == ("exited", "node_removed")
    assert (outcome.node, outcome.at_ms) == ("wait", situation.now_ms)
    assert situation.contact().visits == []


@pytest.mark.parametrize(
    ("to", "nodes", "expected"),
    [
        ("other", [wait("1d", "other"), mail()], NOON_MS + DAY_MS),
        ("mail", [mail()], "sent"),
        ("decide", [decide({"field": "price", "more_than": 5}), mail()], "declined"),
        ("", [mail()], "exited"),
    ],
)
def test_a_visit_migrates_to_the_node_that_the_map_names(
    to: str, nodes: list[dict[str, Any]], expected: Any
) -> None:
    """A wait goes on from when the visit began to wait; any other node is entered now."""
    situation = waiting(wait("1d"))
    changed = {"hello": version(2, "migrate", map={"wait": to})}
    situation.publish(journey(nodes=nodes), versions=changed)
    made = told(situation)
    if isinstance(expected, int):
        assert made == []
        assert only_visit(situation).due_at_ms == expected
    else:
        assert only_outcome(made).outcome == expected


def test_a_visit_stays_in_its_version_with_its_nodes_exits_and_waits() -> None:
    old = journey(
        nodes=[{"id": "wait", "wait_for": [{"event": "bye"}], "timeout": "1d"}, mail()],
        exit_on=["no"],
    )
    situation = Situation(old)
    for contact in ("c-1", "c-2", "c-3", "c-4"):
        situation.event(contact=contact)
    changed = {"hello": version(2, "stay", kept={"0": old})}
    new = journey(nodes=[wait("3d", "other"), mail("late")], exit_on=["stop"])
    situation.publish(new, versions=changed)
    assert told(situation) == []
    assert situation.event("stop", contact="c-1") == []
    assert only_outcome(situation.event("no", contact="c-1")).reason == "no"
    assert outcomes(situation.event("bye", contact="c-2")) == [("hello", "sent")]
    situation.event(contact="c-5")
    assert situation.event("no", contact="c-5") == []
    assert only_outcome(situation.event("stop", contact="c-5")).reason == "stop"
    ended = situation.pass_time(DAY_MS)
    reasons = [each.reason for each in ended if isinstance(each, Outcome)]
    assert reasons == ["wait: nothing came in 1d"] * 2


def test_visits_that_stayed_go_on_with_a_later_version_that_takes_them_along() -> None:
    old = journey(nodes=[wait("1d", "a"), mail()])
    situation = Situation(old)
    situation.event()
    stays = [Passage(number=2, in_flight="stay")]
    second = journey(nodes=[wait("1d", "b"), mail()])
    situation.publish(second, versions={"hello": version(2, "stay", kept={"0": old})})
    told(situation)
    situation.event(contact="c-2")
    third = journey(nodes=[wait("2d", "c"), mail()])
    moved = version(3, "migrate", map={"a": "c", "b": "c"}, before=stays)
    situation.publish(third, versions={"hello": moved})
    assert told(situation) == []
    for contact in ("c-1", "c-2"):
        (visit,) = situation.contact(contact).visits
        assert (visit.node, visit.version) == ("c", 3)
        assert visit.due_at_ms == NOON_MS + 2 * DAY_MS


@pytest.mark.parametrize("looked_at", [True, False])
def test_maps_of_several_publishes_are_applied_one_after_the_other(*, looked_at: bool) -> None:
    """Whether the contact was looked at in between, or is only now."""
    situation = waiting(wait("1d", "a"))
    first = version(2, "migrate", map={"a": "b"})
    situation.publish(journey(nodes=[wait("2d", "b"), mail()]), versions={"hello": first})
    if looked_at:
        assert told(situation) == []
    second = version(3, "migrate", map={"b": "c"}, before=first.passages)
    situation.publish(journey(nodes=[wait("3d", "c"), mail()]), versions={"hello": second})
    assert told(situation) == []
    visit = only_visit(situation)
    assert (visit.node, visit.version) == ("c", 3)
    assert visit.due_at_ms == NOON_MS + 3 * DAY_MS


def test_what_was_due_before_the_publish_comes_before_it() -> None:
    situation = waiting(wait("1h"), after_ms=2 * HOUR_MS)
    new = journey(nodes=[wait("3d"), mail()])
    situation.publish(new, versions=V2)
    outcome = only_outcome(told(situation))
    assert (outcome.outcome, outcome.at_ms) == ("sent", NOON_MS + HOUR_MS)


def test_visits_whose_new_wait_is_over_go_on_in_the_order_in_which_it_was() -> None:
    nodes = [{"id": "which", "switch": "trigger.key", "cases": {"a": "a", "b": "b"}}]

    def publication(a: str, b: str) -> dict[str, Any]:
        waits = [wait(a, "a", then="mail"), wait(b, "b"), mail()]
        return journey(nodes=[*nodes, *waits], reentry={"key": "key"})

    situation = Situation(publication("20h", "20h"))
    situation.event(payload={"key": "a"})
    situation.event(payload={"key": "b"}, after_ms=HOUR_MS)
    situation.now_ms += 5 * HOUR_MS
    situation.publish(publication("5h", "1h"), versions=V2)
    assert outcomes(told(situation)) == [("hello", "sent")] * 2
    assert [each.trigger["key"] for each in situation.contact().pending] == ["b", "a"]


def test_a_visit_that_is_led_past_a_node_again_sends_no_second_message_there() -> None:
    nodes = [mail("a"), wait("1d", "one"), mail("b"), wait("1d", "two"), mail("c")]
    situation = Situation(journey(nodes=nodes))
    situation.event()
    situation.pass_time(DAY_MS)
    back = {"hello": version(2, "migrate", map={"two": "one"})}
    situation.publish(journey(nodes=nodes), versions=back)
    made = [*told(situation), *situation.run_out()]
    assert [each.node for each in made if isinstance(each, Outcome)] == ["c"]


def test_a_message_that_waited_for_a_cap_is_given_up_where_its_visit_is_led_elsewhere() -> None:
    caps = [{"messages": 1, "per": "5d"}]
    nodes = [mail("a"), mail("b", on_cap="wait")]
    situation = Situation(journey(nodes=nodes, caps=caps))
    assert outcomes(situation.event()) == [("hello", "sent")]
    moved = {"hello": version(2, "migrate", map={"b": "w"})}
    situation.publish(journey(nodes=[mail("a"), wait("1h", "w")], caps=caps), versions=moved)
    assert situation.run_out() == []
    assert situation.contact().visits == []


def test_an_ended_journey_ends_visits_and_messages_on_their_way_and_lets_nobody_in() -> None:
    situation = Situation(journey(nodes=[mail("first"), wait("1d"), mail()]))
    sent = only_outcome(situation.event())
    situation.now_ms += MINUTE_MS
    ended = {"hello": version(2, "end", state="ended")}
    situation.publish(journey(nodes=[wait("1d"), mail()]), versions=ended)
    assert told(situation) == []
    assert situation.contact().visits == []
    situation.now_ms += MINUTE_MS
    stopped = only_outcome(situation.handover(sent.key))
    assert (stopped.outcome, stopped.reason) == ("exited", "journey_ended")
    assert situation.event() == []
    assert situation.contact().visits == []


def test_an_ended_journey_stops_messages_of_visits_that_are_over() -> None:
    situation = Situation(journey())
    sent = only_outcome(situation.event())
    situation.now_ms += MINUTE_MS
    situation.publish(journey(), versions={"hello": version(2, "end", state="ended")})
    situation.now_ms += MINUTE_MS
    assert only_outcome(situation.handover(sent.key)).reason == "journey_ended"


@pytest.mark.parametrize("there", [True, False])
def test_an_ended_journey_says_so_of_visits_without_a_message(*, there: bool) -> None:
    """Also one whose file is gone."""
    situation = waiting(wait("1d"))
    left = [journey(nodes=[wait("1d"), mail()])] if there else []
    situation.publish(journey("other"), *left, versions={"hello": version(2, "end", state="ended")})
    outcome = only_outcome(told(situation))
    assert (outcome.outcome, outcome.reason) == ("exited", "journey_ended")


def test_a_publish_looks_at_no_contact_but_lets_the_first_advance_wake_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    woken = []

    def counted(data: bytes, at_ms: int) -> bytes:
        woken.append(at_ms)
        return armed_anew(data, at_ms)

    monkeypatch.setattr("engine.partition.armed_anew", counted)
    situation = Situation(journey(nodes=[wait("1d"), mail()]))
    for i in range(9):
        situation.event(contact=f"c-{i}")
    situation.partition.cool()
    situation.publish(journey(nodes=[wait("2d"), mail()]), versions=V2)
    assert woken == []
    assert situation.partition.next_due_at_ms == situation.now_ms
    told(situation)
    assert woken == [situation.now_ms] * 9


def test_a_migration_goes_in_slices_and_an_event_does_not_wait_for_its_own() -> None:
    """Counts: so many contacts an Advance, and none at the publish itself."""
    situation = Situation(journey(nodes=[wait("1d"), mail()]))
    contacts = 3 * TIMERS_PER_ADVANCE_MAX
    for i in range(contacts):
        situation.event(contact=f"c-{i}")
    situation.publish(journey(nodes=[wait("2d"), mail()]), versions=V2)

    def carried() -> int:
        partition = situation.partition
        found = [partition.contact(key) for key in partition.contact_keys()]
        return sum(each is not None and each.visits[0].version == 2 for each in found)

    assert carried() == 0
    situation.event("page_view", contact="c-7")
    assert carried() == 1
    before, advances = 1, 0
    while situation.partition.next_due_at_ms <= situation.now_ms:
        told(situation)
        now = carried()
        assert now - before <= TIMERS_PER_ADVANCE_MAX
        before, advances = now, advances + 1
        situation.restore()
    assert carried() == contacts
    assert advances == 3


@pytest.mark.parametrize(
    ("versions", "path"),
    [
        ({"hello": version(0)}, "$.hello.number"),
        (
            {"hello": version(2, "migrate", map={"a": "nowhere"})},
            "$.hello.passages[0].map.a",
        ),
        ({"hello": version(2, "stay", kept={"1": {"journey": "hello"}})}, "$"),
        (
            {"hello": version(200, before=[Passage(number=1)] * 100)},
            "$.hello.passages",
        ),
    ],
)
def test_mistakes_in_versions_are_named_with_their_path(
    versions: dict[str, Version], path: str
) -> None:
    publication = Publication(journeys={"a.yaml": journey(nodes=[wait("1h")])}, versions=versions)
    programs, mistakes = compile_publication(publication)
    assert programs is None
    assert path in [each.path for each in mistakes]
