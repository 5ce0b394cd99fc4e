"""Segments, occasions and nodes that change things: the same fold from any snapshot in between."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from engine.input import Advance
from tests.engine.situation import DAY_MS, HOUR_MS, Situation, mail, wait
from tests.publications import journey

SEGMENTS = [
    {"segment": "vip", "list": True},
    {"segment": "buyer", "when": {"happened": "purchase", "within": "2d"}},
    {"segment": "often", "when": {"happened": "hi", "within": "1d", "at_least": 2}},
    {"segment": "lapsed", "when": {"not": {"segment": "buyer"}}},
    {"segment": "dear", "when": {"any": [{"segment": "vip"}, {"attribute": "n", "at_least": 2}]}},
]


def on(entry: dict[str, Any], name: str, *nodes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return journey(name, entry=entry, nodes=[*nodes], **fields)


PUBLICATIONS = [
    [
        on({"enters": "lapsed"}, "back", mail()),
        on({"leaves": "dear"}, "gone", {"id": "s", "set": {"n": {"from": "trigger.n"}}}, mail()),
        on({"enters": "often"}, "often", {"id": "l", "add_to": "vip"}, {"id": "e", "emit": "hi"}),
        on({"event": "hi"}, "waits", wait("7h"), mail(), exit_on=[{"when": {"segment": "dear"}}]),
        on({"date": "born", "every": "year"}, "birth", mail()),
    ],
    [
        on({"enters": "dear"}, "dear", {"id": "s", "start": "waits"}, mail()),
        on({"event": "hi"}, "waits", wait("9h"), {"id": "l", "remove_from": "vip"}, mail()),
        on({"schedule": "0 9 * * *", "segment": "lapsed"}, "daily", {"id": "x", "end": "waits"}),
        on({"date": "born", "offset": "-1d"}, "eve", mail()),
    ],
    [on({"event": "hi"}, "waits", wait("8h"), mail())],
]

contacts: Any = some.sampled_from(["a", "b"])
inputs: Any = some.one_of(
    some.tuples(some.just("hi"), contacts, some.just({})),
    some.tuples(some.just("purchase"), contacts, some.just({})),
    some.tuples(
        some.just("identify"),
        contacts,
        some.fixed_dictionaries(
            {},
            optional={
                "attributes": some.fixed_dictionaries(
                    {},
                    optional={
                        "n": some.sampled_from([None, 1, 2]),
                        "born": some.sampled_from(["2023-11-16", "1990-11-17", "never", None]),
                        "time_zone": some.sampled_from(["Asia/Tokyo", None]),
                    },
                ),
                "lists": some.dictionaries(some.just("vip"), some.booleans()),
            },
        ),
    ),
    some.tuples(some.just("publish"), some.integers(0, len(PUBLICATIONS) - 1)),
    some.tuples(some.just("advance")),
)
after: Any = some.sampled_from([0, 0, 1, HOUR_MS, 7 * HOUR_MS, DAY_MS, 3 * DAY_MS])
steps: Any = some.lists(some.tuples(inputs, after, some.integers(0, 3)), max_size=25)


def folded(steps: list[Any], *, restored: bool) -> tuple[list[Any], dict[str, Any]]:
    """Fold these; return what was decided after each, and what is kept in the end."""
    situation = Situation(*PUBLICATIONS[0], segments=SEGMENTS)
    decided: list[Any] = []
    for input, after_ms, pause in [*steps, (("advance",), 40 * DAY_MS, 0)]:
        if restored and pause == 1:
            situation.restore()
        elif restored and pause == 2:
            situation.partition.cool()
        situation.now_ms += after_ms
        if input[0] in ("publish", "advance"):  # Timers due before a publish are of what it ends.
            while situation.partition.next_due_at_ms <= situation.now_ms:
                made = situation.fold(Advance(situation.now_ms))
                if made:  # A timer put off leaves an Advance that finds nothing; a snapshot none.
                    decided.append(made)
        if input[0] == "publish":
            situation.publish(*PUBLICATIONS[input[1]], segments=SEGMENTS)
        elif input[0] != "advance":
            name, contact, payload = input
            decided.append(situation.event(name, payload, contact=contact))
    partition = situation.partition
    return decided, {key: partition.contact(key) for key in partition.contact_keys()}


@settings(max_examples=150, deadline=None)
@given(steps=steps)
def test_snapshots_in_between_change_nothing(steps: list[Any]) -> None:
    assert folded(steps, restored=False) == folded(steps, restored=True)


@settings(max_examples=150, deadline=None)
@given(steps=steps)
def test_time_that_is_not_told_in_between_changes_nothing(steps: list[Any]) -> None:
    """Timers act as of their moment: with an Advance at every turn, or with those there are."""
    told: list[Any] = []
    for each in steps:
        told += [(("advance",), each[1], 0), (each[0], 0, 0)]
    first, second = folded(steps, restored=False), folded(told, restored=False)
    assert in_order(first[0]) == in_order(second[0])


def in_order(decided: list[Any]) -> list[str]:
    """Return decisions by contact and moment: which contact comes first may differ."""
    found = [each for decisions in decided for each in decisions]
    return sorted(f"{each.contact} {getattr(each, 'at_ms', 0)} {each}" for each in found)


def test_all_there_is_happens_in_it() -> None:
    """So that the properties are about something."""
    steps: list[Any] = [
        (("identify", "a", {"attributes": {"born": "2023-11-16", "n": 2}}), 0, 0),
        (("hi", "a", {}), 0, 0), (("hi", "a", {}), HOUR_MS, 0), (("purchase", "a", {}), 0, 0),
        (("identify", "a", {"attributes": {"n": None}, "lists": {"vip": False}}), DAY_MS, 0),
        (("advance",), 3 * DAY_MS, 0), (("publish", 1), 0, 0), (("hi", "a", {}), 0, 0),
        (("identify", "a", {"lists": {"vip": True}}), 0, 0),
    ]  # fmt: skip
    decided, _ = folded(steps, restored=False)
    names = {each.journey for decisions in decided for each in decisions}
    assert names == {"back", "gone", "often", "waits", "birth", "dear", "daily"}
