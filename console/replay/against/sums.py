"""Sums: what all differences of one draft come to; sums of partitions add up in any order."""

from typing import Final

from msgspec import Struct

from console.replay.against.pairing import MOVED, ONLY_DRAFT, ONLY_REAL, SAME, Difference
from engine.decision import Outcome

HOUR_MS: Final = 3_600_000
SAMPLED: Final = 3
SAMPLE_MAX: Final = 200
"""Differences of each reason that are shown, the first ones, and altogether."""

REASONS_MAX: Final = 1_000
"""Reasons told apart in one sum; further ones are counted without their words."""


class Reason(Struct, frozen=True, order=True):
    """Why messages differ."""

    kind: str
    journey: str
    why: str
    reason: str


class Sums(Struct, kw_only=True):
    """What one variant of a draft comes to, against what went out."""

    variant: str
    journeys: dict[str, dict[str, int]] = {}
    """By journey: `real`, `draft` and the KINDS; `waiting_real`, `waiting_draft`: visits."""
    contacts: dict[str, int] = {}
    """`real`, `draft`: contacts with a message; `more`, `fewer` than went out; `moved` only."""
    reasons: list[tuple[Reason, int]] = []
    hours: dict[str, dict[int, list[int]]] = {}
    """By journey and hour since 1970: messages that went out, and that the draft sends."""
    sample: list[Difference] = []
    """The first differences for each reason."""
    faults: int = 0
    """Inputs and timers that failed in the draft's fold."""

    def count(self, journey: str, name: str, by: int = 1) -> None:
        """Count for a journey."""
        counts = self.journeys.setdefault(journey, {})
        counts[name] = counts.get(name, 0) + by

    def add_contact(self, same: list[Outcome], found: list[Difference]) -> None:
        """Count the messages of one contact: those that are the same, and what differs."""
        for outcome in same:
            self.count(outcome.journey, SAME)
            self._sent(outcome.journey, outcome.at_ms, outcome.at_ms)
        for each in found:
            self.count(each.journey, each.kind)
            self._sent(each.journey, each.real_at_ms, each.draft_at_ms)
        kinds = [each.kind for each in found]
        more, fewer, moved = (kinds.count(kind) for kind in (ONLY_DRAFT, ONLY_REAL, MOVED))
        for name, holds in (
            ("real", same or moved or fewer),
            ("draft", same or moved or more),
            ("more", more > fewer),
            ("fewer", fewer > more),
            ("moved", kinds and more == fewer),
        ):
            self.contacts[name] = self.contacts.get(name, 0) + bool(holds)

    def add(self, other: "Sums") -> None:
        """Add what other contacts came to."""
        for journey, counts in other.journeys.items():
            for name, count in counts.items():
                self.count(journey, name, count)
        for name, count in other.contacts.items():
            self.contacts[name] = self.contacts.get(name, 0) + count
        reasons = dict(self.reasons)
        for reason, count in other.reasons:
            reasons[reason] = reasons.get(reason, 0) + count
        self.reasons = ranked(reasons)
        for journey, hours in other.hours.items():
            ours = self.hours.setdefault(journey, {})
            for hour, (real, draft) in hours.items():
                before = ours.get(hour, [0, 0])
                ours[hour] = [before[0] + real, before[1] + draft]
        self.sample = picked([*self.sample, *other.sample])
        self.faults += other.faults

    def total(self, name: str) -> int:
        """Return a count over all journeys."""
        return sum(counts.get(name, 0) for counts in self.journeys.values())

    @property
    def differences(self) -> int:
        """How many messages differ."""
        return sum(self.total(kind) for kind in (MOVED, ONLY_REAL, ONLY_DRAFT))

    def _sent(self, journey: str, real_ms: int | None, draft_ms: int | None) -> None:
        hours = self.hours.setdefault(journey, {})
        for side, at_ms in enumerate((real_ms, draft_ms)):
            if at_ms is not None:
                self.count(journey, ("real", "draft")[side])
                hours.setdefault(at_ms // HOUR_MS, [0, 0])[side] += 1


def reason_of(each: Difference) -> Reason:
    """Return why a message differs."""
    return Reason(each.kind, each.journey, each.why, each.reason)


def picked(differences: list[Difference]) -> list[Difference]:
    """Pick what is shown: of each reason the first few, by time."""
    counts: dict[Reason, int] = {}
    found = []
    for each in sorted(differences, key=order_of):
        reason = reason_of(each)
        counts[reason] = counts.get(reason, 0) + 1
        if counts[reason] <= SAMPLED:
            found.append(each)
    return found[:SAMPLE_MAX]


def note_reasons(reasons: dict[Reason, int], found: list[Difference]) -> None:
    """Count the reasons of differences, a bounded number of them in words."""
    for each in found:
        reason = reason_of(each)
        if reason not in reasons and len(reasons) >= REASONS_MAX:
            reason = Reason(each.kind, each.journey, each.why, "")
        reasons[reason] = reasons.get(reason, 0) + 1


def ranked(reasons: dict[Reason, int]) -> list[tuple[Reason, int]]:
    """Return reasons with their counts, the most frequent first, a bounded number in words."""
    order = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    kept = dict(order[:REASONS_MAX])
    for reason, count in order[REASONS_MAX:]:
        rest = Reason(reason.kind, reason.journey, reason.why, "")
        kept[rest] = kept.get(rest, 0) + count
    return sorted(kept.items(), key=lambda each: (-each[1], each[0]))


def order_of(each: Difference) -> tuple[int, str, str, str, str, str]:
    """Return what orders differences where they are listed: by time first."""
    return (each.at_ms, each.contact, each.journey, each.node, each.key, each.variant)
