"""The fold against a plain model, input by input; and what must not matter to it at all."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from engine.count_table import Window, table_of
from engine.decision import Decision, Delivery, Outcome
from engine.input import Advance, Event, Handover, Input, Publish, Receipt, Verdict, payload_of
from engine.limits import FAR_MS
from engine.partition import Partition
from tests.engine.machines.shop import JOURNEYS, SETTINGS, Model, Said
from tests.engine.recount import numbers_of, outcomes_in, recounted, waiting_in
from tests.engine.situation import MINUTE_MS, NOON_MS, Situation
from tests.publications import source_of

CONTACTS = ("c-1", "c-2")
MINUTES = (0, 0, 0, 0, 5, 10, 10, 20, 30)
PAUSES = (*(each * MINUTE_MS for each in MINUTES), 1, 5 * MINUTE_MS - 1, 10 * MINUTE_MS - 1)
contacts = some.sampled_from(CONTACTS)
pauses = some.sampled_from(PAUSES)
names = some.sampled_from(
    ["product_view", "product_view", "cart_update", "purchase", "page_view", "identify"]
)
levels = some.sampled_from(["double_opt_in", "double_opt_in", "opt_in", "opt_out"])
prices = some.sampled_from([4, 5])
lateness = some.sampled_from([0, 0, 0, 20 * MINUTE_MS - 1, 20 * MINUTE_MS, -MINUTE_MS])


def in_plain_words(decisions: list[Decision]) -> list[Said]:
    """Return decisions as the model says them."""
    said: list[Said] = []
    for each in decisions:
        if isinstance(each, Delivery):
            said.append(("delivery", each.key, each.contact, each.journey, each.node, each.at_ms))
        else:
            assert isinstance(each, Outcome), each
            where = (each.key, each.contact, each.journey, each.node, each.channel)
            said.append((*where, each.at_ms, each.outcome, each.reason))
    return said


class Shop(RuleBasedStateMachine):
    """Two contacts, a clock that only goes forward, and all that may come in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.situation = Situation(*JOURNEYS, **SETTINGS)
        self.model = Model()
        self.inputs: list[tuple[Input, int]] = []
        self.decisions: list[Decision] = []
        self.events: list[Event] = []
        self.keys: list[tuple[str, str]] = []

    @initialize(level=levels)
    def consent_is_given(self, level: str) -> None:
        for contact in CONTACTS:
            self.consent_changes(contact, level, 0)

    def fold(self, input: Input) -> None:
        """Fold an input and compare with what the model has said of it."""
        self.inputs.append((input, self.situation.now_ms))
        made = self.situation.fold(input)
        self.decisions += made
        assert in_plain_words(made) == self.model.take()
        for each in made:
            if isinstance(each, Outcome) and each.outcome == "sent":
                self.keys.append((each.contact, each.key))

    def apply(self, event: Event, price: int, level: str) -> None:
        now_ms = self.situation.now_ms
        assert event.at_ms is not None
        new = self.model.event(
            event.contact, event.id, event.name, price, level, event.at_ms, now_ms
        )
        self.fold(event)
        assert self.situation.verdict == (Verdict.APPLIED if new else Verdict.REPEAT)

    @rule(contact=contacts, name=names, price=prices, pause=pauses, late=lateness)
    def something_happens(self, contact: str, name: str, price: int, pause: int, late: int) -> None:
        self.situation.now_ms += pause
        at_ms = self.situation.now_ms - late
        event = Event(f"e-{len(self.inputs)}", contact, name, at_ms, {"price": price})
        self.events.append(event)
        self.apply(event, price, "")

    @rule(count=some.integers(1, 4), price=prices, pause=pauses)
    def things_are_viewed(self, count: int, price: int, pause: int) -> None:
        for _ in range(count):
            self.something_happens(CONTACTS[0], "product_view", price, pause, 0)

    @rule(contact=contacts, level=levels, pause=pauses)
    def consent_changes(self, contact: str, level: str, pause: int) -> None:
        self.situation.now_ms += pause
        at_ms = self.situation.now_ms
        event = Event(f"e-{len(self.inputs)}", contact, "consent", at_ms, {"email": level})
        self.apply(event, 0, level)

    @precondition(lambda self: self.events)
    @rule(data=some.data(), pause=pauses)
    def something_comes_again(self, data: some.DataObject, pause: int) -> None:
        self.situation.now_ms += pause
        event = data.draw(some.sampled_from(self.events[-4:]))
        self.apply(event, payload_of(event)["price"], "")

    @rule(pause=pauses)
    def time_passes(self, pause: int) -> None:
        self.situation.now_ms += pause
        self.model.advance(self.situation.now_ms)
        self.fold(Advance(self.situation.now_ms))

    @precondition(lambda self: self.keys)
    @rule(data=some.data(), pause=pauses)
    def a_courier_comes(self, data: some.DataObject, pause: int) -> None:
        self.situation.now_ms += pause
        contact, key = data.draw(some.sampled_from(self.keys[-4:]))
        self.model.handover(contact, key, self.situation.now_ms)
        self.fold(Handover(contact, key, self.situation.now_ms))

    @precondition(lambda self: self.keys)
    @rule(data=some.data(), delivered=some.booleans())
    def a_channel_answers(self, data: some.DataObject, *, delivered: bool) -> None:
        contact, key = data.draw(some.sampled_from(self.keys[-4:]))
        self.model.receipt(contact, key, self.situation.now_ms, delivered=delivered)
        self.fold(Receipt(contact, key, delivered, "" if delivered else "bounced"))

    @invariant()
    def all_is_counted(self) -> None:
        partition = self.situation.partition
        assert partition.numbers.waiting() == waiting_in(partition)
        told = outcomes_in(table_of([partition.numbers], Window()))
        assert {each: count for each, count in told.items() if count} == recounted(self.decisions)

    def teardown(self) -> None:
        """Fold all again, once as it was and once with each contact frozen after each input."""
        for cooled in (False, True):
            again, decisions = folded(self.inputs, cooled=cooled)
            assert decisions == self.decisions
            assert state_of(again) == state_of(self.situation.partition)
            assert numbers_of(again) == numbers_of(self.situation.partition)


def folded(
    inputs: list[tuple[Input, int]], *, cooled: bool = False
) -> tuple[Partition, list[Decision]]:
    """Fold inputs from the start; `cooled`: encode and decode each contact in between."""
    decisions: list[Decision] = []
    partition = Partition(0, decisions)
    partition.fold(Publish(source_of(*JOURNEYS, **SETTINGS)), NOON_MS)
    for input, now_ms in inputs:
        partition.fold(input, now_ms)
        if cooled:
            partition.cool()
    return partition, decisions


def state_of(partition: Partition) -> dict[str, bytes | None]:
    return {key: partition.contact_bytes(key) for key in partition.contact_keys()}


Shop.TestCase.settings = settings(
    derandomize=True, max_examples=200, stateful_step_count=40, deadline=None
)
TestShop = Shop.TestCase

happenings = some.lists(
    some.tuples(contacts, names | some.just("consent"), prices, levels, pauses, lateness),
    min_size=5,
    max_size=40,
)


def inputs_of(happened: list[tuple[Any, ...]]) -> list[tuple[Input, int]]:
    """Return inputs of what happened, each with its moment."""
    now_ms = NOON_MS
    inputs: list[tuple[Input, int]] = []
    for i, (contact, name, price, level, pause, late) in enumerate(happened):
        now_ms += pause
        payload = {"email": level} if name == "consent" else {"price": price, "product_id": i % 3}
        inputs.append((Event(f"e-{i}", contact, name, now_ms - late, payload), now_ms))
    return inputs


def run_out(inputs: list[tuple[Input, int]]) -> tuple[Partition, list[Decision]]:
    """Fold, and run out all timers."""
    partition, decisions = folded(inputs)
    while partition.next_due_at_ms < FAR_MS:
        partition.fold(Advance(FAR_MS), partition.now_ms)
    return partition, decisions


def outcomes_by_contact(inputs: list[tuple[Input, int]]) -> dict[str, list[Decision]]:
    """Fold, run out all timers, and return what was decided for each contact."""
    _, decisions = run_out(inputs)
    return {key: [each for each in decisions if each.contact == key] for key in CONTACTS}


@settings(derandomize=True, max_examples=150, deadline=None)
@given(happened=happenings, ticks=some.lists(some.integers(0, 39), max_size=10))
def test_when_time_was_advanced_does_not_matter(
    happened: list[tuple[Any, ...]], ticks: list[int]
) -> None:
    inputs = inputs_of(happened)
    ticking: list[tuple[Input, int]] = []
    for i, (input, now_ms) in enumerate(inputs):
        if i in ticks:
            ticking.append((Advance(now_ms), now_ms))
        ticking.append((input, now_ms))
        if i + 10 in ticks:
            ticking.append((Advance(now_ms + 1), now_ms + 1) if i + 1 == len(inputs) else (
                Advance(now_ms), now_ms))  # fmt: skip
    assert outcomes_by_contact(ticking) == outcomes_by_contact(inputs)
    assert numbers_of(run_out(ticking)[0]) == numbers_of(run_out(inputs)[0])


@settings(derandomize=True, max_examples=100, deadline=None)
@given(happened=happenings)
def test_a_contact_frozen_after_each_input_decides_the_same(
    happened: list[tuple[Any, ...]],
) -> None:
    inputs = inputs_of(happened)
    warm, decided = folded(inputs)
    cold, decided_cold = folded(inputs, cooled=True)
    assert decided == decided_cold
    assert state_of(warm) == state_of(cold)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(happened=happenings)
def test_one_contact_does_not_matter_to_another(happened: list[tuple[Any, ...]]) -> None:
    inputs = inputs_of(happened)
    together = outcomes_by_contact(inputs)
    for contact in CONTACTS:
        alone = [each for each in inputs if each[0].contact == contact]  # type: ignore[union-attr]
        assert outcomes_by_contact(alone)[contact] == together[contact]
