"""What a draft would have done with a log: its semantics, one promise each."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from console.replay.against.branch import EARLY_MAX, Branch
from console.replay.against.pairing import (
    ABSENT,
    ELSEWHERE,
    MOVED,
    NOT_ENTERED,
    ONLY_DRAFT,
    ONLY_REAL,
    WAITING,
    Difference,
)
from engine.contacts.identity import partition_of
from engine.decision import Outcome
from engine.input import Event, Receipt
from tests.console.past import Past, minutes
from tests.engine.situation import HOUR_MS, NOON_MS, Situation, decide, mail, wait
from tests.publications import journey, source_of

JOURNEY = journey(nodes=[wait("1h"), mail()], exit_on=["bye"])
LATER = journey(nodes=[wait("3h"), mail()], exit_on=["bye"])
SEEN = {"segment": "seen", "when": {"happened": "hi", "within": "30d"}}
AT_ONCE = journey(exit_on=["bye"])

MakePast = Callable[..., Past]


def told(differences: list[Difference]) -> list[tuple[str, str, str, str]]:
    return [(each.contact, each.kind, each.why, each.reason) for each in differences]


def lived(past: Past) -> Past:
    """Some contacts come, and of those who get a message all get it."""
    for number in range(6):
        past.event(f"c-{number}")
        past.pass_ms(minutes(7))
    past.event("c-1", "bye")
    past.pass_ms(2 * HOUR_MS)
    past.deliver()
    return past


def test_an_unchanged_draft_differs_in_nothing(make_past: MakePast) -> None:
    past = lived(make_past(JOURNEY))
    report, differences = past.against(source_of(JOURNEY))
    assert differences == []
    assert report.variants[0].journeys == {"hello": {"same": 5, "real": 5, "draft": 5}}
    assert (report.events, report.refolded_otherwise, report.run_on) == (7, 0, 0)
    assert (report.changed, report.from_ms) == ([], NOON_MS)


def test_a_longer_wait_moves_messages_or_leaves_time_for_an_exit(make_past: MakePast) -> None:
    past = make_past(JOURNEY)
    past.event("stays")
    past.event("leaves")
    past.pass_ms(2 * HOUR_MS)
    past.deliver()
    past.event("leaves", "bye")
    past.pass_ms(2 * HOUR_MS)
    report, differences = past.against(source_of(LATER))
    assert told(differences) == [
        ("leaves", ONLY_REAL, "exited", "bye"),
        ("stays", MOVED, "later", "by 2 h"),
    ]
    moved = differences[1]
    assert (moved.real_at_ms, moved.draft_at_ms) == (NOON_MS + HOUR_MS, NOON_MS + 3 * HOUR_MS)
    assert report.changed == ["hello.yaml"]
    assert report.variants[0].contacts == {
        "real": 2, "draft": 1, "more": 0, "fewer": 1, "moved": 1,
    }  # fmt: skip


def test_a_shorter_wait_sends_what_an_exit_held_back(make_past: MakePast) -> None:
    past = make_past(JOURNEY)
    past.event("c")
    past.pass_ms(minutes(10))
    past.event("c", "bye")
    _, differences = past.against(source_of(AT_ONCE))
    assert told(differences) == [("c", ONLY_DRAFT, "exited", "bye")]
    assert differences[0].draft_at_ms == NOON_MS


def test_a_visit_that_has_not_come_to_its_message_waits(make_past: MakePast) -> None:
    past = make_past(JOURNEY)
    past.event("c")
    past.pass_ms(HOUR_MS)
    past.deliver()
    report, differences = past.against(source_of(LATER))
    assert told(differences) == [("c", ONLY_REAL, WAITING, "it waits at 'wait'")]
    assert report.variants[0].journeys["hello"]["waiting_draft"] == 1
    report, differences = past.against(source_of(LATER), until_ms=past.now_ms + 2 * HOUR_MS)
    assert told(differences) == [("c", MOVED, "later", "by 2 h")]
    assert report.run_on == 0


def test_a_second_message_that_the_visit_still_waits_for_is_not_told_by_the_first(
    make_past: MakePast,
) -> None:
    def twice(span: str) -> dict[str, Any]:
        return journey(nodes=[mail("first"), wait(span), mail("second")])

    past = make_past(twice("1h"))
    past.event("c")
    past.deliver()
    past.pass_ms(HOUR_MS)
    past.deliver()
    _, differences = past.against(source_of(twice("3h")))
    assert told(differences) == [("c", ONLY_REAL, WAITING, "it waits at 'wait'")]


def test_a_message_that_both_send_is_no_other_way(make_past: MakePast) -> None:
    def asks(*, priced: bool) -> dict[str, Any]:
        split = decide({"field": "price", "exists": priced}) | {"then": "second", "else": "third"}
        ends = [mail("second", then="out"), mail("third"), {"id": "out", "exit": "done"}]
        return journey(nodes=[mail("first"), split, *ends])

    past = make_past(asks(priced=False))
    past.event("c")
    past.deliver()
    _, differences = past.against(source_of(asks(priced=True)))
    assert [(kind, why, reason) for _, kind, why, reason in told(differences)] == [
        (ONLY_REAL, ELSEWHERE, "it sends 'third'"),
        (ONLY_DRAFT, ELSEWHERE, "it sends 'second'"),
    ]


def test_a_cap_of_the_draft_says_that_it_was_the_cap(make_past: MakePast) -> None:
    past = make_past(AT_ONCE)
    for _ in range(3):
        past.event("c")
        past.deliver()
        past.pass_ms(HOUR_MS)
    capped = source_of(AT_ONCE | {"caps": [{"messages": 1, "per": "2h"}]})
    _, differences = past.against(capped)
    assert told(differences) == [("c", ONLY_REAL, "capped", "journey hello: 1 in 2h")]
    assert differences[0].real_at_ms == NOON_MS + HOUR_MS


def test_a_message_that_failed_frees_the_cap_of_the_draft_too(make_past: MakePast) -> None:
    caps = {"caps": [{"messages": 1, "per": "1d"}]}
    past = make_past(AT_ONCE | caps)
    past.event("c")
    past.hand_over()
    past.settle(delivered=False)
    past.event("c")
    past.deliver()
    report, differences = past.against(source_of(AT_ONCE | caps, language="de"))
    assert (differences, report.variants[0].total("same")) == ([], 1)


def test_what_was_opened_is_opened_in_the_draft_even_where_it_sends_later(
    make_past: MakePast,
) -> None:
    """The real message is opened before the draft has sent it: there it is opened at once."""
    opened = {"message": "opened", "journey": "hello", "within": "1d"}
    follow = journey("follow", entry={"event": "come", "when": opened})
    past = make_past(JOURNEY, follow)
    past.event("c")
    past.pass_ms(HOUR_MS)
    past.hand_over()
    past.settle("opened")
    past.settle()
    past.pass_ms(3 * HOUR_MS)
    past.event("c", "come")
    past.deliver()
    report, differences = past.against(source_of(LATER, follow))
    assert told(differences) == [("c", MOVED, "later", "by 2 h")]
    assert report.variants[0].journeys["follow"]["same"] == 1


def test_what_only_the_draft_sends_is_delivered_and_never_opened(make_past: MakePast) -> None:
    follow = [
        journey(said, entry={"event": "come", "when": {"message": said, "journey": "hello"}})
        for said in ("delivered", "opened")
    ]
    held = JOURNEY | {"entry": {"event": "other"}}
    past = make_past(held, *follow)
    past.event("c")
    past.pass_ms(2 * HOUR_MS)
    past.event("c", "come")
    _, differences = past.against(source_of(JOURNEY, *follow))
    assert [(each.journey, each.why) for each in differences] == [
        ("hello", NOT_ENTERED),
        ("delivered", NOT_ENTERED),
    ]


def test_an_exit_between_decision_and_handover_stops_what_it_stopped(make_past: MakePast) -> None:
    past = make_past(AT_ONCE)
    past.event("stopped")
    past.pass_ms(minutes(1))
    past.event("stopped", "bye")
    past.pass_ms(minutes(1))
    past.deliver()
    report, differences = past.against(source_of(AT_ONCE))
    assert differences == []
    assert report.variants[0].total("real") == 0
    stays = AT_ONCE | {"exit_on": []}
    _, differences = past.against(source_of(stays))
    assert told(differences) == [("stopped", ONLY_DRAFT, "exited", "bye")]


def test_other_nodes_and_journeys_are_named(make_past: MakePast) -> None:
    past = make_past(AT_ONCE, journey("other"))
    past.event("c")
    past.deliver()
    split = AT_ONCE | {"nodes": [mail("first"), mail("second")]}
    _, differences = past.against(source_of(split))
    assert sorted((each.node, each.kind, each.why, each.reason) for each in differences) == [
        ("first", ONLY_DRAFT, ABSENT, "there is no node 'first'"),
        ("mail", ONLY_REAL, ABSENT, "there is no journey 'other'"),
        ("mail", ONLY_REAL, ABSENT, "there is no node 'mail'"),
        ("second", ONLY_DRAFT, ABSENT, "there is no node 'second'"),
    ]
    fork = [decide({"attribute": "vip", "equals": True}, then="mail", **{"else": "plain"})]
    both = [*fork, mail(), mail("plain")]
    _, differences = past.against(source_of(AT_ONCE | {"nodes": both}, journey("other")))
    assert ("c", ONLY_REAL, ELSEWHERE, "it sends 'plain'") in told(differences)


def test_messages_of_other_visits_are_paired_by_journey_and_node_within_a_span(
    make_past: MakePast,
) -> None:
    """The draft's entry is another event: other visits, other keys, and yet the same message."""
    past = make_past(AT_ONCE)
    past.event("c", "come")
    past.pass_ms(minutes(30))
    past.event("c")
    past.deliver()
    draft = source_of(AT_ONCE | {"entry": {"event": "come"}})
    _, differences = past.against(draft)
    assert told(differences) == [("c", MOVED, "earlier", "by 30 min")]
    _, differences = past.against(draft, within_ms=minutes(29))
    assert [each.kind for each in differences] == [ONLY_DRAFT, ONLY_REAL]


def test_several_drafts_at_once_come_to_what_each_comes_to_alone(make_past: MakePast) -> None:
    past = lived(make_past(JOURNEY))
    sources = [source_of(each) for each in (JOURNEY, LATER, AT_ONCE)]
    report, differences = past.against(*sources)
    for number, source in enumerate(sources):
        alone, its = past.against(source)
        assert alone.variants[0].journeys == report.variants[number].journeys
        assert told(its) == told([each for each in differences if each.variant == str(number)])
    assert [sums.differences for sums in report.variants] == [0, 5, 6]


def test_an_erased_contact_is_erased_in_the_draft(make_past: MakePast) -> None:
    past = make_past(JOURNEY)
    past.event("c")
    past.pass_ms(minutes(1))
    past.erase("c")
    past.pass_ms(2 * HOUR_MS)
    past.event("c")
    past.pass_ms(2 * HOUR_MS)
    past.deliver()
    report, differences = past.against(source_of(JOURNEY), source_of(AT_ONCE))
    assert report.variants[0].total("same") == 1
    assert [each.kind for each in differences] == [ONLY_DRAFT, MOVED]


def test_what_this_version_decides_otherwise_is_counted_apart(make_past: MakePast) -> None:
    """A frame says that a message was capped, as older code may have found; the next was not."""
    once = AT_ONCE | {"caps": [{"messages": 1, "per": "1d"}]}
    past = make_past(once)
    past.event("c")
    frame = past.shard.cut()
    assert frame is not None
    (sent,) = frame.outcomes
    frame.outcomes = [replace(sent, outcome="capped", reason="then")]
    past.append(frame)
    past.crash()
    past.now_ms += HOUR_MS
    past.event("c")
    past.deliver()
    report, differences = past.against(source_of(once))
    assert report.refolded_otherwise == 1
    assert told(differences) == [("c", MOVED, "earlier", "by 1 h")]


def test_a_message_that_was_really_stopped_does_not_stay_open_in_the_draft(
    make_past: MakePast,
) -> None:
    """It was awaited what channels say of it; then an exit, which the draft has not, ended it."""
    arrived = {"message": "delivered", "journey": "hello"}
    follow = journey("follow", entry={"event": "come", "when": arrived})
    past = make_past(AT_ONCE, follow)
    past.event("c")
    past.pass_ms(minutes(1))
    from_ms = past.now_ms
    past.event("c", "bye")
    past.pass_ms(minutes(1))
    past.deliver()
    past.event("c", "come")
    _, differences = past.against(source_of(AT_ONCE | {"exit_on": []}, follow))
    assert [(each.journey, each.kind) for each in differences] == [
        ("hello", ONLY_DRAFT),
        ("follow", ONLY_DRAFT),
    ]
    _, differences = past.against(source_of(AT_ONCE | {"exit_on": []}, follow), from_ms=from_ms)
    assert [(each.journey, each.kind) for each in differences] == [("follow", ONLY_DRAFT)]


def test_of_messages_that_are_settled_nothing_is_kept() -> None:
    open: dict[str, None] = {}
    source = source_of(AT_ONCE)
    branch = Branch(partition_of("c"), source, 16, open)
    branch.publish(NOON_MS, source)
    sent = Situation(AT_ONCE).event(contact="c", id="e")
    assert isinstance(sent[0], Outcome)
    open[sent[0].key] = None
    branch.fold(Event("e", "c", "hi", NOON_MS, {}), NOON_MS)
    assert branch._awaiting == {sent[0].key}
    branch.hear(Receipt("c", sent[0].key, delivered=True), NOON_MS)
    assert (branch._awaiting, branch._early) == (set(), {})


def test_of_real_messages_that_the_draft_never_sends_little_is_kept() -> None:
    branch = Branch(0, source_of(JOURNEY), 16, {})
    for number in range(EARLY_MAX + 5):
        branch.hear(Receipt("c", f"k-{number}", delivered=True), number)
    assert len(branch._early) == EARLY_MAX
    assert "k-0" not in branch._early


def test_a_draft_is_published_once() -> None:
    """Whatever is really published later: a schedule is not planned anew each time."""
    weekly = journey("weekly", entry={"schedule": "0 9 * * mon", "segment": "seen"})
    branch = Branch(0, source_of(weekly, segments=[SEEN]), 16, {})
    branch.publish(NOON_MS, source_of(JOURNEY))
    branch.run_to(NOON_MS)
    branch.publish(NOON_MS + HOUR_MS, source_of(AT_ONCE))
    assert (branch.partition.waking_at_ms, branch.partition.now_ms) == (0, NOON_MS + HOUR_MS)


def test_a_message_of_another_visit_near_by_is_no_reason(make_past: MakePast) -> None:
    past = make_past(AT_ONCE)
    for _ in range(2):
        past.event("c")
        past.deliver()
        past.pass_ms(HOUR_MS)
    _, differences = past.against(source_of(AT_ONCE | {"reentry": "once"}))
    assert told(differences) == [("c", ONLY_REAL, NOT_ENTERED, "")]
