"""What is kept of past events because conditions look back at it, and for how long."""

from typing import Any

import pytest
from hypothesis import given, settings

from engine.compile.publication import compile_publication
from engine.conditions.condition import Happened, Test
from engine.conditions.reads import Reads
from engine.conditions.recall import Recall, Window
from engine.contacts.happening import fields_of, happened_at_ms, pack, unpack
from engine.contacts.history import past_of
from engine.errors import Mistake
from engine.fold.programs import Programs
from engine.language.journey import Publication
from engine.language.rules import Rules
from engine.limits import (
    HAPPENING_BYTES_MAX,
    HAPPENING_KEPT_BYTES_MAX,
    HAPPENING_KEPT_MAX,
    HISTORY_EVENTS_MAX,
    HISTORY_MS,
)
from engine.moment import Moment
from engine.notes import Notes
from tests.engine.payloads import payloads
from tests.engine.situation import (
    DAY_MS,
    HOUR_MS,
    NOON_MS,
    Situation,
    decide,
    mail,
    outcomes,
    wait,
)
from tests.publications import journey


def asks(condition: dict[str, Any], name: str = "hello") -> dict[str, Any]:
    """Return a journey that is entered on `hi` where the condition holds."""
    return journey(name, entry={"event": "hi", "when": condition})


def kept(situation: Situation, name: str = "seen") -> list[Any]:
    """Return the remembered events of a name, unpacked."""
    return [unpack(each) for each in past_of(situation.contact(), name)]


RED = {"happened": "seen", "where": {"field": "item.color", "equals": "red"}}


def test_fields_that_a_condition_names_are_kept_of_events_of_that_name_alone() -> None:
    situation = Situation(asks(RED), asks({"happened": "seen", "sum": "total", "at_least": 9}, "b"))
    payload = {"item": {"color": "red", "size": 4}, "total": 9, "other": 1}
    situation.event("seen", payload)
    situation.event("other", payload)
    assert kept(situation) == [[NOON_MS, None, None, None, None, {"item.color": "red", "total": 9}]]
    assert kept(situation, "other") == [NOON_MS]
    assert fields_of(kept(situation)[0]) == {"item": {"color": "red"}, "total": 9}


def test_a_price_without_a_product_is_kept_where_it_is_asked() -> None:
    payload = {"price": 5}
    asked = Situation(asks({"happened": "seen", "sum": "price", "at_least": 5}))
    asked.event("seen", payload)
    assert kept(asked) == [[NOON_MS, None, None, 5, None]]
    assert asked.event("hi")
    unasked = Situation(asks({"happened": "seen"}))
    unasked.event("seen", payload)
    assert kept(unasked) == [NOON_MS]


def test_events_from_before_a_publish_lack_what_it_names() -> None:
    situation = Situation()
    situation.event("seen", {"item": {"color": "red"}})
    situation.publish(asks(RED))
    assert situation.event("hi") == []
    situation.event("seen", {"item": {"color": "red"}})
    assert situation.event("hi")


@pytest.mark.parametrize(
    ("packed", "fields"),
    [
        (pack(5), {}),
        (pack((5, "a", None, 2.5, 0)), {"product_id": "a", "price": 2.5, "quantity": 0}),
        (pack((5, "a", "b", 1, 2, {"x": 1, "price.net": 3})),
         {"product_id": "a", "category": "b", "price": 1, "quantity": 2, "x": 1}),
        (pack((5, None, None, None, None, {"a": {"b": 1}, "a.b": 1, "c.d.e": 2})),
         {"a": {"b": 1}, "c": {"d": {"e": 2}}}),
    ],
)  # fmt: skip
def test_every_form_of_a_past_event_is_read(packed: bytes, fields: dict[str, Any]) -> None:
    assert happened_at_ms(packed) == 5
    assert fields_of(unpack(packed)) == fields


WIDE = {"all": [{"field": name, "exists": True} for name in ("items", "x.y", "price", "a")]}


@settings(derandomize=True, max_examples=150, deadline=None)
@given(payloads)
def test_whatever_is_kept_is_bounded_and_no_payload_is_poison(payload: dict[str, Any]) -> None:
    situation = Situation(asks({"happened": "seen", "where": WIDE}))
    situation.event("seen", payload | {"a": "a" * len(str(payload)) * 9})
    assert situation.decisions == []
    (packed,) = past_of(situation.contact(), "seen")
    assert len(packed) <= HAPPENING_BYTES_MAX + HAPPENING_KEPT_BYTES_MAX + 20
    fields = fields_of(unpack(packed))
    assert all(payload[name] == value for name, value in fields.items() if name != "a")


def test_a_field_too_long_is_missing_and_the_others_are_there() -> None:
    situation = Situation(asks({"happened": "seen", "where": WIDE}))
    situation.event("seen", {"a": "a" * 600, "items": "b" * 300, "x": {"y": 1}, "price": "c" * 300})
    assert fields_of(kept(situation)[0]) == {"items": "b" * 300, "x": {"y": 1}}


def test_events_are_kept_as_long_as_conditions_look_back_at_them_and_no_longer() -> None:
    situation = Situation(asks({"happened": "seen", "within": "90d"}))
    situation.event("seen")
    situation.event("other")
    situation.event("hi", after_ms=90 * DAY_MS - 1)
    situation.run_out()  # The session's end forgets.
    assert (kept(situation), kept(situation, "other")) == ([], [])
    situation = Situation(asks({"happened": "seen", "within": "90d"}))
    situation.event("seen")
    situation.event("other", after_ms=1)
    situation.event("more", after_ms=60 * DAY_MS)
    situation.run_out()
    assert (kept(situation), kept(situation, "other")) == ([NOON_MS], [])
    situation.now_ms = NOON_MS + 90 * DAY_MS - 1
    assert situation.event("hi")
    assert situation.event("hi", after_ms=1) == []


def test_a_contact_who_never_has_a_session_is_forgotten_too() -> None:
    situation = Situation(no_session=["seen"])
    situation.event("seen")
    situation.event("seen", after_ms=HISTORY_MS)
    assert kept(situation) == [NOON_MS + HISTORY_MS]


def test_nor_is_what_is_asked_for_longer() -> None:
    situation = Situation(asks({"happened": "seen", "within": "90d"}), no_session=["seen"])
    situation.event("seen")
    situation.event("seen", after_ms=90 * DAY_MS - 1)
    assert len(kept(situation)) == 2
    situation.event("seen", after_ms=1)
    assert len(kept(situation)) == 2


def test_a_long_memory_is_bounded_by_count() -> None:
    situation = Situation(asks(RED | {"within": "400d"}))
    for _ in range(HISTORY_EVENTS_MAX + 5):
        situation.event("seen", {"item": {"color": "red"}}, after_ms=HOUR_MS)
    assert len(kept(situation)) == HISTORY_EVENTS_MAX


def test_a_late_event_counts_at_its_time_and_a_repeat_not_at_all() -> None:
    latest = {"happened": "seen", "max": "price", "exactly": 7, "since": "mark"}
    situation = Situation(asks(latest))
    situation.event("seen", {"price": 9}, at_ms=NOON_MS - 10)
    situation.event("seen", {"price": 7}, at_ms=NOON_MS)
    assert situation.event("hi") == []
    situation.event("mark", at_ms=NOON_MS - 10)  # What is at the very moment is not after it.
    assert situation.event("hi")
    total = {"happened": "seen", "sum": "price", "exactly": 5}
    situation = Situation(asks(total))
    for _ in range(2):
        situation.event("seen", {"price": 5}, id="same")
    assert situation.event("hi")


def test_cents_add_up() -> None:
    situation = Situation(asks({"happened": "seen", "sum": "price", "exactly": 0.3}))
    situation.event("seen", {"price": 0.1})
    situation.event("seen", {"price": 0.2})
    assert situation.event("hi")


def test_the_session_that_ended_is_looked_at_with_its_first_event() -> None:
    views = {"happened": "seen", "within": "session", "exactly": 2}
    situation = Situation(journey(entry={"event": "session_end", "when": views}))
    situation.event("seen")
    assert situation.run_out() == []
    situation.now_ms = situation.partition.now_ms + HOUR_MS
    situation.event("seen", at_ms=situation.now_ms - 200)  # As it was on its way that long.
    situation.event("seen", after_ms=1)
    assert len(outcomes(situation.run_out())) == 1


def test_another_session_is_looked_at_as_soon_as_it_begins() -> None:
    none = {"happened": "seen", "within": "session", "exactly": 0}
    nodes = [wait("10h"), mail()]
    program = journey(entry={"event": "session_end"}, nodes=nodes, exit_on=[{"when": none}])
    situation = Situation(program)
    situation.event("seen")
    assert situation.pass_time(HOUR_MS) == []
    assert outcomes(situation.event("other")) == [("hello", "exited")]


class Fickle(Test):
    """Comes out otherwise at a moment that each past event names."""

    def holds(self, moment: Moment) -> bool:
        """See Test."""
        return False

    def changes_at_ms(self, moment: Moment) -> int:
        """See Test."""
        at_ms: int = moment.trigger["price"]
        return at_ms


def test_what_is_asked_of_each_event_may_change_by_itself() -> None:
    situation = Situation(asks({"happened": "seen", "sum": "price", "at_least": 5}))
    for at_ms in (70, 50, 60):
        situation.event("seen", {"price": at_ms})
    recall = Recall(["seen"], Window(DAY_MS), 1, 1)
    recall.where, recall.fields = Fickle(), {"price"}
    moment = Moment(Rules(), situation.contact(), situation.now_ms, Notes(), {})
    assert recall.changes_at_ms(moment) == 50


def test_a_visit_is_left_exactly_when_an_event_has_grown_old() -> None:
    idle = {"not_happened": "seen", "within": "1h", "where": {"field": "deep", "equals": 1}}
    situation = Situation(journey(nodes=[wait("10h"), mail()], exit_on=[{"when": idle}]))
    situation.event("seen", {"deep": 1})
    assert situation.event("hi", after_ms=1) == []
    assert situation.pass_time(HOUR_MS - 2) == []
    assert outcomes(situation.pass_time(1)) == [("hello", "exited")]


def test_a_visit_compares_with_the_event_it_was_entered_on() -> None:
    paid = {"happened": "paid", "same": ["order_id"], "within": "visit"}
    situation = Situation(journey(nodes=[wait("1h"), decide(paid), mail()]))
    situation.event("paid", {"order_id": 1})
    situation.event("hi", {"order_id": 1})
    situation.event("paid", {"order_id": 2}, after_ms=1)
    assert ("hello", "sent") not in outcomes(situation.pass_time(HOUR_MS))
    situation.event("hi", {"order_id": 3})
    situation.event("paid", {"order_id": 3}, after_ms=1)
    assert outcomes(situation.pass_time(HOUR_MS)) == [("hello", "sent")]


def published(*journeys: dict[str, Any]) -> tuple[Programs | None, list[Mistake]]:
    """Compile journeys."""
    files = {each["journey"]: each for each in journeys}
    return compile_publication(Publication(journeys=files, templates={"hello.en": ""}))


def compiled(condition: dict[str, Any]) -> tuple[Any, list[tuple[str, str]]]:
    """Return a condition's test, and the mistakes in it."""
    programs, mistakes = published(journey(nodes=[decide(condition), mail()]))
    found = [(each.path.removeprefix("$.nodes[0].if"), each.problem) for each in mistakes]
    assert all(each.fix for each in mistakes)
    test = None if programs is None else programs.by_journey["hello"].places["decide"].tests()[0]
    return test, found


def test_the_plainest_look_back_stays_the_fast_one() -> None:
    assert isinstance(compiled({"happened": "a", "within": "3h", "at_most": 2})[0], Happened)


def test_dates_are_from_midnight_to_midnight() -> None:
    test, _ = compiled({"happened": "a", "between": ["2026-03-29", "2026-03-30"]})
    assert (test.window.from_ms, test.window.until_ms) == (1_774_742_400_000, 1_774_828_800_000)


@pytest.mark.parametrize(
    ("condition", "path", "problem"),
    [
        ({"happened": "identify"}, ".happened", "'identify' is never remembered"),
        ({"not_happened": ["a", "session_end"]}, ".not_happened", "'session_end' is never"),
        ({"happened": []}, ".happened", "0 names"),
        ({"happened": "a", "since": "a"}, ".since", "no 'a' comes after the last one"),
        ({"happened": ["a", "b"], "at_least": 401}, "", "a count of 401 is out of range"),
        ({"happened": "a", "exactly": 1.5}, "", "a count of 1.5 is out of range"),
        ({"happened": "a", "distinct": "x", "at_least": 201}, "", "a count of 201"),
        ({"happened": "a", "exactly": 1, "at_most": 2}, "", "exactly, and a range"),
        ({"happened": "a", "sum": "x"}, "", "sum of a field is compared with nothing"),
        ({"happened": "a", "sum": "x", "max": "x", "at_least": 1}, "", "sum and max together"),
        ({"happened": "a", "sum": "x..y", "at_least": 1}, ".sum", "'x..y' is no path"),
        ({"happened": "a", "same": [""]}, ".same[0]", "'' is no path"),
        ({"happened": "a", "within": "soon"}, ".within", "cannot read 'soon'"),
        ({"happened": "a", "between": ["2026-01-01"]}, ".between", "1 dates"),
        ({"happened": "a", "between": ["2026-01-02", "2026-01-02"]}, ".between", "the first date"),
        ({"happened": "a", "between": ["x", "2026-01-02"]}, ".between[0]", "cannot read 'x'"),
        ({"happened": "a", "where": {"attribute": "x", "equals": 1}}, ".where", "of a past event"),
        ({"happened": "a", "where": {"not": {"happened": "b"}}}, ".where.not", "of a past event"),
        ({"happened": "a", "where": {"field": "x"}}, ".where", "no comparison for 'x'"),
    ],
)
def test_what_cannot_be_is_refused(condition: dict[str, Any], path: str, problem: str) -> None:
    _, ((at, said),) = compiled(condition)
    assert at == path
    assert said.startswith(problem)


@pytest.mark.parametrize("field", ["entry", "goal"])
def test_there_is_no_visit_to_look_back_to_before_it(field: str) -> None:
    condition = {"happened": "a", "within": "visit"}
    fields: dict[str, Any] = {field: {"event": "b", "when": condition}}
    program = journey(**fields)
    _, (mistake,) = published(program)
    assert mistake.path == f"$.{field}.when.within"


def test_more_fields_of_one_event_than_are_kept_are_refused() -> None:
    half = HAPPENING_KEPT_MAX // 2
    journeys = [
        asks(
            {
                "happened": "seen",
                "where": {"all": [{"field": f"{name}{i}", "exists": True} for i in range(half)]},
            },
            name,
        )
        for name in "abc"
    ]
    _, (mistake,) = published(*journeys)
    assert "48 fields of 'seen'" in mistake.problem
    assert published(*journeys[:2])[1] == []


def test_the_event_that_began_the_session_is_in_it_though_it_came_late() -> None:
    situation = Situation(asks({"happened": "seen", "within": "session"}))
    situation.event("seen", at_ms=NOON_MS - 200)
    assert situation.event("hi", after_ms=1)
    situation.event("seen", at_ms=NOON_MS - HOUR_MS, contact="c-2")
    assert situation.event("hi", contact="c-2") == []


def test_true_and_one_are_two_values() -> None:
    situation = Situation(asks({"happened": "seen", "distinct": "it", "exactly": 3}))
    for value in (1, 1.0, True, "1", None, [1]):
        situation.event("seen", {"it": value})
    assert situation.event("hi")


def test_what_a_condition_begins_after_is_read_as_far_back() -> None:
    test, _ = compiled({"not_happened": "a", "since": "b", "within": "60d"})
    reads = Reads()
    test.note_reads(reads)
    assert reads.spans == {"a": 60 * DAY_MS, "b": 60 * DAY_MS}
