"""Test mode: who is in the test gets messages; of others it is only said what they would get."""

from typing import Any

import pytest
from hypothesis import given, settings

from engine.count_table import Window, table_of
from engine.decision import Decision, Outcome
from engine.errors import AuthorError
from engine.input import Advance, Publish
from engine.limits import FAR_MS
from engine.partition import Partition
from tests.engine.machines.shop import JOURNEYS, SETTINGS
from tests.engine.machines.test_fold import happenings, inputs_of
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
from tests.publications import journey, source_of

TEST = {"test": {"contacts": ["ada"]}}
DRY = ("dry", "dry_run")


def dry(nodes: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """Return a journey in test mode."""
    return journey("dry", nodes=nodes or [mail()], **(TEST | fields))


def live(nodes: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """Return the same when it goes live."""
    return dry(nodes, **({"test": None} | fields))


def other(**fields: Any) -> dict[str, Any]:
    """Return another journey, which is live."""
    return journey("other", **({"entry": {"event": "yo"}} | fields))


def reasons(decisions: list[Decision]) -> list[str]:
    return [each.reason for each in decisions if isinstance(each, Outcome)]


def test_only_who_is_in_the_test_gets_a_message() -> None:
    situation = Situation(dry())
    assert outcomes(situation.event(contact="ada")) == [("dry", "sent")]
    decided = situation.event(contact="bob")
    assert outcomes(decided) == [DRY]
    assert reasons(decided) == ["dry: test mode, for test contacts only (not one of 1)"]
    bob = situation.partition.contact("bob")
    assert bob is not None
    assert bob.pending == []
    assert situation.handover(only_outcome(decided).key, contact="bob") == []


@pytest.mark.parametrize(
    ("fields", "settings", "in_it", "said"),
    [
        ({"test": {}}, {"test_contacts": ["bob"]}, {"bob"}, "not one of 1"),
        (TEST, {"test_contacts": ["bob"]}, {"ada", "bob"}, "not one of 2"),
        ({"test": {}}, {}, set(), "there are none"),
    ],
)
def test_settings_name_test_contacts_of_all_journeys(
    fields: dict[str, Any], settings: dict[str, Any], in_it: set[str], said: str
) -> None:
    situation = Situation(journey("dry", **fields), **settings)
    decided = {each: situation.event(contact=each) for each in ("ada", "bob", "carl")}
    assert {each for each, made in decided.items() if outcomes(made) == [("dry", "sent")]} == in_it
    assert said in reasons(decided["carl"])[0]


def test_all_rules_are_asked_as_if_it_were_in_earnest() -> None:
    marketing = mail(purpose="marketing")
    situation = Situation(dry([marketing], caps=[{"messages": 1, "per": "1h"}]))
    assert outcomes(situation.event()) == [("dry", "no_consent")]
    situation.consent("double_opt_in")
    assert outcomes(situation.event()) == [DRY]
    assert outcomes(situation.event(after_ms=MINUTE_MS)) == [("dry", "capped")]
    assert outcomes(situation.event(after_ms=HOUR_MS)) == [DRY]


def test_what_is_dry_eats_no_cap_of_what_is_live_and_is_held_back_by_it() -> None:
    cap = {"messages": 2, "per": "1d"}
    situation = Situation(dry(), other(), caps=[cap])
    assert outcomes(situation.event()) == [DRY]
    assert outcomes(situation.event()) == [DRY]
    assert outcomes(situation.event()) == [("dry", "capped")]
    assert outcomes(situation.event("yo")) == [("other", "sent")]
    assert outcomes(situation.event("yo")) == [("other", "sent")]
    assert outcomes(situation.event("yo")) == [("other", "capped")]
    situation.pass_time(DAY_MS)
    assert outcomes(situation.event("yo")) == [("other", "sent")]
    assert outcomes(situation.event()) == [DRY]
    assert outcomes(situation.event()) == [("dry", "capped")]


def test_a_dry_message_that_waits_for_a_cap_waits_as_a_live_one_would() -> None:
    nodes = [mail(on_cap="wait")]
    situation = Situation(dry(nodes, caps=[{"messages": 1, "per": "1h"}]))
    assert outcomes(situation.event()) == [DRY]
    assert outcomes(situation.event(after_ms=10 * MINUTE_MS)) == []
    assert outcomes(situation.pass_time(50 * MINUTE_MS - 1)) == []
    assert outcomes(situation.pass_time(1)) == [DRY]


def test_many_dry_messages_hold_back_no_live_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.nodes.send.MESSAGES_COUNTED_MAX", 8)
    monkeypatch.setattr("engine.nodes.cap.MESSAGES_KEPT_MAX", 4)
    cap = {"messages": 100, "per": "1d"}
    situation = Situation(dry(), other(), caps=[cap])
    made = [outcomes(situation.event())[0] for _ in range(10)]
    assert made == [DRY] * 8 + [("dry", "capped")] * 2
    assert [outcomes(situation.event("yo")) for _ in range(8)] == [[("other", "sent")]] * 8
    assert outcomes(situation.event("yo")) == [("other", "capped")]


def test_going_live_sends_nothing_of_what_was_held_and_visits_end_as_they_began() -> None:
    nodes = [mail("first"), wait("1h"), mail("second")]
    situation = Situation(dry(nodes))
    assert outcomes(situation.event(contact="bob")) == [DRY]
    situation.event(contact="ada")
    situation.publish(live(nodes))  # Which asserts that nothing is decided by it.
    made = situation.pass_time(HOUR_MS)
    assert {(each.contact, each.outcome) for each in made if isinstance(each, Outcome)} == {
        ("bob", "dry_run"),
        ("ada", "sent"),
    }
    assert "dry: entered in test mode" in reasons(made)
    assert outcomes(situation.event(contact="bob")) == [("dry", "sent")]


def test_a_visit_amid_which_the_journey_goes_into_test_mode_is_dry_from_there() -> None:
    nodes = [mail("first"), wait("1h"), mail("second")]
    situation = Situation(live(nodes))
    assert outcomes(situation.event()) == [("dry", "sent")]
    situation.publish(dry(nodes))
    assert outcomes(situation.pass_time(HOUR_MS)) == [DRY]


@pytest.mark.parametrize(
    "reentry", ["once", "30d", {"again": "30d", "since": "exit"}], ids=["once", "entry", "exit"]
)
def test_entries_in_test_mode_keep_nobody_out_when_it_goes_live(reentry: Any) -> None:
    situation = Situation(dry(reentry=reentry))
    assert outcomes(situation.event()) == [DRY]
    assert outcomes(situation.event()) == [], "among each other they count"
    situation.publish(live(reentry=reentry))
    assert outcomes(situation.event()) == [("dry", "sent")]
    situation.publish(dry(reentry=reentry))
    assert outcomes(situation.event()) == [], "who entered in earnest is in, here too"


def test_a_dry_visit_that_waits_keeps_nobody_out_when_it_goes_live() -> None:
    nodes = [wait("1h"), mail()]
    situation = Situation(dry(nodes, reentry={"again": "always", "key": "n", "at_most": 1}))
    situation.event(payload={"n": 1})
    assert outcomes(situation.event(payload={"n": 2})) == [("dry", "capped")]
    situation.publish(live(nodes, reentry={"again": "always", "key": "n", "at_most": 1}))
    assert situation.event(payload={"n": 1}) == []
    assert outcomes(situation.event(payload={"n": 2})) == [("dry", "capped")]
    assert sorted(outcomes(situation.pass_time(HOUR_MS))) == [DRY, ("dry", "sent")]


def test_a_dry_journey_takes_no_turn_of_its_group_but_among_the_dry() -> None:
    groups = {"groups": {"promo": {"per": "day"}}}
    second = journey("second", entry={"event": "hi"}, group="promo", priority=-1, **TEST)
    situation = Situation(dry(group="promo"), second, other(group="promo"), **groups)
    assert outcomes(situation.event()) == [DRY, ("second", "grouped")]
    assert outcomes(situation.event("yo")) == [("other", "sent")]
    assert outcomes(situation.event()) == [("dry", "grouped"), ("second", "grouped")]


def test_taking_part_in_test_mode_counts_among_the_dry_alone() -> None:
    nodes = [{"id": "part", "participation": "30d"}, mail()]
    situation = Situation(dry(nodes))
    assert outcomes(situation.event()) == [DRY]
    assert outcomes(situation.event()) == [("dry", "declined")]
    situation.publish(live(nodes))
    assert outcomes(situation.event()) == [("dry", "sent")]
    situation.publish(dry(nodes))
    assert outcomes(situation.event()) == [("dry", "declined")]


CHANGES: list[dict[str, Any]] = [
    {"id": "n", "set": {"vip": True}},
    {"id": "n", "add_to": "friends"},
    {"id": "n", "add_to": "buyers", "audience": True},
    {"id": "n", "emit": "yo"},
    {"id": "n", "start": "other"},
    {"id": "n", "end": "waiting"},
]


@pytest.mark.parametrize("node", CHANGES, ids=lambda node: "-".join(sorted(node)))
def test_nodes_that_change_something_do_so_for_test_contacts_alone(node: dict[str, Any]) -> None:
    waiting = journey("waiting", entry={"event": "in"}, nodes=[wait("1d")])
    friends = {"segment": "friends", "list": True}
    situation = Situation(dry([node, mail()]), other(), waiting, segments=[friends])
    changed = {}
    for contact in ("ada", "bob"):
        situation.event("in", contact=contact)
        decided = outcomes(situation.event(contact=contact))
        kept = situation.partition.contact(contact)
        assert kept is not None
        left = [visit.journey for visit in kept.visits]
        changed[contact] = (kept.attributes, kept.lists, len(kept.pending), left, decided)
    attributes, lists, pending, left, decided = changed["bob"]
    assert (attributes, lists, pending, left) == ({}, {}, 0, ["waiting"])
    assert decided in ([DRY], [DRY, DRY])
    assert changed["ada"] != changed["bob"]
    line = table_of([situation.partition.numbers], Window("dry")).lines[-1]
    assert (line.node, line.counts["entered"]) == ("n", 2)
    assert line.counts.get("not_done", line.counts.get("dry_run")) == 1


def test_a_webhook_is_not_asked_and_goes_on_as_without_an_answer() -> None:
    node = {"id": "ask", "webhook": "https://a.example/x", "else": "no", "then": "yes"}
    situation = Situation(dry([node, mail("yes"), mail("no")]))
    made = situation.event()
    assert [(each.node, each.outcome) for each in made if isinstance(each, Outcome)] == [
        ("ask", "dry_run"),
        ("no", "dry_run"),
    ]


def test_conditions_on_messages_take_dry_ones_as_sent_for_dry_visits_alone() -> None:
    had = {"message": "sent", "within": "1d"}
    situation = Situation(
        dry([mail("first"), decide(had, id="had"), mail("second")]),
        other(nodes=[decide(had, id="had"), mail()]),
    )
    assert outcomes(situation.event()) == [DRY, DRY]
    assert outcomes(situation.event("yo")) == [("other", "declined")]


def test_dry_conversions_are_told_apart() -> None:
    goal = {"event": "buy", "within": "1d"}
    nodes = [mail(), {"id": "there", "goal": "arrived"}]
    situation = Situation(dry(nodes, goal=goal))
    for contact in ("ada", "bob", "carl"):
        situation.event(contact=contact)
    assert reasons(situation.event("buy", contact="ada")) == ["buy"]
    assert reasons(situation.event("buy", contact="bob")) == ["buy (test mode)"]
    lines = {
        line.node: line.counts for line in table_of([situation.partition.numbers], Window()).lines
    }
    assert lines[""] == {"entered": 3, "entered_dry": 2, "converted": 2, "converted_dry": 1}
    assert lines["mail"]["dry_run"] == 2
    assert lines["there"] == {"entered": 3, "left/completed": 3, "converted": 3, "converted_dry": 2}


@settings(derandomize=True, max_examples=100, deadline=None)
@given(happened=happenings)
def test_a_dry_run_of_all_journeys_changes_nothing_that_others_decide(
    happened: list[tuple[Any, ...]],
) -> None:
    copies = [each | {"journey": f"dry-{each['journey']}", "test": {}} for each in JOURNEYS]
    inputs = inputs_of(happened)
    told = []
    for journeys in (JOURNEYS, [*copies, *JOURNEYS]):
        decisions: list[Decision] = []
        partition = Partition(0, decisions)
        partition.fold(Publish(source_of(*journeys, **SETTINGS)), NOON_MS)
        for input, now_ms in inputs:
            partition.fold(input, now_ms)
        while partition.next_due_at_ms < FAR_MS:
            partition.fold(Advance(FAR_MS), partition.now_ms)
        of_dry = [
            each for each in decisions if isinstance(each, Outcome) and "dry-" in each.journey
        ]
        assert not any(each.outcome == "sent" for each in of_dry)
        told.append([each for each in decisions if each not in of_dry])
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("fields", "settings", "text"),
    [
        ({"test": {"contacts": [""]}}, {}, "`$.test.contacts[0]`; write the id as events have it"),
        ({"test": {"contact": []}}, {}, "unknown field 'contact'"),
        ({"test": {"contacts": ["c"] * 1_001}}, {}, "1001 contacts - at `$.test.contacts`"),
        ({}, {"test_contacts": [" c"]}, "`$.test_contacts[0]`; write the id"),
    ],
)
def test_mistakes_are_named(fields: dict[str, Any], settings: dict[str, Any], text: str) -> None:
    with pytest.raises(AuthorError) as error:
        Situation(journey(**fields), **settings)
    assert text in str(error.value)
