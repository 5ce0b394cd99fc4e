"""History: what is kept of the past, in order, and within bounds."""

from hypothesis import given, settings
from hypothesis import strategies as some

from engine.contacts.happening import happened_at_ms, unpack
from engine.contacts.history import past_of
from engine.limits import HISTORY_EVENTS_MAX, HISTORY_MS, HISTORY_NAMES_MAX
from tests.engine.situation import DAY_MS, GAP_MS, HOUR_MS, NOON_MS, Situation
from tests.publications import journey


def moments(situation: Situation, name: str = "seen") -> list[int]:
    """Return when the remembered events of a name happened, as kept."""
    return [happened_at_ms(each) - NOON_MS for each in situation.contact().history[name]]


def test_an_event_without_a_moment_happened_now() -> None:
    situation = Situation()
    situation.event("seen", after_ms=5)
    assert moments(situation) == [5]


def test_a_moment_to_come_is_now() -> None:
    situation = Situation()
    situation.event("seen", at_ms=NOON_MS + HOUR_MS)
    situation.event("seen", after_ms=5)
    assert moments(situation) == [0, 5]


def test_a_late_event_takes_its_place() -> None:
    situation = Situation()
    for ago in (0, 30, 10, 20, 10):
        situation.event("seen", at_ms=NOON_MS - ago)
    assert moments(situation) == [-30, -20, -10, -10, 0]


@settings(derandomize=True, max_examples=100, deadline=None)
@given(some.lists(some.tuples(some.integers(0, 5), some.integers(-20, 20)), max_size=30))
def test_the_past_is_in_order_whatever_comes(steps: list[tuple[int, int]]) -> None:
    situation = Situation()
    expected = []
    for after_ms, at in steps:
        situation.event("seen", after_ms=after_ms, at_ms=situation.now_ms + after_ms + at)
        expected.append(min(situation.now_ms + at, situation.now_ms) - NOON_MS)
    if steps:
        assert moments(situation) == sorted(expected)


def test_a_product_is_remembered_with_its_fields_and_nothing_else() -> None:
    situation = Situation()
    situation.event(
        "seen", {"product_id": "a", "category": "tea", "price": 5, "quantity": 2, "x": 1}
    )
    (kept,) = past_of(situation.contact(), "seen")
    assert unpack(kept) == [NOON_MS, "a", "tea", 5, 2]


def test_of_each_name_the_latest_two_hundred_are_kept() -> None:
    situation = Situation()
    for _ in range(HISTORY_EVENTS_MAX + 5):
        situation.event("seen", after_ms=1)
    situation.event("other")
    assert moments(situation) == list(range(6, HISTORY_EVENTS_MAX + 6))
    assert len(moments(situation, "other")) == 1


def test_a_late_event_does_not_push_out_a_newer_one() -> None:
    situation = Situation()
    for _ in range(HISTORY_EVENTS_MAX):
        situation.event("seen", after_ms=1)
    situation.event("seen", at_ms=NOON_MS - 1)
    assert moments(situation) == list(range(1, HISTORY_EVENTS_MAX + 1))


def test_names_beyond_the_bound_are_not_remembered() -> None:
    situation = Situation()
    for i in range(HISTORY_NAMES_MAX + 5):
        situation.event(f"n-{i}")
    situation.event("n-0")
    history = situation.contact().history
    assert len(history) == HISTORY_NAMES_MAX
    assert len(history["n-0"]) == 2


def test_what_is_too_old_is_dropped_when_a_session_ends() -> None:
    situation = Situation()
    situation.event("seen")
    situation.event("once")
    situation.event("seen", after_ms=1)
    situation.run_out()
    situation.now_ms = NOON_MS + HISTORY_MS - GAP_MS
    situation.event("other")
    situation.run_out()  # Ends exactly when the first is 30 days old.
    assert moments(situation) == [1]
    assert "once" not in situation.contact().history


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    some.lists(
        some.tuples(some.sampled_from("ab"), some.integers(0, 8), some.integers(0, 40)),
        max_size=12,
    )
)
def test_after_a_session_nothing_is_kept_but_the_last_thirty_days(
    steps: list[tuple[str, int, int]],
) -> None:
    situation = Situation()
    past: dict[str, list[int]] = {}
    for name, later, ago in steps:
        situation.now_ms = max(situation.now_ms, situation.partition.now_ms) + later * DAY_MS
        at_ms = situation.now_ms - ago * DAY_MS
        situation.event(name, at_ms=at_ms)
        situation.run_out()
        ended_ms = situation.partition.now_ms
        past.setdefault(name, []).append(at_ms)
        past = {
            each: sorted(at for at in moments if at > ended_ms - HISTORY_MS)
            for each, moments in past.items()
        }
        history = situation.contact().history
        kept = {each: [happened_at_ms(it) for it in them] for each, them in history.items()}
        assert kept == {each: moments for each, moments in past.items() if moments}


def test_decisions_look_back_thirty_days_even_where_more_is_kept() -> None:
    """Sweeping is for memory only: what is too old decides nothing in the meantime either."""
    when = {"happened": "seen", "within": "30d"}
    situation = Situation(journey(entry={"event": "hi", "when": when}))
    situation.event("seen")
    assert situation.event("hi", after_ms=HISTORY_MS) == []
    assert "seen" in situation.contact().history
