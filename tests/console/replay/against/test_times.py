"""What a draft would have done with a log: from when, until when, and timers in between."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actors.errors import OperatorError
from actors.frame import encode_frame
from actors.store.log import open_log
from console.replay.against.comparison import Question, Variant, compared, survey, tasks_of
from console.replay.against.course import Course
from console.replay.against.pairing import (
    MOVED,
    Difference,
)
from engine.contacts.identity import partition_of
from engine.limits import FAR_MS
from tests.actors.made_store import JOURNEYS, SIZES, MadeStore
from tests.console.past import Past, minutes
from tests.engine.situation import HOUR_MS, NOON_MS, decide, mail, wait
from tests.publications import journey, source_of

JOURNEY = journey(nodes=[wait("1h"), mail()], exit_on=["bye"])
LATER = journey(nodes=[wait("3h"), mail()], exit_on=["bye"])
SEEN = {"segment": "seen", "when": {"happened": "hi", "within": "30d"}}
AT_ONCE = journey(exit_on=["bye"])

MakePast = Callable[..., Past]


def told(differences: list[Difference]) -> list[tuple[str, str, str, str]]:
    return [(each.contact, each.kind, each.why, each.reason) for each in differences]


def test_until_runs_on_for_both_and_says_so(make_past: MakePast) -> None:
    past = make_past(JOURNEY)
    past.event("c")
    past.commit()
    report, differences = past.against(source_of(LATER), until_ms=NOON_MS + 3 * HOUR_MS)
    assert told(differences) == [("c", MOVED, "later", "by 2 h")]
    assert report.run_on == 1
    report, _ = past.against(source_of(JOURNEY), until_ms=NOON_MS + 3 * HOUR_MS)
    assert report.variants[0].journeys == {"hello": {"same": 1, "real": 1, "draft": 1}}


def test_until_leaves_out_what_came_later(make_past: MakePast) -> None:
    past = make_past(AT_ONCE)
    for _ in range(5):
        past.event("c")
        past.pass_ms(HOUR_MS)
        past.deliver()
    report, differences = past.against(source_of(AT_ONCE), until_ms=NOON_MS + 2 * HOUR_MS)
    assert (report.events, report.variants[0].total("same"), differences) == (3, 3, [])


def test_from_a_moment_on_the_draft_takes_over_what_is_under_way(make_past: MakePast) -> None:
    past = make_past(AT_ONCE)
    past.event("old")
    past.hand_over()
    past.pass_ms(HOUR_MS)
    past.publish(JOURNEY)
    past.event("waits")
    past.settle()
    past.pass_ms(minutes(30))
    from_ms = past.now_ms
    past.event("new")
    past.pass_ms(2 * HOUR_MS)
    past.deliver()
    same, differences = past.against(source_of(JOURNEY), from_ms=from_ms)
    assert (differences, same.variants[0].total("same"), same.from_ms) == ([], 2, from_ms)
    _, differences = past.against(source_of(LATER), from_ms=from_ms, until_ms=past.now_ms + HOUR_MS)
    assert told(differences) == [
        ("waits", MOVED, "later", "by 2 h"),  # As after `anlass publish`: its time is planned anew.
        ("new", MOVED, "later", "by 2 h"),
    ]
    _, differences = past.against(source_of(JOURNEY))
    assert told(differences) == [("old", MOVED, "later", "by 1 h")]


def test_a_pruned_log_begins_with_the_oldest_state_and_says_from_when(make_past: MakePast) -> None:
    past = make_past(JOURNEY)
    for number in range(25):
        past.event(f"c-{number}", payload={"text": "x" * 400})
        past.pass_ms(minutes(5))
        past.deliver()
    past.snapshot()
    snapshot_ms = past.now_ms
    for number in range(25, 40):
        past.event(f"c-{number}", payload={"text": "x" * 400})
        past.pass_ms(minutes(5))
        past.deliver()
    past.snapshot()  # The one before is older, and reaches further back.
    past.crash()
    past.prune(snapshot_ms)
    sent = sum(1 for each in past.outcomes.values() if each.at_ms > snapshot_ms)
    report, differences = past.against(source_of(JOURNEY))
    assert (differences, report.variants[0].total("same") - report.run_on) == ([], sent)
    assert NOON_MS < report.answers_from_ms <= snapshot_ms
    assert report.events == 15
    assert sent > 5
    for path in (past.folder / "snapshots").iterdir():
        path.unlink()
    with pytest.raises(OperatorError, match="partition 0 has no snapshot from which it goes on"):
        past.against(source_of(JOURNEY))


def test_a_schedule_without_end_in_the_draft_ends_with_the_log_s_time(tmp_path: Path) -> None:
    """Of a log whose time was run out, as demos do: 31 days behind the last event it is enough."""
    store = MadeStore(tmp_path / "data", encrypted=False)
    store.play(20)
    log = open_log(store.folder, None, sizes=SIZES)
    while store.shard.advance(FAR_MS - 1, 0):
        frame = store.shard.cut()
        assert frame is not None
        log.append(frame.position, [encode_frame(frame)])
    log.close()
    weekly = journey("weekly", entry={"schedule": "0 9 * * mon", "segment": "seen"})
    variant = Variant("draft", source_of(*JOURNEYS, weekly, segments=[SEEN]))
    question = Question(data=store.data, variants=[variant])
    with compared(question, survey(store.data, None), lambda _: None) as comparison:
        sums = comparison.report.variants[0]
    assert sums.journeys["weekly"]["only_draft"] > 10
    assert sums.journeys["weekly"]["only_draft"] < 40 * 20


def test_from_a_moment_on_schedules_go_on_as_they_were(make_past: MakePast) -> None:
    daily = journey("daily", entry={"schedule": "0 9 * * *", "segment": "seen"})
    past = make_past()
    past.publish(daily, JOURNEY, segments=[SEEN])
    past.event("c")
    past.pass_ms(30 * HOUR_MS)
    past.deliver()
    past.pass_ms(minutes(1))
    from_ms = past.now_ms
    past.event("c")
    past.pass_ms(50 * HOUR_MS)
    past.deliver()
    report, differences = past.against(source_of(daily, JOURNEY, segments=[SEEN]), from_ms=from_ms)
    assert (differences, report.variants[0].journeys["daily"]["same"]) == ([], 2)


def test_timers_that_only_the_draft_has_apply_before_what_comes_later(make_past: MakePast) -> None:
    """Its message is delivered before its next node asks for that, though no record tells of it."""
    arrived = {"message": "delivered", "journey": "hello"}
    nodes = [wait("1h"), mail(), wait("1h", "again"), decide(arrived), mail("thanks")]
    past = make_past(AT_ONCE | {"entry": {"event": "other"}})
    past.event("c")
    past.pass_ms(5 * HOUR_MS)
    past.event("c", "come")
    _, differences = past.against(source_of(AT_ONCE | {"nodes": nodes}))
    assert [(each.node, each.draft_at_ms) for each in differences] == [
        ("mail", NOON_MS + HOUR_MS),
        ("thanks", NOON_MS + 2 * HOUR_MS),
    ]


def test_a_timer_that_is_really_late_waits_for_its_record_in_the_draft_too(
    make_past: MakePast,
) -> None:
    """Else its message would count as one that only the draft sends, and not fail as it did."""
    here = [key for key in map(str, range(3_000)) if partition_of(key) == 0]
    past = make_past(JOURNEY)
    past.event(here[0])
    past.event(here[1], "other")
    past.commit()
    past.now_ms += 2 * HOUR_MS  # Nothing applies the timer that is due by now.
    past.event(here[2], "other")
    past.pass_ms(0)
    past.hand_over()
    past.settle(delivered=False)
    extra = journey("extra", entry={"event": "other"}, nodes=[wait("30m"), mail()])
    report, differences = past.against(source_of(JOURNEY, extra))
    assert [(each.journey, each.contact) for each in differences] == [("extra", here[1])]
    assert report.variants[0].total("real") == 0


def test_of_a_frame_across_the_moment_only_what_came_after_it_counts(make_past: MakePast) -> None:
    past = make_past(AT_ONCE)
    past.event("c")
    past.now_ms += HOUR_MS
    past.event("c")
    past.commit()
    for from_ms, sent in ((NOON_MS, 2), (NOON_MS + 1, 1)):
        report, differences = past.against(source_of(AT_ONCE), from_ms=from_ms)
        assert (differences, report.variants[0].total("real")) == ([], sent)


def test_what_the_draft_sends_after_it_was_really_stopped_is_delivered(make_past: MakePast) -> None:
    arrived = {"message": "delivered", "journey": "hello"}
    follow = journey("follow", entry={"event": "come", "when": arrived})
    past = make_past(AT_ONCE, follow)
    past.event("c")
    past.pass_ms(minutes(1))
    past.event("c", "bye")
    past.pass_ms(minutes(1))
    past.deliver()
    past.pass_ms(2 * HOUR_MS)
    past.event("c", "come")
    draft = JOURNEY | {"exit_on": []}
    _, differences = past.against(source_of(draft, follow))
    assert [each.journey for each in differences] == ["hello", "follow"]


def test_of_messages_that_are_settled_no_lane_keeps_anything(
    make_past: MakePast, tmp_path: Path
) -> None:
    past = make_past(AT_ONCE)
    past.event("c")
    past.event("d")
    past.deliver()
    question = Question(data=past.data, variants=[Variant("", source_of(AT_ONCE))])
    (task,) = tasks_of(question, survey(past.data, None), tmp_path)
    course = Course(task)
    course.fold(lambda _: None)
    assert {len(lane.open) for lane in course._own} == {0}


def test_what_a_running_system_adds_meanwhile_is_not_read(make_past: MakePast) -> None:
    past = make_past(AT_ONCE)
    past.event("c")
    past.commit()
    stretches = survey(past.data, None)
    past.event("c")
    past.commit()
    question = Question(data=past.data, variants=[Variant("", source_of(AT_ONCE))])
    with compared(question, stretches, lambda _: None) as comparison:
        assert comparison.report.events == 1
