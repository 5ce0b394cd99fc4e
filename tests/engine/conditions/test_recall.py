"""Looking back at past events, against a plain model over a list of all that happened."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from engine.conditions.condition import Test
from engine.conditions.reads import Reads
from engine.contacts.contact import Contact, Visit
from engine.input import SESSION_START
from engine.limits import FAR_MS
from engine.moment import Moment
from engine.notes import Notes
from tests.engine.situation import NOON_MS, Situation, decide, mail
from tests.publications import journey

GAP = 10
NAMES = ("a", "b", "c")
OUTSIDE = "c"
"""The one whose events are in no session."""

each_history = settings(derandomize=True, max_examples=300, deadline=None)

payloads = some.fixed_dictionaries(
    {},
    optional={
        "price": some.sampled_from([0, 1, 2, 2.5, True, "2", None]),
        "item": some.fixed_dictionaries({}, optional={"color": some.sampled_from(["red", 1, 1.0])}),
        "order_id": some.sampled_from(["x", "y", 1, True, None]),
    },
)
steps = some.lists(
    some.tuples(some.sampled_from(NAMES), some.integers(0, 8), some.integers(-2, 12), payloads),
    max_size=10,
)
"""Name, how long after the one before it came, how old it was then, payload."""
wheres = some.sampled_from(
    [
        {"field": "price", "at_least": 2},
        {"not": {"field": "item.color", "equals": "red"}},
        {"all": [{"field": "price", "exists": True}, {"field": "order_id", "equals": "x"}]},
        {"any": [{"field": "price", "less_than": 1}, {"field": "item.color", "exists": False}]},
    ]
)


def text_of(offset: int) -> str:
    """Return the moment so long after noon as an author writes it."""
    return f"2023-11-14T22:13:20.{offset:03}"


@some.composite
def conditions(draw: some.DrawFn) -> dict[str, Any]:
    """Draw a condition on the past."""
    names = draw(some.lists(some.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    condition: dict[str, Any] = {}
    within = draw(some.sampled_from(["", "", "session", "visit", *SPANS]))
    if within:
        condition["within"] = within
    since = draw(some.none() | some.sampled_from(NAMES))
    if since is not None and since not in names:
        condition["since"] = since
    if draw(some.integers(0, 3)) == 0:
        first = draw(some.integers(0, 60))
        condition["between"] = [text_of(first), text_of(first + draw(some.integers(1, 40)))]
    if draw(some.integers(0, 1)) == 1:
        condition["where"] = draw(wheres)
    if draw(some.integers(0, 2)) == 0:
        condition["same"] = ["order_id"]
    if draw(some.integers(0, 4)) == 0:
        return condition | {"not_happened": names}
    condition["happened"] = names[0] if len(names) == 1 else names
    measure = draw(some.sampled_from(["", "", "sum", "max", "min", "average", "distinct"]))
    if measure:
        condition[measure] = draw(some.sampled_from(["price", "item.color"]))
    bounds = draw(some.sampled_from([["at_least"], ["at_most"], ["at_least", "at_most"],
                                     ["exactly"], *([] if measure else [[]])]))  # fmt: skip
    for bound in bounds:
        condition[bound] = draw(some.integers(0, 3))
    if bounds == ["at_least", "at_most"]:
        condition["at_most"] += condition["at_least"]
    return condition


SPANS = [f"{span}ms" for span in (1, 2, 3, 5, 8, 12, 20, 30)]
triggers = some.fixed_dictionaries(
    {}, optional={"order_id": some.sampled_from(["x", "y", 1, 1.0, None])}
)


class Past:
    """The same history twice: in a partition, and as a plain list."""

    def __init__(self, condition: dict[str, Any], trigger: dict[str, Any], entered: int) -> None:
        self.situation = Situation()
        self.ask(condition)
        self.visit = Visit("v", "hello", "decide", NOON_MS + entered, 0, FAR_MS, trigger, [])
        self.events: list[tuple[str, int, int, dict[str, Any]]] = []
        """Name, when it happened, when it came, payload."""
        self.session: tuple[int, int] | None = None
        """When it began, and when it ends."""

    def ask(self, condition: dict[str, Any]) -> None:
        """Let it be about this condition from now on."""
        self.condition = condition
        program = journey(entry={"event": "go"}, nodes=[decide(condition), mail()])
        self.situation.publish(program, session_gap=f"{GAP}ms", no_session=[OUTSIDE])

    def ask_sharply(self) -> None:
        """Let the condition hold for exactly the value that there is: any other shows."""
        value = None if "not_happened" in self.condition else self.value()
        if value is not None and value >= 0:
            self.ask(bounded(self.condition, value))

    @property
    def test(self) -> Test:
        """The compiled condition."""
        place = self.situation.partition.programs.by_journey["hello"].places["decide"]
        return place.tests()[0]

    def add(self, name: str, later: int, ago: int, payload: dict[str, Any]) -> None:
        """Let an event happen `ago`, and come now, so long after the one before."""
        self.situation.event(
            name, payload, after_ms=later, at_ms=self.situation.now_ms + later - ago
        )
        now_ms = self.situation.now_ms
        self.events.append((name, min(now_ms, now_ms - ago), now_ms, payload))
        self._end_session()
        if name != OUTSIDE:
            began_ms = now_ms if self.session is None else self.session[0]
            self.session = (began_ms, now_ms + GAP)

    def wait(self, span_ms: int) -> None:
        """Let time pass."""
        self.situation.pass_time(span_ms)
        self._end_session()

    def _end_session(self) -> None:
        if self.session is not None and self.situation.now_ms >= self.session[1]:
            self.session = None

    def moment(self) -> Moment:
        """Return the moment now, in the visit."""
        programs, now_ms = self.situation.partition.programs, self.situation.now_ms
        contact = self.situation.partition.contact("c-1") or Contact("c-1")
        moment = Moment(programs.rules, contact, now_ms, Notes(), {"order_id": "z"})
        moment.visit = self.visit
        return moment

    def holds(self) -> bool:
        """Say whether the condition holds now."""
        return bool(self.test.holds(self.moment()))

    def expected(self) -> bool:
        """Say the same by the list."""
        asked = self.condition
        if "not_happened" in asked:
            return not self._meant()
        value = self.value()
        if value is None:
            return False
        if "exactly" in asked:
            return bool(value == asked["exactly"])
        least = asked.get("at_least", 0 if "at_most" in asked else 1)
        return bool(least <= value <= asked.get("at_most", value))

    def value(self) -> float | None:
        """Return what is compared."""
        return measured(self.condition, self._meant())

    def _meant(self) -> list[dict[str, Any]]:
        asked = self.condition
        names: str | list[str] = asked.get("happened") or asked["not_happened"]
        return [
            payload
            for name, at_ms, came_ms, payload in self.events
            if name in ([names] if isinstance(names, str) else names)
            and self._is_within(name, at_ms, came_ms)
            and self._is_after_and_between(at_ms)
            and self._is_same(payload)
            and ("where" not in asked or matches(asked["where"], payload))
        ]

    def _is_within(self, name: str, at_ms: int, came_ms: int) -> bool:
        within = self.condition.get("within", "")
        if within == "visit":
            return at_ms > self.visit.entered_at_ms
        if within == "session":
            if self.session is None or name == OUTSIDE:
                return False
            return came_ms >= self.session[0] and at_ms > self.session[0] - GAP
        return not within or at_ms > self.situation.now_ms - int(within[:-2])

    def _is_after_and_between(self, at_ms: int) -> bool:
        asked = self.condition
        if any(name == asked.get("since") and at_ms <= at for name, at, *_ in self.events):
            return False
        if "between" not in asked:
            return True
        first, second = (int(text[-3:]) for text in asked["between"])
        return first <= at_ms - NOON_MS < second

    def _is_same(self, payload: dict[str, Any]) -> bool:
        if "same" not in self.condition:
            return True
        value, wanted = payload.get("order_id"), self.visit.trigger.get("order_id")
        return value is not None and value is not True and bool(value == wanted)


def bounded(condition: dict[str, Any], value: float) -> dict[str, Any]:
    """Return the condition with this value instead of its bounds."""
    bounds = ("at_least", "at_most", "exactly")
    rest = {name: said for name, said in condition.items() if name not in bounds}
    return rest | {"exactly": value}


def matches(where: dict[str, Any], payload: dict[str, Any]) -> bool:
    """Say what each of `wheres` means, in another way."""
    price, color = payload.get("price"), payload.get("item", {}).get("color")
    number = price if isinstance(price, int | float) and price is not True else None
    if "not" in where:
        return bool(color != "red")
    if "all" in where:
        return price is not None and bool(payload.get("order_id") == "x")
    if "any" in where:
        return (number is not None and number < 1) or color is None
    return number is not None and number >= 2


def measured(asked: dict[str, Any], found: list[dict[str, Any]]) -> float | None:
    """Return what is compared."""
    measure = next((each for each in MEASURES if each in asked), None)
    if measure is None:
        return len(found)
    path = asked[measure]
    values = [
        each.get("price") if path == "price" else each.get("item", {}).get("color")
        for each in found
    ]
    numbers = [each for each in values if isinstance(each, int | float) and each is not True]
    match measure:
        case "distinct":
            texts = {each for each in values if isinstance(each, str)}
            return len(texts) + len(set(numbers)) + any(each is True for each in values)
        case "sum":
            return sum(numbers)
        case "average":
            return sum(numbers) / len(numbers) if numbers else None
        case "max":
            return max(numbers, default=None)
        case _:
            return min(numbers, default=None)


MEASURES = ("sum", "max", "min", "average", "distinct")


@each_history
@given(conditions(), triggers, some.integers(0, 40), steps, some.integers(0, 12))
def test_looking_back_agrees_with_a_plain_model(
    condition: dict[str, Any],
    trigger: dict[str, Any],
    entered: int,
    happening: list[tuple[str, int, int, dict[str, Any]]],
    later: int,
) -> None:
    past = Past(condition, trigger, entered)
    for step in happening:
        past.add(*step)
        assert past.holds() is past.expected()
    past.wait(later)
    assert past.holds() is past.expected()
    past.ask_sharply()
    assert past.holds() is past.expected()
    value = past.condition.get("exactly", 0)
    if "not_happened" not in condition and value >= 1:
        past.ask(bounded(condition, value - 1))
        assert past.holds() is past.expected()


@each_history
@given(conditions(), triggers, some.integers(0, 40), steps)
def test_nothing_changes_before_the_promised_moment(
    condition: dict[str, Any],
    trigger: dict[str, Any],
    entered: int,
    happening: list[tuple[str, int, int, dict[str, Any]]],
) -> None:
    past = Past(condition, trigger, entered)
    for step in happening:
        past.add(*step)
    past.ask_sharply()
    held, promised_ms = past.holds(), past.test.changes_at_ms(past.moment())
    assert promised_ms > past.situation.now_ms
    for _ in range(40):
        past.wait(1)
        if past.situation.now_ms >= promised_ms:
            held, promised_ms = past.holds(), past.test.changes_at_ms(past.moment())
        assert past.holds() is held


@each_history
@given(conditions(), triggers, some.integers(0, 40), steps, some.sampled_from([*NAMES, "other"]))
def test_an_event_that_is_not_read_changes_nothing(
    condition: dict[str, Any],
    trigger: dict[str, Any],
    entered: int,
    happening: list[tuple[str, int, int, dict[str, Any]]],
    name: str,
) -> None:
    past = Past(condition, trigger, entered)
    for step in happening:
        past.add(*step)
    past.ask_sharply()
    reads = Reads()
    past.test.note_reads(reads)
    moving = reads.moving_names()
    if name in moving or (past.session is None and SESSION_START in moving):
        return
    held = past.holds()
    past.add(name, 0, 0, {"price": 3, "order_id": "x"})
    assert past.holds() is held
