"""Whatever happened: a draft that changes nothing sends what went out, byte for byte."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.replay.reading import read_at_once
from console.replay.replay import write_outcomes
from engine.fold.succession import Choice, succeed
from engine.fold.succession import source_of as encoded
from engine.language.journey import Publication
from engine.limits import FAR_MS
from tests.console.past import Past, minutes
from tests.engine.machines.shop import JOURNEYS, SETTINGS
from tests.publications import journey, source_of

CONTACTS = [f"c-{number}" for number in range(4)]
ANSWERED = journey(
    "answered",
    entry={"event": "product_view", "when": {"message": "delivered", "within": "3h"}},
    caps=[{"messages": 2, "per": "1h"}],
)
SEEN = {"segment": "seen", "when": {"happened": "product_view", "within": "30d"}}
HOURLY = journey("hourly", entry={"schedule": "0 * * * *", "segment": "seen"}, reentry="3h")
IN_FORCE = (*JOURNEYS, ANSWERED, HOURLY)
RULES: dict[str, Any] = SETTINGS | {"segments": [SEEN]}

contact = st.sampled_from(CONTACTS)
event = st.tuples(
    st.just("event"),
    contact,
    st.sampled_from(["product_view", "cart_update", "purchase"]),
    st.sampled_from([1, 9]),
    st.sampled_from([0, 0, 0, 5, 90]),
)
known = st.tuples(
    st.just("known"), contact, st.sampled_from(["opt_in", "double_opt_in", "opt_out"])
)
happening = st.one_of(
    event,
    event,
    event,
    known,
    st.tuples(st.just("again"), contact),
    st.tuples(st.just("pass"), st.sampled_from([1, 6, 15, 45, 120])),
    st.tuples(st.just("late"), st.sampled_from([6, 45])),
    st.tuples(st.just("hand_over"), st.integers(1, 3)),
    st.tuples(st.just("settle"), st.sampled_from(["", "", "failed", "opened", "clicked"])),
    st.tuples(
        st.just("state"),
        st.sampled_from([each["journey"] for each in IN_FORCE]),
        st.sampled_from(["paused", "live", "live", "ended"]),
    ),
    st.tuples(st.just("crash")),
    st.tuples(st.just("erase"), contact),
)


def lived(past: Past, happenings: list[tuple[Any, ...]]) -> None:  # noqa: C901 - a case for each
    """Let all of it happen; a crash loses what was not committed."""
    last: dict[str, tuple[str, str, Any]] = {}
    for name, *what in happenings:
        match name:
            case "event":
                who, which, price, late = what
                payload = {"price": price, "product": "p"}
                id = past.event(who, which, payload, late_ms=minutes(late))
                last[who] = (which, id, payload)
            case "known":
                past.event(what[0], "identify", {"consent": {"email": what[1]}})
            case "again" if what[0] in last:
                which, id, payload = last[what[0]]
                past.event(what[0], which, payload, id=id)
            case "pass":
                past.pass_ms(minutes(what[0]))
            case "late":  # Timers fall due, and nothing applies them before the next input.
                past.commit()
                past.now_ms += minutes(what[0])
            case "hand_over":
                past.hand_over(what[0])
            case "settle":
                said = what[0]
                kind = said if said in ("opened", "clicked") else ""
                past.settle(kind, delivered=said != "failed")
            case "crash":
                past.crash()
            case "erase":
                past.erase(what[0])
            case "state":
                past.set_state(*what)
            case _:
                pass


def of_a_past(happenings: list[tuple[Any, ...]], check: Callable[[Past], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        past = Past(Path(folder))
        past.publish(*IN_FORCE, **RULES)
        lived(past, happenings)
        past.commit()
        try:
            check(past)
        finally:
            past.close()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(happening, min_size=5, max_size=50))
def test_an_unchanged_draft_gives_what_went_out_byte_for_byte(
    happenings: list[tuple[Any, ...]],
) -> None:
    def check(past: Past) -> None:
        source = source_of(*IN_FORCE, **RULES)
        report, differences = past.against(source)
        assert differences == []
        assert report.refolded_otherwise == 0
        recorded, _ = read_at_once(past.data, FAR_MS, None, 1, lambda _: None)
        drafted = past.drafted(source)
        for name, outcomes in (("real", recorded.outcomes), ("draft", drafted)):
            write_outcomes(past.data / name, outcomes.values())
        assert (past.data / "draft").read_bytes() == (past.data / "real").read_bytes()
        assert report.variants[0].total("real") == sum(
            each.outcome == "sent" for each in recorded.outcomes.values()
        )

    of_a_past([*happenings, ("pass", 1)], check)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(happening, min_size=5, max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_from_and_until_any_moment_an_unchanged_draft_differs_in_nothing(
    happenings: list[tuple[Any, ...]], first: float, last: float
) -> None:
    def check(past: Past) -> None:
        begun_ms, span_ms = past.begun_ms, past.now_ms - past.begun_ms
        from_ms, until_ms = (begun_ms + round(span_ms * each) for each in sorted((first, last)))
        source = source_of(*IN_FORCE, **RULES)
        for asked in ({"from_ms": from_ms}, {"until_ms": until_ms},
                      {"from_ms": from_ms, "until_ms": until_ms}):  # fmt: skip
            _, differences = past.against(source, **asked)
            assert differences == []

    of_a_past(happenings, check)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(happening, min_size=2, max_size=15),
    st.lists(happening, min_size=2, max_size=15),
    st.lists(happening, min_size=5, max_size=25),
    st.sampled_from(["follow", "stay"]),
)
def test_from_after_the_last_change_of_a_file_what_is_in_force_differs_in_nothing(
    before: list[tuple[Any, ...]],
    between: list[tuple[Any, ...]],
    after: list[tuple[Any, ...]],
    in_flight: Any,
) -> None:
    """Whichever versions visits are in, and whatever is paused."""

    def check(past: Past) -> None:
        first = IN_FORCE[0]["journey"]
        changed = [*IN_FORCE[1:], IN_FORCE[0] | {"title": "Otherwise", "exit_on": []}]
        draft = msgspec.json.decode(source_of(*changed, **RULES), type=Publication)
        now = msgspec.json.decode(past.shard.published, type=Publication)
        past.change(succeed(now, draft, {first: Choice(in_flight)}))
        lived(past, between)
        past.commit()
        from_ms = past.now_ms
        lived(past, after)
        report, differences = past.against(encoded(draft), from_ms=from_ms)
        assert differences == []
        assert report.refolded_otherwise == 0

    of_a_past(before, check)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(happening, min_size=5, max_size=40))
def test_each_message_of_either_side_is_counted_once(happenings: list[tuple[Any, ...]]) -> None:
    other = [each for each in IN_FORCE if each["journey"] != "offer"]
    other[0] = other[0] | {"caps": [], "exit_on": []}
    draft = source_of(*other, **RULES | {"caps": []})

    def check(past: Past) -> None:
        report, differences = past.against(draft)
        sums = report.variants[0]
        drafted = [each for each in past.drafted(draft).values() if each.outcome == "sent"]
        assert sums.total("draft") == len(drafted)
        assert sums.total("real") == sums.total("same") + sum(
            each.real_at_ms is not None for each in differences
        )
        assert sums.total("draft") == sums.total("same") + sum(
            each.draft_at_ms is not None for each in differences
        )
        assert sum(count for _, count in sums.reasons) == len(differences) == sums.differences
        hours = [hour for each in sums.hours.values() for hour in each.values()]
        assert [sum(side) for side in zip(*hours, strict=True)] in (
            [[sums.total("real"), sums.total("draft")], []]
        )
        assert all(each.why for each in differences)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(sums), type=type(sums)) == sums

    of_a_past(happenings, check)
