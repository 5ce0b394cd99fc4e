"""Numbers of visits and messages: exact, in bounded space, and the same wherever they come from."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from engine import limits
from engine.contacts.course import SPANS_MS, Course
from engine.contacts.erasure import digest_of
from engine.count_table import (
    CountTable,
    Outline,
    Window,
    merged,
    outline_of,
    table_of,
    window_from,
)
from engine.input import Erase, Receipt
from engine.numbers import OTHER, Numbers
from tests.engine.recount import numbers_of, waiting_in
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    Situation,
    decide,
    mail,
    only_outcome,
    wait,
)
from tests.publications import journey, version

HERE = journey(
    "j", entry={"event": "hi"}, exit_on=["bye"], nodes=[wait("1h"), mail(), wait("1d", id="rest")]
)
ALL = Window()
OUT = {"id": "out", "exit": "x"}
VIP = {"attribute": "vip", "equals": True}


def counted(situation: Situation, window: Window = ALL) -> dict[tuple[str, str], dict[str, int]]:
    table = table_of([situation.partition.numbers], window)
    return {(line.journey, line.node): line.counts for line in table.lines if line.counts}


def twin_of(situation: Situation) -> Situation:
    """Return a situation that goes on from a snapshot of the numbers alone."""
    situation.partition.load_numbers(situation.partition.numbers.save())
    return situation


def test_a_visit_is_counted_at_each_node_it_comes_to_and_where_it_ends() -> None:
    situation = Situation(HERE)
    situation.event("hi")
    assert counted(situation) == {("j", ""): {"entered": 1}, ("j", "wait"): {"entered": 1}}
    assert situation.partition.numbers.waiting() == {("j", "wait"): 1}
    situation.pass_time(HOUR_MS)
    assert counted(situation)["j", "mail"] == {"entered": 1, "passed": 1, "sent": 1}
    assert situation.partition.numbers.waiting() == {("j", "rest"): 1}
    situation.event("bye")
    assert counted(situation)["j", "rest"] == {"entered": 1, "left/exited: bye": 1}
    assert situation.partition.numbers.waiting() == {}


def test_a_visit_that_came_to_no_message_is_not_counted_as_complete() -> None:
    situation = Situation(journey("j", nodes=[decide(VIP, **{"else": "out"}), mail(), OUT]))
    situation.event("hi")
    assert counted(situation)["j", "out"] == {
        "entered": 1,
        "declined": 1,
        "left/declined: x": 1,
    }


def test_what_channels_say_of_a_message_counts_once_each() -> None:
    situation = Situation(journey("j", nodes=[mail()]))
    key = only_outcome(situation.event()).key
    situation.handover(key)
    for kind in ("", "", "opened", "opened", "clicked", "bounced", "unheard"):
        situation.fold(Receipt("c-1", key, delivered=True, kind=kind))
    said = {"sent": 1, "delivered": 1, "opened": 1, "clicked": 1, "bounced": 1}
    walked = {"entered": 1, "left/completed": 1}
    assert counted(situation)["j", "mail"] == said | walked


def test_a_message_that_fails_was_not_sent_and_that_is_counted_when_it_was_decided() -> None:
    situation = Situation(journey("j", nodes=[mail()]))
    key = only_outcome(situation.event()).key
    situation.now_ms += 5 * MINUTE_MS
    situation.fold(Receipt("c-1", key, delivered=False))
    assert (
        counted(situation)["j", "mail"] | {"sent": 0, "failed": 1}
        == counted(situation)["j", "mail"]
    )
    later = counted(situation, Window(from_ms=situation.now_ms - MINUTE_MS))
    assert later == {}


def test_conversions_are_told_apart_from_those_of_who_was_held_out() -> None:
    goal = {"event": "buy", "within": "1d"}
    situation = Situation(journey("j", goal=goal, hold_out=50, nodes=[wait("1h"), mail()]))
    for i in range(40):
        situation.event("hi", contact=f"c-{i}")
        if i % 4:
            situation.event("buy", contact=f"c-{i}")
    numbers = counted(situation)["j", ""]
    held_out = {
        f"c-{i}"
        for i in range(40)
        if (contact := situation.partition.contact(f"c-{i}")) and contact.visits[0].held_out
    }
    bought = {each for each in held_out if int(each[2:]) % 4}
    assert 0 < len(bought) < len(held_out) < 40
    assert numbers == {
        "entered": 40,
        "entered_held_out": len(held_out),
        "converted": 30,
        "converted_held_out": len(bought),
    }


def test_a_random_share_that_is_held_out_counts_as_such_once() -> None:
    shares = [{"share": 50, "then": "again", "hold_out": True}, {"share": 50, "then": "again"}]
    lot = {"id": "lot", "random": shares, "salt": "s"}
    again = {"id": "again", "random": [each | {"then": "mail"} for each in shares], "salt": "s"}
    situation = Situation(journey("j", hold_out=50, nodes=[lot, again, mail(), wait("1h")]))
    for i in range(40):
        situation.event("hi", contact=f"c-{i}")
    contacts = [situation.partition.contact(f"c-{i}") for i in range(40)]
    held_out = sum(each.visits[0].held_out for each in contacts if each is not None)
    assert 20 < held_out < 40
    assert counted(situation)["j", ""] == {"entered": 40, "entered_held_out": held_out}
    assert counted(situation)["j", "mail"]["held_out"] == held_out


def test_an_erased_contact_waits_nowhere() -> None:
    situation = Situation(HERE)
    for contact in ("c-1", "c-2"):
        situation.event("hi", contact=contact)
    situation.partition.cool()
    situation.fold(Erase(digest_of("c-1"), 0))
    assert situation.partition.numbers.waiting() == {("j", "wait"): 1}
    assert counted(situation)["j", "wait"] == {"entered": 2, "left/erased": 1}


def test_a_fault_takes_back_what_was_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    situation = Situation(journey("j", nodes=[decide(VIP, **{"else": "wait"}), mail(), wait("1h")]))
    before = numbers_of(situation.partition)

    def raises(*_: Any) -> Any:
        raise ZeroDivisionError("poison")

    with monkeypatch.context() as patch:
        patch.setattr("engine.nodes.wait.stay", raises)
        situation.event("hi")
    assert numbers_of(situation.partition) == before
    situation.event("hi")
    with monkeypatch.context() as patch:
        patch.setattr("engine.nodes.wait.Wait.due", raises)
        situation.pass_time(HOUR_MS)
    assert counted(situation)["j", "wait"] == {"entered": 1, "failed": 1, "left/failed": 1}
    assert situation.partition.numbers.waiting() == waiting_in(situation.partition) == {}


def test_a_publish_leaves_who_waits_where_they_are() -> None:
    situation = Situation(HERE)
    situation.event("hi")
    situation.publish(journey("j", nodes=[mail()]))
    assert situation.partition.numbers.waiting() == {("j", "wait"): 1}
    situation.pass_time(HOUR_MS)
    gone = "left/exited: the node is no longer there"
    assert counted(situation)["j", "wait"] == {"entered": 1, "exited": 1, gone: 1}
    assert situation.partition.numbers.waiting() == {}


def test_a_visit_that_a_publish_moves_waits_where_it_is_then() -> None:
    situation = Situation(journey(nodes=[wait("1d", "old"), mail()]))
    situation.event()
    moved = version(2, "migrate", map={"old": "new"})
    situation.publish(journey(nodes=[wait("2d", "new"), mail()]), versions={"hello": moved})
    assert situation.partition.numbers.waiting() == {("hello", "old"): 1}, "its turn comes"
    situation.pass_time(0)
    assert situation.partition.numbers.waiting() == {("hello", "new"): 1}
    assert counted(situation)["hello", "old"] == {"entered": 1, "passed": 1}


def test_a_visit_that_stands_before_a_node_is_counted_there_once() -> None:
    call = {"id": "call", "wait_for": [{"event": "call", "then": "mail"}], "timeout": "1d"}
    situation = Situation(journey(nodes=[call, mail()]))
    situation.event()
    situation.publish(journey(nodes=[call, mail()]), versions={"hello": version(1, state="paused")})
    situation.pass_time(0)
    situation.event("call")
    assert situation.partition.numbers.waiting() == {("hello", "mail"): 1}
    situation.publish(journey(nodes=[call, mail()]), versions={"hello": version(1)})
    situation.pass_time(0)
    assert counted(situation)["hello", "mail"] == {
        "entered": 1,
        "passed": 0,
        "sent": 1,
        "left/completed": 1,
    }
    assert situation.partition.numbers.waiting() == {}


def test_what_is_not_added_up_does_not_grow() -> None:
    situation = Situation(journey("j", nodes=[mail()]))
    for i in range(limits.COUNTS_WAITING_MAX):
        situation.event("hi", id=f"e-{i}")
        assert len(situation.partition.numbers.counts) < limits.COUNTS_WAITING_MAX + 10
    assert counted(situation)["j", ""] == {"entered": limits.COUNTS_WAITING_MAX}


def test_a_course_may_reach_further_back_than_what_is_counted() -> None:
    situation = Situation(HERE)
    begun_ms = situation.now_ms
    situation.event("hi", contact="c-1")
    situation.event("hi", contact="c-2", after_ms=5 * HOUR_MS)
    window = Window("j", situation.now_ms - HOUR_MS, HOUR_MS, begun_ms - DAY_MS)
    line = table_of([situation.partition.numbers], window).lines[0]
    assert line.counts == {"entered": 1}
    assert [each["entered"] for each in line.course.values()] == [1, 1]


def test_a_node_that_a_publish_made_end_its_own_journey_ends_the_visit_once() -> None:
    situation = Situation(journey("j", nodes=[wait("1h", id="x"), mail()]))
    situation.event("hi")
    situation.publish(journey("j", nodes=[{"id": "x", "end": "j"}, mail()]))
    assert only_outcome(situation.pass_time(HOUR_MS)).outcome == "exited"
    assert situation.partition.numbers.waiting() == {}
    assert counted(situation)["j", "x"] == {"entered": 1, "exited": 1, "left/exited: ended by j": 1}


def test_counting_begins_with_who_is_where_when_a_snapshot_has_no_numbers() -> None:
    situation = Situation(HERE)
    situation.event("hi", contact="c-1")
    key = only_outcome(situation.pass_time(HOUR_MS)).key
    situation.event("hi", contact="c-2", after_ms=1)
    situation.partition.cool()
    situation.partition.load_numbers(None)
    table = table_of([situation.partition.numbers], Window())
    assert table.since_ms == situation.now_ms
    assert situation.partition.numbers.waiting() == {("j", "wait"): 1, ("j", "rest"): 1}
    situation.fold(Receipt("c-1", key, delivered=False))
    situation.event("bye", contact="c-1")
    assert counted(situation) == {
        ("j", "mail"): {"failed": 1},
        ("j", "rest"): {"left/exited: bye": 1},
    }
    assert situation.partition.numbers.waiting() == {("j", "wait"): 1}


def test_series_past_the_bound_are_counted_together_and_who_waits_stays_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.numbers.NUMBERS_SERIES_MAX", 3)
    situation = Situation(HERE, journey("k", entry={"event": "hi"}, nodes=[wait("2h")]))
    for i in range(5):
        situation.event("hi", contact=f"c-{i}")
        twin_of(situation)
    situation.pass_time(HOUR_MS)
    situation.event("bye", contact="c-1")
    table = table_of([situation.partition.numbers], Window())
    counts = {(line.journey, line.node): line.counts for line in table.lines}
    assert counts[OTHER, ""] == {OTHER: 11}
    assert situation.partition.numbers.waiting() == waiting_in(situation.partition)


def test_reasons_past_the_bound_are_counted_together_and_long_ones_cut() -> None:
    numbers = Numbers()
    reasons = [f"reason {i} {'x' * limits.REASON_CHARS_KEPT}" for i in range(limits.REASONS_MAX)]
    for reason in [*reasons, "one", "another", reasons[0]]:
        numbers.counts.append(("j", "n", reason, "left/declined", NOON_MS, 1))
    kinds = {kind: n for line in table_of([numbers], ALL).lines for kind, n in line.counts.items()}
    assert len(kinds) == limits.REASONS_MAX + 1
    assert kinds["left/declined: *"] == 2
    assert max(kinds.values()) == 2
    assert max(map(len, kinds)) == len("left/declined: ") + limits.REASON_CHARS_KEPT
    assert Numbers(saved=numbers.save()).save() == numbers.save()


ages = (
    some.integers(0, 500 * DAY_MS) | some.integers(0, 20 * DAY_MS) | some.integers(0, 3 * HOUR_MS)
)
happenings = some.lists(some.tuples(some.integers(0, 3), ages, some.integers(0, 9)), max_size=60)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(happened=happenings)
def test_a_course_is_exact_and_the_same_however_often_it_is_packed(
    happened: list[tuple[int, int, int]],
) -> None:
    end_ms = 1_800_000_000_000
    once, often = Course(), Course()
    for series, age_ms, pack in happened:
        minute_ms = (end_ms - age_ms) // MINUTE_MS * MINUTE_MS
        for course in (once, often):
            course.recent[minute_ms + series] = course.recent.get(minute_ms + series, 0) + 1
        if pack == 0:
            often.pack()
        elif pack == 1:
            often = Course(often.save())
    assert sorted(once.parts(0)) == sorted(often.parts(0))
    if happened:
        assert once.save() == Course(once.save()).save()
    latest_ms = end_ms - min((age for _, age, _ in happened), default=0)
    wanted = Counter(
        {
            series: sum(
                each == series for each, age, _ in happened if kept(latest_ms, end_ms - age)
            )
            for series in range(4)
        }
    )
    found: Counter[int] = Counter()
    for at_ms, span_ms, counts in once.parts(0):
        found.update(counts)
        assert at_ms % span_ms == 0
        assert at_ms + span_ms > latest_ms - dict(zip(SPANS_MS, REACHES, strict=True))[span_ms]
    assert +found == +wanted


REACHES = (
    limits.COURSE_MINUTES_MS + HOUR_MS,
    limits.COURSE_HOURS_MS + DAY_MS,
    limits.COURSE_DAYS_MS + DAY_MS,
)


def kept(latest_ms: int, at_ms: int) -> bool:
    begins_ms = latest_ms // MINUTE_MS * MINUTE_MS - limits.COURSE_DAYS_MS
    return at_ms // MINUTE_MS * MINUTE_MS >= begins_ms - begins_ms % DAY_MS


def test_a_course_stays_within_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.contacts.course.COURSE_BYTES_MAX", 2_000)
    course = Course()
    for hour in range(24 * 200):
        for series in range(20):
            course.recent[hour * HOUR_MS + series] = 1
        course.pack()
    saved = course.save()
    assert sum(len(data) for packed in saved.packed for data in packed.values()) <= 2_000
    assert [len(packed) > 0 for packed in saved.packed] == [True, True, True]


def test_a_window_counts_whole_spans_and_a_course_adds_up_to_it() -> None:
    situation = Situation(HERE)
    since_ms = situation.now_ms
    for i in range(60):
        situation.event("hi", contact=f"c-{i}", after_ms=7 * HOUR_MS)
    for age_ms in (HOUR_MS, 5 * HOUR_MS, 3 * DAY_MS, 15 * DAY_MS):
        from_ms = window_from(situation.now_ms - age_ms, situation.now_ms)
        entered = sum(since_ms + (i + 1) * 7 * HOUR_MS >= from_ms for i in range(60))
        window = Window("j", from_ms, HOUR_MS, from_ms)
        table = table_of([situation.partition.numbers], window)
        line = table.lines[0]
        assert (line.node, line.counts["entered"]) == ("", entered)
        assert sum(each["entered"] for each in line.course.values()) == entered
        assert table_of([situation.partition.numbers], Window("other", from_ms)).lines == []


def test_tables_of_parts_add_up() -> None:
    alone = [Situation(HERE) for _ in range(3)]
    together = Situation(HERE)
    for i in range(9):
        for situation in (alone[i % 3], together):
            situation.now_ms = NOON_MS + i * MINUTE_MS
            situation.event("hi", contact=f"c-{i}")
    window = Window(by_ms=MINUTE_MS)
    whole = table_of([together.partition.numbers], window)
    assert merged(table_of([each.partition.numbers], window) for each in alone) == whole
    assert table_of([each.partition.numbers for each in alone], window) == whole
    assert merged([]) == table_of([], window) == CountTable()


def test_an_outline_names_nodes_as_visits_come_to_them() -> None:
    nodes = [
        decide(VIP, id="vip", then="gold", **{"else": "plain"}),
        mail("plain", then="rest"),
        mail("gold"),
        wait("1h", id="rest"),
        mail("last"),
    ]
    goal = {"event": "buy", "within": "3d"}
    situation = Situation(journey("j", nodes=nodes, goal=goal, hold_out=10))
    assert outline_of(situation.partition.programs.by_journey["j"]) == Outline(
        journey="j",
        nodes=["vip", "gold", "rest", "last", "plain"],
        goal="buy",
        goal_within_ms=3 * DAY_MS,
        hold_out=10,
    )
