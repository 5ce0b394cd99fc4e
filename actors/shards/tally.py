"""Tally: what came of messages, by journey; and how long decisions took."""

from bisect import bisect_left
from typing import Final

from engine.decision import SENT, Outcome
from engine.input import Verdict


class OutcomeTally:
    """Counts messages by journey and outcome; a message counts under its last outcome only."""

    def __init__(self) -> None:
        self.by_journey: dict[str, dict[str, int]] = {}

    def add(self, outcome: Outcome) -> None:
        """Count the first outcome of a key."""
        counts = self.by_journey.setdefault(outcome.journey, {})
        counts[outcome.outcome] = counts.get(outcome.outcome, 0) + 1

    def replace(self, outcome: Outcome) -> None:
        """Count an outcome that comes after SENT of the same key: from a Handover or a Receipt."""
        self.add(outcome)
        self.by_journey[outcome.journey][SENT] -= 1


VERDICT_NAMES: Final = {
    Verdict.APPLIED: "events_applied",
    Verdict.REPEAT: "events_repeated",
    Verdict.FAILED: "events_failed",
}


class PartitionTally:
    """What is counted of one partition, from the first input of its life on."""

    def __init__(self) -> None:
        self.verdicts = [0, 0, 0]
        """Events by Verdict."""
        self.outcomes = OutcomeTally()

    def counts(self) -> dict[str, int]:
        """Return events by name of their verdict."""
        return {name: self.verdicts[verdict] for verdict, name in VERDICT_NAMES.items()}

    def load(self, counts: dict[str, int], outcomes: dict[str, dict[str, int]]) -> None:
        """Begin with these counts."""
        self.verdicts = [counts.get(name, 0) for name in VERDICT_NAMES.values()]
        self.outcomes.by_journey = {journey: dict(each) for journey, each in outcomes.items()}


def merge_tallies(tallies: list[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    """Add tallies up, journeys and outcomes in order."""
    merged: dict[str, dict[str, int]] = {}
    for tally in tallies:
        for journey, counts in tally.items():
            into = merged.setdefault(journey, {})
            for outcome, count in counts.items():
                into[outcome] = into.get(outcome, 0) + count
    return {journey: dict(sorted(counts.items())) for journey, counts in sorted(merged.items())}


def _bounds() -> list[int]:
    bounds, bound = [], 100.0
    while bound < 1e11:
        bounds.append(int(bound))
        bound *= 1.05
    return bounds


BOUNDS_NS: Final = _bounds()
"""100 ns to 100 s in steps of 5 %: a quantile is right to 5 %."""


class Durations:
    """How long things took: counts in steps of 5 %, so that quantiles of millions are cheap."""

    def __init__(self, counts: list[int] | None = None) -> None:
        self.counts = counts or [0] * (len(BOUNDS_NS) + 1)

    def add(self, duration_ns: int) -> None:
        """Count one duration (0.15 µs)."""
        self.counts[bisect_left(BOUNDS_NS, duration_ns)] += 1

    def merge(self, counts: list[int]) -> None:
        """Add what another has counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, counts, strict=True)]

    def quantile_ns(self, ratio: float) -> int:
        """Return the duration that `ratio` (0 to 1) of all stay within; 0 where there are none."""
        wanted = ratio * sum(self.counts)
        if not wanted:
            return 0
        seen = 0
        for index, count in enumerate(self.counts):
            seen += count
            if seen >= wanted:
                return BOUNDS_NS[min(index, len(BOUNDS_NS) - 1)]
        return BOUNDS_NS[-1]
