"""Caps: what must not be forgotten for them, and which of them mean nothing."""

from random import Random
from typing import Any

import pytest

from engine.compile.publication import compile_publication
from engine.contacts.contact import Contact, Pending, Sent
from engine.decision import Outcome
from engine.language.journey import Publication
from engine.language.rules import Cap, Rules
from engine.limits import MESSAGES_COUNTED_MAX, MESSAGES_KEPT_MAX
from engine.nodes.cap import counts, forget_uncounted, nth_newest
from tests.engine.situation import DAY_MS, Situation, only_outcome, outcomes
from tests.publications import journey


def test_many_old_messages_of_others_do_not_make_a_busy_journey_s_cap_forget() -> None:
    """Each of many journeys sent once, long ago: what the cap counts now is not what goes."""
    others = [journey(f"o-{i}", entry={"event": f"o-{i}"}) for i in range(MESSAGES_KEPT_MAX)]
    busy = journey("busy", caps=[{"messages": 5, "per": "24h"}])
    situation = Situation(busy, *others)
    for i in range(MESSAGES_KEPT_MAX):
        situation.event(f"o-{i}")
        settle_all(situation)
    made = []
    for _ in range(8):
        made += outcomes(situation.event(after_ms=1))
        settle_all(situation)
    assert [each[1] for each in made] == ["sent"] * 5 + ["capped"] * 3
    assert len(situation.contact().messages) == MESSAGES_KEPT_MAX


def settle_all(situation: Situation) -> None:
    """Deliver all that is on its way."""
    for pending in situation.contact().pending:
        situation.receipt(pending.key, delivered=True)


def test_a_message_that_may_still_fail_does_not_make_an_older_one_forgotten() -> None:
    """Of two in the window the later fails: then the earlier must still be known."""
    capped = journey("two", caps=[{"messages": 1, "per": "24h"}])
    situation = Situation(capped)
    situation.event()
    settle_all(situation)
    situation.publish(journey("two"), journey("often", entry={"event": "ho"}))
    later = only_outcome(situation.event(after_ms=1)).key
    situation.publish(capped, journey("often", entry={"event": "ho"}))
    for _ in range(MESSAGES_KEPT_MAX):
        key = only_outcome(situation.event("ho", after_ms=1)).key
        situation.receipt(key, delivered=True)
    situation.receipt(later, delivered=False)
    assert outcomes(situation.event()) == [("two", "capped")]


def test_where_caps_count_more_than_can_be_kept_no_message_goes_uncounted() -> None:
    names = [f"j-{i}" for i in range(12)]
    caps = [{"messages": 100, "per": "30d"}]
    journeys = [journey(name, entry={"event": name}, caps=caps) for name in names]
    situation = Situation(*journeys)
    made = []
    for name in names:
        for _ in range(100):
            (outcome,) = situation.event(name, after_ms=1)
            assert isinstance(outcome, Outcome)
            made.append(outcome)
            situation.receipt(outcome.key, delivered=True)
    held = [each for each in made if each.outcome != "sent"]
    assert len(made) - len(held) == len(situation.contact().messages) == MESSAGES_COUNTED_MAX
    assert {each.reason for each in held} == {
        f"caps: {MESSAGES_COUNTED_MAX} messages count for them already"
    }
    situation.pass_time(31 * DAY_MS)
    assert outcomes(situation.event("j-0")) == [("j-0", "sent")]
    assert len(situation.contact().messages) == MESSAGES_KEPT_MAX


@pytest.mark.parametrize("seed", range(40))
def test_room_is_made_by_the_oldest_that_no_cap_misses_whatever_fails_later(seed: int) -> None:
    chance = Random(seed)
    rules, contact, now_ms = Rules(), Contact("c-1"), 0
    settled_share = chance.choice([0, 0.5, 1, 1])
    for i in range(chance.randint(MESSAGES_KEPT_MAX - 1, 2 * MESSAGES_KEPT_MAX)):
        now_ms += chance.randint(1, 8)
        sent = Sent(now_ms, chance.choice("abc"), "mail", "email", "", f"m-{i}")
        contact.messages.append(sent)
        if chance.random() >= settled_share:
            contact.pending.append(pending_of(sent))
    for journeys in chance.choice(["", "a", "abc", ["ab", "b", ""], ["ab", ""]]):
        cap = Cap(chance.randint(30, 100), chance.randint(200, 1_500), "")
        cap.journeys = frozenset(journeys) or None
        if cap.journeys is None:
            rules.caps.append(cap)
        for each in journeys:
            rules.caps_counting.setdefault(each, []).append(cap)
    all_caps = [*rules.caps, *(cap for caps in rules.caps_counting.values() for cap in caps)]
    before = contact.messages[:]
    forget_uncounted(contact, rules, now_ms)
    kept = contact.messages
    forgotten = [each for each in before if each not in kept]
    assert kept == [each for each in before if each in kept]
    assert len(kept) >= min(len(before), MESSAGES_KEPT_MAX - 1)
    unsettled = {pending.key for pending in contact.pending}
    for cap in all_caps:
        for after_ms in (now_ms - cap.span_ms, now_ms - cap.span_ms // 2):
            full = nth_newest(cap, before, after_ms) is not None
            assert (nth_newest(cap, kept, after_ms) is not None) is full
        # Were all to fail that still can, a cap would count the same.
        settled = [each for each in before if each.key not in unsettled]
        left = [each for each in kept if each.key not in unsettled]
        full = nth_newest(cap, settled, now_ms - cap.span_ms) is not None
        assert (nth_newest(cap, left, now_ms - cap.span_ms) is not None) is full
    missed = {
        each.key for i, each in enumerate(before) if is_missed(i, before, unsettled, all_caps)
    }
    assert not any(each.key in missed for each in forgotten)
    if len(kept) >= MESSAGES_KEPT_MAX:
        assert {each.key for each in kept} == missed
    elif forgotten:
        assert len(kept) == MESSAGES_KEPT_MAX - 1


def pending_of(sent: Sent) -> Pending:
    return Pending(sent.key, sent.journey, sent.node, sent.channel, "", "", "", sent.at_ms, {}, [])


def is_missed(i: int, messages: list[Sent], unsettled: set[str], caps: list[Cap]) -> bool:
    """Say whether a cap counts this message, and could do without only if newer ones failed."""
    now_ms = messages[-1].at_ms
    for cap in caps:
        if counts(cap, messages[i]) and messages[i].at_ms > now_ms - cap.span_ms:
            newer = [each for each in messages[i + 1 :] if counts(cap, each)]
            if sum(each.key not in unsettled for each in newer) < cap.messages:
                return True
    return False


GROUPED = {"one": {"per": "session"}}


@pytest.mark.parametrize(
    ("cap", "settings", "expected"),
    [
        ({"messages": 0, "per": "1d"}, {}, ("messages", "0 is out of range")),
        ({"messages": 101, "per": "1d"}, {}, ("messages", "101 is out of range")),
        ({"messages": 1, "per": "dya"}, {}, ("per", "there is no period 'dya'")),
        ({"messages": 1, "per": "400d"}, {}, ("per", "400d is out of range")),
        ({"messages": 1, "per": "day", "group": "one"}, {}, ("group", "there is no group 'one'")),
        ({"messages": 1, "per": "day", "purpose": "new"}, {}, ("purpose", "no purpose 'new'")),
        ({"messages": 1, "per": "day", "group": "one"}, {"groups": GROUPED}, ("", "")),
    ],
)
def test_a_cap_that_counts_nothing_is_refused(
    cap: dict[str, Any], settings: dict[str, Any], expected: tuple[str, str]
) -> None:
    for own in (False, True):
        fields: dict[str, Any] = {"caps": [cap], "group": "one"} if own else {}
        if "groups" not in settings:
            fields.pop("group", None)
        rules = settings | ({} if own else {"caps": [cap]})
        _, mistakes = compile_publication(
            Publication(
                journeys={"j.yaml": journey(**fields)},
                settings=rules,
                templates={"hello.en": "x"},
            )
        )
        found = [(each.path, each.problem) for each in mistakes]
        assert len(found) == bool(expected[0])
        for path, problem in found:
            assert path == f"$.caps[0].{expected[0]}"
            assert expected[1] in problem


def test_a_journey_counts_no_other_group_than_its_own() -> None:
    cap = {"messages": 1, "per": "day", "group": "one"}
    _, (mistake,) = compile_publication(
        Publication(
            journeys={"j.yaml": journey(caps=[cap])},
            settings={"groups": GROUPED},
            templates={"hello.en": "x"},
        )
    )
    assert (mistake.path, mistake.problem) == (
        "$.caps[0].group",
        "this journey is not in 'one'",
    )


def test_a_journey_s_cap_may_count_its_whole_group() -> None:
    cap = {"messages": 1, "per": "week", "group": "one"}
    situation = Situation(
        journey("a", group="one", priority=0),
        journey("b", group="one", priority=1, entry={"event": "ho"}, caps=[cap]),
        journey("c", entry={"event": "ha"}),
        groups=GROUPED,
    )
    assert outcomes(situation.event("ha")) == [("c", "sent")]
    assert outcomes(situation.event("hi")) == [("a", "sent")]
    outcome = only_outcome(situation.event("ho"))
    assert (outcome.outcome, outcome.reason) == ("capped", "group one: 1 a week")
