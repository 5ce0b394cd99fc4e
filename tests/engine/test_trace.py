"""A visit's way as a trace tells it: each node it came to, why it went on, and why it ended."""

from typing import Any

from engine.contacts.identity import visit_id
from engine.fact import Fact
from engine.input import Advance, ContactInput, Event, Publish
from engine.limits import FAR_MS
from engine.partition import Partition
from engine.trace import COMES, EVENT, TIME, EndNote, NodeNote, Trace
from tests.engine.nodes.test_await import wait_for
from tests.engine.situation import HOUR_MS, NOON_MS, decide, mail, wait
from tests.publications import journey, source_of, version

NODES = [wait("1h"), wait_for("bought"), decide({"field": "price", "less_than": 5}), mail()]
VISIT = visit_id("hello", "c-1", "e-1")


def came(name: str, **payload: Any) -> Event:
    return Event(f"e-{1 if name == 'hi' else 2}", "c-1", name, None, payload)


def notes(
    *inputs: tuple[int, ContactInput | Advance | Publish],
    nodes: list[dict[str, Any]] = NODES,
    exit_on: list[str] | None = None,
    **settings: Any,
) -> list[NodeNote | EndNote]:
    """Fold the journey's publish and these, each so long after noon; return the visit's notes."""
    trace = Trace()
    partition = Partition(0, trace)
    partition.fold(
        Publish(source_of(journey(nodes=nodes, exit_on=exit_on or []), **settings)), NOON_MS
    )
    for after_ms, input in inputs:
        partition.fold(input, NOON_MS + after_ms)
    return [each for each in trace if isinstance(each, NodeNote | EndNote)]


def noted(after_ms: int, node: str, how: str, *facts: Fact, **way: Any) -> NodeNote:
    return NodeNote(
        at_ms=NOON_MS + after_ms,
        journey="hello",
        visit=VISIT,
        node=node,
        how=how,
        key=f"{VISIT}.{node}.1",
        facts=list(facts),
        **way,
    )


def ended(after_ms: int, node: str, reason: str, cause: str) -> EndNote:
    return EndNote(
        at_ms=NOON_MS + after_ms,
        journey="hello",
        visit=VISIT,
        node=node,
        outcome="declined",
        reason=reason,
        cause=cause,
        key=f"{VISIT}.{node}.1",
    )


WAITED = [
    noted(0, "wait", COMES, until_ms=NOON_MS + HOUR_MS),
    noted(HOUR_MS, "wait", TIME, goes_to="await"),
    noted(HOUR_MS, "await", COMES, until_ms=NOON_MS + 2 * HOUR_MS),
]
HEARD = noted(
    HOUR_MS + 1,
    "await",
    EVENT,
    Fact(what="bought", holds=True, wanted="leads to decide"),
    goes_to="decide",
)


def test_each_node_is_told_and_where_it_led() -> None:
    cheap = Fact(what="price", holds=True, wanted="less than 5", found=3)
    told = notes(
        (0, came("hi", price=3)),
        (HOUR_MS, Advance(NOON_MS + HOUR_MS)),
        (HOUR_MS + 1, came("bought")),
    )
    assert told == [
        *WAITED,
        HEARD,
        noted(HOUR_MS + 1, "decide", COMES, cheap, goes_to="mail"),
        noted(HOUR_MS + 1, "mail", COMES, goes_to=""),
        ended(HOUR_MS + 1, "mail", "no message on its way", "e-2"),
    ]


def test_what_ends_by_time_ends_because_of_the_visit_itself() -> None:
    told = notes((0, came("hi")), (2 * HOUR_MS, Advance(NOON_MS + 2 * HOUR_MS)))
    assert told == [
        *WAITED,
        noted(2 * HOUR_MS, "await", TIME, goes_to=""),
        ended(2 * HOUR_MS, "await", "await: nothing came in 1h", VISIT),
    ]


def test_a_visit_of_a_paused_journey_is_told_to_stand_before_its_node() -> None:
    pause = Publish(source_of(journey(nodes=NODES), versions={"hello": version(1, state="paused")}))
    told = notes(
        (0, came("hi", price=3)),
        (HOUR_MS, Advance(NOON_MS + HOUR_MS)),
        (HOUR_MS, pause),
        (HOUR_MS + 1, came("bought")),
    )
    not_paused = Fact(what="not paused", holds=False)
    waits = noted(HOUR_MS + 1, "decide", COMES, not_paused, until_ms=FAR_MS)
    assert told == [*WAITED, HEARD, waits]


def test_an_event_that_nothing_waits_for_is_not_told() -> None:
    told = notes((0, came("hi")), (1, came("other")))
    assert told == WAITED[:1]


def test_an_exit_is_told_with_the_event_that_caused_it() -> None:
    trace = Trace()
    partition = Partition(0, trace)
    hello = journey(nodes=[wait("1h"), mail()], exit_on=["bought"])
    partition.fold(Publish(source_of(hello)), NOON_MS)
    partition.fold(came("hi"), NOON_MS)
    partition.fold(came("bought"), NOON_MS + 1)
    told = [each for each in trace if isinstance(each, NodeNote | EndNote)]
    assert told[0] == WAITED[0]
    assert isinstance(told[1], EndNote)
    assert (told[1].outcome, told[1].node, told[1].cause) == ("exited", "wait", "e-2")


def test_an_event_that_is_not_as_it_is_waited_for_leaves_the_visit_where_it_is() -> None:
    cheap = {"event": "bought", "when": {"field": "price", "less_than": 5}}
    told = notes((0, came("hi")), (1, came("bought", price=5)), nodes=[wait_for(cheap), mail()])
    part = Fact(what="price", holds=False, wanted="less than 5", found=5)
    heard = Fact(what="bought", holds=False, wanted="leads to mail", parts=[part])
    until_ms = NOON_MS + HOUR_MS
    assert told == [
        noted(0, "await", COMES, until_ms=until_ms),
        noted(1, "await", EVENT, heard, until_ms=until_ms),
    ]


def test_a_message_that_quiet_hours_hold_is_asked_for_again_when_they_are_over() -> None:
    quiet = {"email": {"from": "22:00", "to": "23:00"}}  # It is 22:13:20.
    over_ms = 2_800_000
    comes, again, _ = notes(
        (0, Event("e-0", "c-1", "consent", None, {"email": "opt_in"})),
        (0, came("hi")),
        (over_ms, Advance(NOON_MS + over_ms)),
        nodes=[mail(purpose="marketing")],
        quiet_hours=quiet,
    )
    assert isinstance(comes, NodeNote)
    assert isinstance(again, NodeNote)
    assert [fact.holds for fact in comes.facts] == [True, False]
    assert [fact.holds for fact in again.facts] == [True]
    assert (comes.how, comes.until_ms, again.how, again.goes_to) == (
        COMES,
        NOON_MS + over_ms,
        TIME,
        "",
    )


def test_a_message_that_has_to_wait_again_is_told_to_stay_until_then() -> None:
    day_ms = 24 * HOUR_MS
    trace = Trace()
    partition = Partition(0, trace)
    waits = mail(on_cap="wait")
    first = journey("first", nodes=[mail(), wait("24h"), waits | {"id": "next"}], priority=1)
    source = source_of(first, journey(nodes=[waits]), caps=[{"messages": 1, "per": "24h"}])
    partition.fold(Publish(source), NOON_MS)
    partition.fold(came("hi"), NOON_MS)
    partition.fold(Advance(NOON_MS + day_ms), NOON_MS + day_ms)
    told = [each for each in trace if isinstance(each, NodeNote) and each.journey == "hello"]
    assert [(each.how, each.at_ms - NOON_MS, (each.until_ms or 0) - NOON_MS) for each in told] == [
        (COMES, 0, day_ms),
        (TIME, day_ms, 2 * day_ms),
    ]


def test_each_time_a_visit_comes_to_a_node_has_a_key_of_its_own() -> None:
    told = notes(
        (0, came("hi")),
        (HOUR_MS, Advance(NOON_MS + HOUR_MS)),
        (HOUR_MS, came("bye")),
        nodes=[wait("1h", then="wait")],
        exit_on=["bye"],
    )
    assert [each.key for each in told] == [f"{VISIT}.wait.{i}" for i in (1, 1, 2, 2)]
