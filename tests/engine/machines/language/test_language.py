"""The journey language against a plain model: whatever comes, in any order, repeated and late.

And what must not matter to it: snapshots taken on the way, contacts held as bytes, how often time
is told.
"""

from typing import Any

import pytest
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from engine.contacts.idle import decode_idle
from engine.count_table import Window, table_of
from engine.decision import Decision, Delivery, Outcome
from engine.input import Advance, Event, Handover, Input, Publish, Receipt, Verdict, payload_of
from engine.partition import Partition
from tests.engine.machines.language.model import Model, Said
from tests.engine.machines.language.world import CONTACTS, SOURCES
from tests.engine.machines.profiles import tried
from tests.engine.recount import numbers_of, outcomes_in, queued_in, recounted, waiting_in

MINUTE = 60_000
HOUR = 60 * MINUTE
STARTS = (
    1_774_684_800_000,  # 2026-03-28 08:00 UTC: clocks go forward in Berlin that night.
    1_792_828_800_000,  # 2026-10-24 08:00 UTC: they go back.
    1_793_436_300_000,  # 2026-10-31 08:45 UTC: they go back in New York.
)
COPIES_MAX = 2
pauses = some.sampled_from(
    [
        *[each * MINUTE for each in (0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 5, 15, 15, 30, 30, 45, 45)],
        *[each * HOUR for each in (1, 1, 2, 2, 3, 4, 5, 6, 6, 9, 12, 24)],
        *[each * HOUR - 1 for each in (1, 2, 5, 6, 24)],
        30 * MINUTE - 1,
        45 * MINUTE - 1,
    ]
)
lateness = some.sampled_from(
    [0] * 8 + [-MINUTE, HOUR, HOUR + 1, 2 * HOUR - 1, 2 * HOUR, 6 * HOUR, 6 * HOUR + 1, 30 * HOUR]
)
contacts = some.sampled_from(CONTACTS)
levels = some.sampled_from([*["double_opt_in"] * 4, "opt_in", "opt_out"])
orders = some.sampled_from(["o-1", "o-1", "o-1", "o-2", 3])
payloads = {
    "signup": some.just({}),
    "page_view": some.just({}),
    "product_view": some.just({"product_id": "p"}),
    "cart_update": some.fixed_dictionaries(
        {"items": some.just([{"product_id": "p"}])}, optional={"cart": some.sampled_from([1, 1, 2])}
    ),
    "purchase": some.fixed_dictionaries({}, optional={"order_id": orders}),
    "parcel": some.fixed_dictionaries(
        {"status": some.sampled_from(["lost", "there", "broken"])}, optional={"order_id": orders}
    ),
    "call": some.just({}),
    "refund": some.fixed_dictionaries({"price": some.sampled_from([4, 5])}),
    "review": some.fixed_dictionaries({"stars": some.sampled_from([3, 4, 5])}),
    "consent": some.one_of(
        [some.fixed_dictionaries({channel: levels}) for channel in ("email", "sms", "push")]
    )
    | some.one_of(
        [
            some.fixed_dictionaries({channel: some.fixed_dictionaries({"survey": levels})})
            for channel in ("email", "email", "sms")
        ]
    ),
    "identify": some.fixed_dictionaries(
        {
            "attributes": some.one_of(
                some.fixed_dictionaries({"vip": some.sampled_from([True, False, None])}),
                some.fixed_dictionaries({"wants_vip": some.sampled_from([True, None])}),
                some.fixed_dictionaries({"phone": some.sampled_from(["+4915112345", "1", None])}),
                some.fixed_dictionaries(
                    {
                        "time_zone": some.sampled_from(
                            ["America/New_York", "Asia/Kolkata", "Europe/Berlin", "Mars", None]
                        )
                    }
                ),
            )
        }
    ),
}
OFTEN = (
    "page_view",
    "product_view",
    "cart_update",
    "cart_update",
    "purchase",
    "purchase",
    "parcel",
)
names = some.sampled_from([*payloads, *OFTEN])
happenings = names.flatmap(lambda name: some.tuples(some.just(name), payloads[name]))


class Twin:
    """A partition that began from a snapshot, and is to decide all that the first one decides."""

    def __init__(self, original: Partition) -> None:
        self.decisions: list[Decision] = []
        self.partition = Partition(0, self.decisions)
        rows = [
            (key, decode_idle(state).armed_at_ms, state) for key, state in original.states().items()
        ]
        self.partition.load(original.published, rows)
        self.partition.now_ms = original.now_ms
        self.partition.waking_at_ms = original.waking_at_ms
        self.partition.load_numbers(original.numbers.save())

    def fold(self, input: Input, now_ms: int) -> tuple[int, list[Decision]]:
        verdict = self.partition.fold(input, now_ms)
        decided = self.decisions[:]
        self.decisions.clear()
        return verdict, decided


class Language(RuleBasedStateMachine):
    """Three contacts, two publications, a clock that only goes forward."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Partition(0, [])
        self.twins: list[Twin] = []
        self.now = STARTS[0]
        self.model = Model("a", self.now)
        self.variant = "a"
        self.ids: dict[str, str] = {}
        self.inputs: list[tuple[Input, int]] = []
        self.decisions: list[Decision] = []
        self.events: list[tuple[Event, int]] = []
        self.letters: list[tuple[str, str]] = []

    @initialize(
        start=some.sampled_from(STARTS), level=levels, phone=some.sampled_from([True] * 4 + [False])
    )
    def world_begins(self, start: int, level: str, *, phone: bool) -> None:
        self.now = start
        self.fold(Publish(SOURCES["a"]))
        for contact in CONTACTS:
            said = dict.fromkeys(("email", "sms", "push"), level)
            self.happens(contact, "consent", said, 0)
            if phone:
                self.happens(contact, "identify", {"attributes": {"phone": "+4915112345678"}}, 0)

    def fold(self, input: Input) -> int:
        """Fold an input everywhere, and compare with what the model has said of it."""
        self.inputs.append((input, self.now))
        verdict = self.first.fold(input, self.now)
        decided = self.first.decisions[:]
        self.first.decisions.clear()
        self.decisions += decided
        for twin in self.twins:
            assert twin.fold(input, self.now) == (verdict, decided)
        said = self.model.take()
        self.get_to_know(decided, said)
        assert [self.in_plain_words(each) for each in decided] == said
        for each in decided:
            if isinstance(each, Outcome) and each.outcome == "sent":
                self.letters.append((each.contact, each.key))
        assert self.first.numbers.waiting() == waiting_in(self.first)
        assert self.first.numbers.queued() == queued_in(self.first)
        return verdict

    def in_plain_words(self, decision: Decision) -> Said:
        """Return a decision as the model says it, visits under the names it gave them."""
        assert isinstance(decision, Delivery | Outcome), decision
        key = self.named(decision.key)
        where = (decision.contact, decision.journey, decision.node, decision.channel)
        if isinstance(decision, Delivery):
            return ("delivery", key, *where, decision.purpose, decision.at_ms)
        return (key, *where, decision.at_ms, decision.outcome, decision.reason)

    def named(self, key: str) -> str:
        """Return a message's key with the visit's name in the model."""
        visit, dot, rest = key.partition(".")
        return self.ids[visit] + dot + rest

    def get_to_know(self, decided: list[Decision], said: list[Said]) -> None:
        """Note which visit of the model is which: each is one, and only one."""
        for decision, words in zip(decided, said, strict=False):
            if isinstance(decision, Outcome):
                visit = decision.key.partition(".")[0]
                name = words[0].partition(".")[0]
                assert self.ids.setdefault(visit, name) == name, (decision, words)
        assert len(set(self.ids.values())) == len(self.ids)

    def happens(self, contact: str, name: str, payload: dict[str, Any], late: int) -> None:
        id = f"e-{len(self.inputs)}"
        event = Event(id, contact, name, self.now - late, payload)
        self.events.append((event, self.now))
        self.apply(event)

    def apply(self, event: Event) -> None:
        assert event.at_ms is not None
        at = min(event.at_ms, self.now)
        new = self.model.event(event.contact, event.id, event.name, payload_of(event), at, self.now)
        assert self.fold(event) == (Verdict.APPLIED if new else Verdict.REPEAT)

    @rule(contact=contacts, happening=happenings, pause=pauses, late=lateness)
    def something_happens(
        self, contact: str, happening: tuple[str, dict[str, Any]], pause: int, late: int
    ) -> None:
        self.now += pause
        self.happens(contact, *happening, late)

    @rule(contact=contacts, happened=some.lists(happenings, min_size=2, max_size=5))
    def much_happens_at_once(
        self, contact: str, happened: list[tuple[str, dict[str, Any]]]
    ) -> None:
        for name, payload in happened:
            self.happens(contact, name, payload, 0)

    @rule(
        contact=contacts,
        pause=pauses | some.sampled_from([2 * HOUR, 5 * HOUR]),
        count=some.integers(2, 4),
        between=some.sampled_from([0, 0, MINUTE]),
    )
    def products_are_viewed(self, contact: str, pause: int, count: int, between: int) -> None:
        self.now += pause
        for _ in range(count):
            self.happens(contact, "product_view", {"product_id": "p"}, 0)
            self.now += between

    @rule(
        contact=contacts,
        ids=some.lists(orders, min_size=1, max_size=3, unique=True),
        status=some.sampled_from(["", "lost", "there", "broken"]),
        pause=some.sampled_from([0, 6 * HOUR - 1, 6 * HOUR, 48 * HOUR - 1, 48 * HOUR]),
        stars=some.sampled_from([0, 0, 5]),
    )
    def orders_come(
        self, contact: str, ids: list[Any], status: str, pause: int, stars: int
    ) -> None:
        for id in ids:
            self.happens(contact, "purchase", {"order_id": id}, 0)
        for id in ids if status else ():
            self.happens(contact, "parcel", {"order_id": id, "status": status}, 0)
        self.now += pause
        if stars:
            self.happens(contact, "review", {"stars": stars}, 0)

    @rule(
        contact=contacts,
        carts=some.lists(
            some.tuples(payloads["cart_update"], some.sampled_from([0, 15 * MINUTE, 45 * MINUTE])),
            min_size=2,
            max_size=3,
        ),
    )
    def carts_are_filled(self, contact: str, carts: list[tuple[dict[str, Any], int]]) -> None:
        for payload, pause in carts:
            self.happens(contact, "cart_update", payload, 0)
            self.now += pause

    @precondition(lambda self: self.events)
    @rule(data=some.data(), pause=pauses)
    def something_comes_again(self, data: some.DataObject, pause: int) -> None:
        """Within the day that it is known for: after that, it would open the same visit again."""
        self.now += pause
        event, first_at = data.draw(some.sampled_from(self.events[-4:]))
        if self.now - first_at < 24 * HOUR:
            self.apply(event)

    @rule(pause=pauses, slices=some.integers(1, 3))
    def time_passes(self, pause: int, slices: int) -> None:
        end = self.now + pause
        for i in range(1, slices + 1):
            self.now = end - pause + pause * i // slices
            self.time_is_told()

    def time_is_told(self) -> None:
        self.model.advance(self.now)
        self.fold(Advance(self.now))

    @rule(pause=pauses)
    def journeys_change(self, pause: int) -> None:
        self.now += pause
        self.time_is_told()
        self.variant = "b" if self.variant == "a" else "a"
        self.model.publish(self.variant, self.now)
        self.fold(Publish(SOURCES[self.variant]))

    @precondition(lambda self: self.letters)
    @rule(count=some.integers(1, 6), pause=pauses)
    def couriers_come(self, count: int, pause: int) -> None:
        self.now += pause
        for contact, key in self.letters[-count:]:
            self.model.handover(contact, self.named(key), self.now)
            self.fold(Handover(contact, key, self.now))

    @precondition(lambda self: self.letters)
    @rule(channel=some.sampled_from(["email", "sms", "push"]), after=some.integers(0, 1))
    def consent_is_withdrawn_for_a_while(self, channel: str, after: int) -> None:
        contact, _ = self.letters[-1]
        self.happens(contact, "consent", {channel: "opt_out"}, 0)
        self.couriers_come(3, after)
        self.happens(contact, "consent", {channel: "double_opt_in"}, 0)

    @precondition(lambda self: self.letters)
    @rule(data=some.data(), delivered=some.booleans())
    def a_channel_answers(self, data: some.DataObject, *, delivered: bool) -> None:
        contact, key = data.draw(some.sampled_from(self.letters[-4:]))
        self.model.receipt(contact, self.named(key), self.now, delivered=delivered)
        self.fold(Receipt(contact, key, delivered, "" if delivered else "bounced"))

    @rule(which=some.integers(0, COPIES_MAX))
    def contacts_rest(self, which: int) -> None:
        """Hold all contacts as bytes, in one of the partitions."""
        [self.first, *(twin.partition for twin in self.twins)][: which + 1][-1].cool()

    @precondition(lambda self: len(self.twins) < COPIES_MAX)
    @rule()
    def a_snapshot_is_taken(self) -> None:
        self.twins.append(Twin(self.first))

    def teardown(self) -> None:
        """All that came from snapshots on the way is as what was folded in one go."""
        self.all_is_counted()
        for twin in self.twins:
            assert state_of(twin.partition) == state_of(self.first)
            assert numbers_of(twin.partition) == numbers_of(self.first)
        decisions: list[Decision] = []
        again = Partition(0, decisions)
        for input, now in self.inputs:
            again.fold(input, now)
            again.cool()
        assert decisions == self.decisions
        assert state_of(again) == state_of(self.first)
        assert numbers_of(again) == numbers_of(self.first)

    def all_is_counted(self) -> None:
        """Numbers are what the model has counted, and what one finds by looking at all contacts."""
        table = table_of([self.first.numbers], Window())
        counted = {
            (line.journey, line.node, kind): count
            for line in table.lines
            for kind, count in line.counts.items()
            if kind == "entered" or kind.startswith("left/")
        }
        assert counted == self.model.numbers
        assert self.first.numbers.waiting() == waiting_in(self.first)
        came_to = recounted(self.decisions)
        assert {each: count for each, count in outcomes_in(table).items() if count} == came_to


def state_of(partition: Partition) -> dict[str, bytes | None]:
    return {key: partition.contact_bytes(key) for key in partition.contact_keys()}


Language.TestCase.settings = tried(max_examples=150, stateful_step_count=40)
TestLanguage = pytest.mark.timeout(300)(Language.TestCase)
