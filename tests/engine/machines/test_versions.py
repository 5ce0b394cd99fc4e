"""Versions against a plain model: publishes, pauses, migrations, ends and rollbacks in between.

And what must not matter: how far a migration has come, snapshots amid it, contacts held as bytes.
"""

from typing import Any

import pytest
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from engine.decision import Decision, Outcome
from engine.fold.succession import Choice, Known, source_of, succeed, versions_of, with_state
from engine.input import Advance, Event, Input, Publish
from engine.language.journey import Publication
from engine.partition import Partition
from tests.engine.machines.language.test_language import Twin, state_of
from tests.engine.machines.profiles import tried
from tests.engine.machines.versions import HOUR, Model, Said
from tests.engine.recount import numbers_of, queued_in, waiting_in
from tests.engine.situation import NOON_MS, mail, wait
from tests.publications import journey

CONTACTS = ("c-1", "c-2", "c-3")
ASKS = {"id": "w", "wait_for": [{"event": "bye"}], "timeout": "10h"}
VARIANTS = [
    ([wait("10h", "a"), mail("m"), wait("1d", "b"), mail("n")], ["buy"]),
    ([wait("5h", "a"), mail("m"), mail("n")], []),
    ([wait("1d", "c"), mail("n"), wait("10h", "b"), mail("m")], ["stop"]),
    ([ASKS, mail("n"), wait("10h", "a")], ["buy"]),
    ([mail("m"), wait("1d", "a"), ASKS, mail("n")], ["stop", "buy"]),
    ([wait("10h", "b"), mail("n"), wait("1h", "a"), mail("m")], ["buy"]),
]
OTHER = journey("other", entry={"event": "never"})
TEMPLATES = {"hello.en": "Hello"}
pauses = some.sampled_from([0, 0, 0, 0, 1, HOUR, HOUR, 3 * HOUR, 5 * HOUR, 6 * HOUR + 1])
orders = some.sampled_from(["1", "2", "3"])
maps = some.dictionaries(some.sampled_from("abcwmn"), some.sampled_from("abcwmn"), max_size=3)


def draft(variant: int | None) -> Publication:
    """Return the publication of a variant of the journey; None: it is gone."""
    journeys = {"other.yaml": OTHER}
    if variant is not None:
        nodes, exits = VARIANTS[variant]
        key = {"key": "order", "at_most": 10}
        said = journey("j", nodes=nodes, exit_on=exits, reentry=key)
        journeys["j.yaml"] = said
    return Publication(journeys=journeys, templates=TEMPLATES)


class Versions(RuleBasedStateMachine):
    """One journey whose versions come and go while three contacts visit it."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("engine.partition.TIMERS_PER_ADVANCE_MAX", 1)
        self.first = Partition(0, [])
        self.twins: list[Twin] = []
        self.now = NOON_MS
        self.inputs: list[tuple[Input, int]] = []
        self.decisions: list[Decision] = []
        self.compared = 0
        self.seen: set[int] = set()

    @initialize(variant=some.integers(0, len(VARIANTS) - 1))
    def begins(self, variant: int) -> None:
        self.variant: int | None = variant
        self.published = draft(variant)
        self.model = Model(self.published.journeys["j.yaml"], 0)
        self.fold(Publish(source_of(self.published)))

    def fold(self, input: Input) -> None:
        self.inputs.append((input, self.now))
        verdict = self.first.fold(input, self.now)
        decided = self.first.decisions[:]
        self.first.decisions.clear()
        self.decisions += decided
        for twin in self.twins:
            assert twin.fold(input, self.now) == (verdict, decided)
        assert self.first.numbers.waiting() == waiting_in(self.first)
        assert self.first.numbers.queued() == queued_in(self.first)

    @rule(
        contact=some.sampled_from(CONTACTS),
        name=some.sampled_from(["hi", "hi", "hi", "bye", "buy", "stop", "page_view"]),
        order=orders,
        pause=pauses,
    )
    def something_happens(self, contact: str, name: str, order: str, pause: int) -> None:
        self.now += pause
        id = f"e-{len(self.inputs)}"
        self.model.event(contact, id, name, order, self.now)
        self.fold(Event(id, contact, name, self.now, {"order": order}))

    @rule(who=some.lists(some.tuples(some.sampled_from(CONTACTS), orders), max_size=5))
    def several_enter(self, who: list[tuple[str, str]]) -> None:
        for contact, order in who:
            self.something_happens(contact, "hi", order, 0)

    @rule(pause=pauses)
    def a_slice_is_done(self, pause: int) -> None:
        """Time is told once: one contact's timers apply, one is carried over."""
        self.now += pause
        self.fold(Advance(self.now))

    @rule(pause=pauses)
    def time_is_told(self, pause: int) -> None:
        """All that is due applies; then the model must have said the same of each contact."""
        self.now += pause
        while self.first.next_due_at_ms <= self.now:
            self.fold(Advance(self.now))
        for person in self.model.people.values():
            self.model.fire(person, self.now)
            said: list[Said] = [
                (each.key, each.node, each.at_ms, each.outcome, each.reason)
                for each in self.decisions[self.compared :]
                if isinstance(each, Outcome) and each.contact == person.key
            ]
            assert said == person.said
            person.said = []
        assert all(isinstance(each, Outcome) for each in self.decisions[self.compared :])
        self.compared = len(self.decisions)

    def publish(self, next: Publication, in_flight: str, moved: dict[str, str]) -> None:
        """Put it in force everywhere, as the publisher does: when the last one has arrived."""
        self.fold(Publish(source_of(next)))
        self.published = next
        version = versions_of(next)["j"]
        here = next.journeys.get("j.yaml")
        self.model.publish(here, version.number, version.state, in_flight, moved, self.now)

    def matters(self) -> bool:
        """Say whether a publish does something to somebody, or lets somebody in again."""
        people = self.model.people.values()
        return self.model.state != "live" or any(each.stays or each.queue for each in people)

    def known(self) -> Known:
        """Return which versions visits are in: what no visit needs any more is to go."""
        kept = [self.first.contact(key) for key in self.first.contact_keys()]
        in_use = {each.version for one in kept if one is not None for each in one.visits}
        return Known(in_use={"j": in_use})

    @precondition(lambda self: self.variant is None or self.matters())
    @rule(
        variant=some.sampled_from([*range(len(VARIANTS)), None]),
        in_flight=some.sampled_from(["follow", "stay", "stay", "migrate", "migrate"]),
        moved=maps,
        pause=pauses,
        told=some.booleans(),
    )
    def a_version_goes_live(
        self, variant: int | None, in_flight: Any, moved: dict[str, str], pause: int, *, told: bool
    ) -> None:
        if variant == self.variant or (variant is None and moved):
            return  # So that it goes less often.
        self.time_is_told(pause)
        known = self.known() if told else None
        there = [] if variant is None else [each["id"] for each in VARIANTS[variant][0]]
        moved = {before: now for before, now in moved.items() if now in there}
        moved = moved if in_flight == "migrate" else {}
        choices = {"j": Choice(in_flight, moved)}
        comes = "end" if variant is None else "" if self.variant is None else in_flight
        self.variant = variant
        self.publish(succeed(self.published, draft(variant), choices, known), comes, moved)

    @precondition(lambda self: self.variant is not None and self.matters())
    @rule(state=some.sampled_from(["live", "live", "paused", "paused", "ended"]), pause=pauses)
    def its_state_changes(self, state: Any, pause: int) -> None:
        self.time_is_told(pause)
        ends = "end" if state == "ended" else ""
        self.publish(with_state(self.published, "j", state), ends, {})

    @rule(which=some.integers(0, 2))
    def contacts_rest(self, which: int) -> None:
        [self.first, *(twin.partition for twin in self.twins)][: which + 1][-1].cool()

    @precondition(lambda self: len(self.twins) < 2)
    @rule()
    def a_snapshot_is_taken(self) -> None:
        self.twins.append(Twin(self.first))

    def teardown(self) -> None:
        """All that came from snapshots, also amid a migration, is as what was never stopped."""
        try:
            self.time_is_told(HOUR)
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
        finally:
            self.patch.undo()


Versions.TestCase.settings = tried(max_examples=200, stateful_step_count=40)
TestVersions = pytest.mark.timeout(300)(Versions.TestCase)
