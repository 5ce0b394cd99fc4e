"""What an event costs where a thousand journeys are in force, against few or none."""

import gc
import time
from typing import Any, Final

import msgspec

from engine.decision import Decision
from engine.input import Event, Publish
from engine.language.journey import Publication
from engine.partition import Partition

MANY: Final = 1_000
FEW: Final = 10
CONCERNED: Final = 3
"""So many of them enter on CONCERNING."""

CONCERNING: Final = "offer_view"
UNASKED: Final = "page_view"
LOOKED_BACK_AT: Final = "product_view"
"""No journey enters on it; all look back at such events, and at a field of them."""

CONTACTS: Final = 100
EVENTS: Final = 1_000
"""Of each round; 10 a contact, who has LOOKED_BACK_AT five times before."""

ROUNDS: Final = 60
GOAL: Final = 1.2
PAYLOAD: Final = {"product_id": "sku-1", "price": 12.5, "category": "shoes", "currency": "EUR"}


def journeys(count: int) -> bytes:
    """Return the source of a publication of so many journeys, CONCERNED of them on CONCERNING."""
    written: dict[str, Any] = {}
    for number in range(count):
        enters_on = CONCERNING if number < CONCERNED else f"event_{number}"
        # Asked whole, as its last part fails: 200 views are the most that are kept.
        looked_back = {
            "happened": LOOKED_BACK_AT,
            "within": "7d",
            "where": {"field": "currency", "equals": "EUR"},
            "at_least": 6,
        }
        when = {"all": [{"field": "price", "at_least": 10}, looked_back]}
        written[f"j{number}.yaml"] = {
            "journey": f"j{number}",
            "entry": {"event": enters_on, "when": when},
            "exit_on": [f"done_{number}"],
            "nodes": [
                {"id": "wait", "wait": "2h"},
                {"id": "mail", "send": "email", "template": "hello", "purpose": "marketing"},
            ],
        }
    templates = {"hello.en": "---\nsubject: Hello\n---\nHello\n"}
    return msgspec.json.encode(Publication(journeys=written, templates=templates))


def fold_us(source: bytes, name: str) -> float:
    """Fold EVENTS events of this name with these journeys in force; return µs an event."""
    decisions: list[Decision] = []
    partition = Partition(0, decisions)
    partition.fold(Publish(source), 0)
    now_ms = 10**9
    for number in range(5 * CONTACTS):
        contact = f"c-{number % CONTACTS}"
        partition.fold(Event(f"v-{number}", contact, LOOKED_BACK_AT, now_ms, PAYLOAD), now_ms)
    raw = msgspec.Raw(msgspec.json.encode(PAYLOAD))
    events = [
        Event(f"e-{number}", f"c-{number % CONTACTS}", name, now_ms + number, raw)
        for number in range(EVENTS)
    ]
    gc.collect()
    gc.disable()
    began = time.process_time_ns()  # Not what others on the machine take.
    for event in events:
        partition.fold(event, event.at_ms or 0)
    took = time.process_time_ns() - began
    gc.enable()
    assert not decisions
    return took / EVENTS / 1_000


def compared_us(name: str, few: int, many: int) -> tuple[float, float]:
    """Return what an event costs with few and with many journeys: the best of rounds in turn."""
    sources = (journeys(few), journeys(many))
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for which, source in enumerate(sources):
            best[which] = min(best[which], fold_us(source, name))
    return best[0], best[1]
