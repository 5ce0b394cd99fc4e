"""Recount: what numbers should be, by looking at contacts and decisions alone."""

from collections import Counter
from typing import Any

from engine.contacts.course import SPANS_MS
from engine.count_table import CountTable, Window, table_of
from engine.decision import OUTCOMES, Decision, Outcome
from engine.partition import Partition


def waiting_in(partition: Partition) -> dict[tuple[str, str], int]:
    """Count which visits stay where, contact by contact."""
    contacts = (partition.contact(key) for key in partition.contact_keys())
    visits = (visit for each in contacts if each is not None for visit in each.visits)
    return dict(Counter((visit.journey, visit.node) for visit in visits))


def queued_in(partition: Partition) -> dict[str, int]:
    """Count which entries wait for which journey, contact by contact."""
    contacts = (partition.contact(key) for key in partition.contact_keys())
    return dict(Counter(q.journey for each in contacts if each is not None for q in each.queued))


def recounted(decisions: list[Decision]) -> dict[tuple[str, str, str], int]:
    """Count outcomes by journey and node; of a message, the last."""
    found: Counter[tuple[str, str, str]] = Counter()
    sent: set[str] = set()
    for each in decisions:
        if not isinstance(each, Outcome):
            continue
        where = (each.journey, each.node)
        if each.outcome == "sent":
            sent.add(each.key)
        elif each.key in sent:
            sent.discard(each.key)
            found[(*where, "sent")] -= 1
        found[(*where, each.outcome)] += 1
    return {each: count for each, count in found.items() if count}


def outcomes_in(table: CountTable) -> dict[tuple[str, str, str], int]:
    """Return the outcomes among the numbers."""
    return {
        (line.journey, line.node, kind): count
        for line in table.lines
        for kind, count in line.counts.items()
        if kind in OUTCOMES
    }


def numbers_of(partition: Partition) -> list[Any]:
    """Return all that a partition's numbers say: in all, and by the minute, the hour, the day."""
    windows = [Window(), *(Window(by_ms=span_ms) for span_ms in SPANS_MS)]
    return [table_of([partition.numbers], window).lines for window in windows]
