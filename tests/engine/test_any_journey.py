"""Whatever journey of these nodes, whatever comes: the same each way it is folded, and no fault."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from engine.decision import SENT, Decision, Outcome
from engine.limits import FAR_MS
from tests.engine.situation import DAY_MS, HOUR_MS, MINUTE_MS, Situation, mail
from tests.publications import journey

SIZE = 6
IDS = [f"n{i}" for i in range(SIZE)]
ZONES = ["contact", "Europe/Berlin", "America/New_York"]
NAMES = ["hi", "next", "again", "identify"]


@some.composite
def nodes(draw: some.DrawFn) -> list[dict[str, Any]]:
    """Draw nodes that are all reached, and go back only from where visits always stay."""
    drawn = []
    for i, id in enumerate(IDS):
        last = i == SIZE - 1
        ahead = some.sampled_from(IDS[i + 1 :] or IDS[-1:])
        anywhere = some.sampled_from(IDS)
        kind = draw(some.sampled_from(KINDS[:3] if last else KINDS))
        drawn.append(kind(draw, ahead, anywhere, IDS[-1 if last else i + 1]) | {"id": id})
    return drawn


def sends(draw: Any, ahead: Any, anywhere: Any, following: str) -> dict[str, Any]:
    return mail()


def waits(draw: Any, ahead: Any, anywhere: Any, following: str) -> dict[str, Any]:
    return {"wait": draw(some.sampled_from(["1ms", "20m", "1d"]))}


def waits_until(draw: Any, ahead: Any, anywhere: Any, following: str) -> dict[str, Any]:
    until = draw(
        some.sampled_from(
            [
                {"time": "09:00"},
                {"weekdays": ["mon", "thu"]},
                {"between": ["22:00", "06:00"]},
                {"attribute": "due"},
                {"attribute": "due", "time": "12:00", "offset": "-1d"},
            ]
        )
    )
    return {"wait": until | {"zone": draw(some.sampled_from(ZONES))}}


def waits_for(draw: Any, ahead: Any, anywhere: Any, following: str) -> dict[str, Any]:
    branches = [{"event": "next"}, {"event": "again", "again": True}]
    branches.append({"event": "hi", "same": ["x"], "then": draw(anywhere)})
    return {"wait_for": branches, "timeout": "3h", "else": draw(anywhere)}


def splits(draw: Any, ahead: Any, anywhere: Any, following: str) -> dict[str, Any]:
    when = {"field": "x", "equals": draw(some.integers(0, 1))}
    return {"split": [{"when": when, "then": draw(ahead)}], "else": following}


def switches(draw: Any, ahead: Any, anywhere: Any, following: str) -> dict[str, Any]:
    by = draw(some.sampled_from(["trigger.x", "contact.x", "visit.messages"]))
    return {"switch": by, "cases": {"0": draw(ahead), "1": draw(ahead)}, "else": following}


def falls(draw: Any, ahead: Any, anywhere: Any, following: str) -> dict[str, Any]:
    held_out = {"share": 30, "then": following, "hold_out": True}
    return {"random": [held_out, {"share": 70, "then": draw(ahead)}]}


def takes_part(draw: Any, ahead: Any, anywhere: Any, following: str) -> dict[str, Any]:
    return {"participation": "2h", "else": draw(ahead)}


KINDS = [sends, waits, waits_until, waits_for, splits, switches, falls, takes_part]
inputs = some.lists(
    some.tuples(
        some.sampled_from(NAMES),
        some.integers(0, 1),
        some.sampled_from([0, 1, 10 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS, DAY_MS]),
    ),
    max_size=8,
)


def pass_time(situation: Situation, span_ms: int) -> list[Decision]:
    """Let time pass until nothing is due: one Advance applies a bounded number of timers."""
    decided = situation.pass_time(span_ms)
    while situation.partition.next_due_at_ms <= situation.now_ms:
        decided += situation.pass_time(0)
    return decided


def play(situation: Situation, played: list[Any], *, packed: bool, often: bool) -> list[Decision]:
    """Play the inputs; `packed`: contacts are encoded after each; `often`: time goes in steps."""
    decided = []
    for i, (name, x, pause) in enumerate(played):
        due_ms = situation.now_ms + pause + (2 * x - 1) * DAY_MS
        if often:
            decided += pass_time(situation, pause // 2)
            pause -= pause // 2  # noqa: PLW2901
        payload: dict[str, Any] = {"x": x}
        if name == "identify":
            payload = {"attributes": {"x": x, "due": due_ms, "time_zone": "Asia/Tokyo"}}
        decided += situation.event(name, payload, after_ms=pause, id=f"e-{i}")
        if packed:
            situation.partition.cool()
    return decided + pass_time(situation, 5 * DAY_MS)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(nodes(), inputs)
def test_any_journey_decides_the_same_each_way_it_is_folded(
    drawn: list[dict[str, Any]], played: list[Any]
) -> None:
    situation = Situation(journey(nodes=drawn, reentry={"again": "always", "key": "x"}))
    decided = play(situation, played, packed=False, often=False)
    assert all(isinstance(each, Outcome) for each in decided), decided
    sent = [each.key for each in decided if isinstance(each, Outcome) and each.outcome == SENT]
    assert len(set(sent)) == len(sent)
    if situation.partition.contact_count:
        for visit in situation.contact().visits:
            assert situation.now_ms < visit.due_at_ms < FAR_MS
    for packed, often in ((True, False), (False, True)):
        again = Situation(journey(nodes=drawn, reentry={"again": "always", "key": "x"}))
        assert play(again, played, packed=packed, often=often) == decided
