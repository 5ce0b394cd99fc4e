"""Pairing: the messages of one contact as they went out and as a draft sends them, put together."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from engine.calendar.span import UNIT_MS
from engine.contacts.contact import Visit
from engine.contacts.identity import VISIT_ID_CHARS
from engine.decision import SENT, Outcome

SAME: Final = "same"
MOVED: Final = "moved"
ONLY_REAL: Final = "only_real"
ONLY_DRAFT: Final = "only_draft"
KINDS: Final = {
    SAME: "both send it at the same moment",
    MOVED: "both send it, the draft at another moment",
    ONLY_REAL: "it went out, and the draft does not send it",
    ONLY_DRAFT: "the draft sends it, and it did not go out",
}

WAITING: Final = "waiting"
ELSEWHERE: Final = "elsewhere"
ABSENT: Final = "absent"
NOT_ENTERED: Final = "not_entered"
LATER: Final = "later"
EARLIER: Final = "earlier"
REASONS: Final = {
    WAITING: "the visit has not come to the message yet",
    ELSEWHERE: "the visit went another way, to another message",
    ABSENT: "there is no such journey, or no such node in it",
    NOT_ENTERED: "the contact did not enter the journey",
    LATER: "the draft sends it later",
    EARLIER: "the draft sends it earlier",
}
"""Why a message is not there, or not then, beside the outcomes of engine.decision.OUTCOMES."""


class Difference(Struct, frozen=True, kw_only=True):
    """One message that the draft sends and that did not go out, or the other way, or moved."""

    variant: str
    kind: str
    """One of KINDS but `same`."""
    contact: str
    journey: str
    node: str
    channel: str
    real_at_ms: int | None = None
    draft_at_ms: int | None = None
    why: str
    """An outcome of the side without the message, or one of REASONS."""
    reason: str = ""
    """In words, where there is more to say."""
    key: str
    """Of the message; where it moved, as it went out."""

    @property
    def at_ms(self) -> int:
        """When it went out, or else when the draft sends it."""
        if self.real_at_ms is not None:
            return self.real_at_ms
        return self.draft_at_ms or 0


class Side(Struct, gc=False):
    """What one side has of a contact."""

    outcomes: dict[str, Outcome]
    """By key, the last of each."""
    visits: list[Visit]
    """Those that wait when all is over."""
    nodes: dict[str, set[str]]
    """The nodes of each journey there is."""


class Pairing:
    """Pairs by message key first, then by journey and node as near in time as `within_ms`."""

    def __init__(self, variant: str, within_ms: int) -> None:
        self._variant = variant
        self._within_ms = within_ms

    def pair(self, real: Side, draft: Side) -> tuple[list[Outcome], list[Difference]]:
        """Return the messages that are the same on both sides, and what differs."""
        same: list[Outcome] = []
        found: list[Difference] = []
        ours = {key: each for key, each in real.outcomes.items() if each.outcome == SENT}
        theirs = {key: each for key, each in draft.outcomes.items() if each.outcome == SENT}
        for key in [key for key in ours if key in theirs]:
            self._both(ours.pop(key), theirs.pop(key), same, found)
        for place in sorted({(each.journey, each.node) for each in (*ours.values(),)}):
            self._near(_of(place, ours), _of(place, theirs), ours, theirs, same, found)
        found += [self._only(ONLY_REAL, each, real, draft) for each in ours.values()]
        found += [self._only(ONLY_DRAFT, each, draft, real) for each in theirs.values()]
        return same, found

    def _near(
        self,
        ours: list[Outcome],
        theirs: list[Outcome],
        our_left: dict[str, Outcome],
        their_left: dict[str, Outcome],
        same: list[Outcome],
        found: list[Difference],
    ) -> None:
        """Pair messages of one node in order of time, where they are near enough."""
        while ours and theirs:
            apart_ms = theirs[0].at_ms - ours[0].at_ms
            if abs(apart_ms) <= self._within_ms:
                our_left.pop(ours[0].key)
                their_left.pop(theirs[0].key)
                self._both(ours.pop(0), theirs.pop(0), same, found)
            elif apart_ms > 0:
                ours.pop(0)
            else:
                theirs.pop(0)

    def _both(
        self, real: Outcome, draft: Outcome, same: list[Outcome], found: list[Difference]
    ) -> None:
        apart_ms = draft.at_ms - real.at_ms
        if not apart_ms:
            same.append(real)
            return
        found.append(
            Difference(
                variant=self._variant,
                kind=MOVED,
                contact=real.contact,
                journey=real.journey,
                node=real.node,
                channel=draft.channel,
                real_at_ms=real.at_ms,
                draft_at_ms=draft.at_ms,
                why=LATER if apart_ms > 0 else EARLIER,
                reason=f"by {rough_span(abs(apart_ms))}",
                key=real.key,
            )
        )

    def _only(self, kind: str, sent: Outcome, own: Side, other: Side) -> Difference:
        why, reason = self._reason(sent, own, other)
        return Difference(
            variant=self._variant,
            kind=kind,
            contact=sent.contact,
            journey=sent.journey,
            node=sent.node,
            channel=sent.channel,
            real_at_ms=sent.at_ms if kind == ONLY_REAL else None,
            draft_at_ms=sent.at_ms if kind == ONLY_DRAFT else None,
            why=why,
            reason=reason,
            key=sent.key,
        )

    def _reason(self, sent: Outcome, own: Side, other: Side) -> tuple[str, str]:
        """Say why the other side has no such message: what came of the same visit says most."""
        nodes = other.nodes.get(sent.journey)
        if nodes is None:
            return ABSENT, f"there is no journey {sent.journey!r}"
        if sent.node not in nodes:
            return ABSENT, f"there is no node {sent.node!r}"
        its = other.outcomes.get(sent.key)
        if its is not None:
            return its.outcome, its.reason
        visit = sent.key[:VISIT_ID_CHARS]
        for each in other.visits:
            if each.id == visit:
                return WAITING, f"it waits at {each.node!r}"
        of_visit = [
            each
            for each in other.outcomes.values()
            if each.key.startswith(f"{visit}.") and not _sent_by(own, each)
        ]
        if of_visit:
            return _told(max(of_visit, key=lambda each: each.at_ms))
        near = [
            each
            for each in other.outcomes.values()
            if each.journey == sent.journey
            and abs(each.at_ms - sent.at_ms) <= self._within_ms
            and (each.outcome, each.node) != (SENT, sent.node)
        ]
        if near:
            return _told(min(near, key=lambda each: (abs(each.at_ms - sent.at_ms), each.key)))
        for each in other.visits:
            if each.journey == sent.journey:
                return WAITING, f"another visit waits at {each.node!r}"
        return NOT_ENTERED, ""


def rough_span(span_ms: int) -> str:
    """Return a span in words, by its largest unit alone where that is not too coarse."""
    for unit in ("d", "h", "min", "s"):
        size = UNIT_MS[unit]
        if span_ms >= 2 * size or (span_ms >= size and span_ms % size == 0):
            return f"{round(span_ms / size)} {unit}"
    return "a moment"


def _sent_by(side: Side, outcome: Outcome) -> bool:
    """Say whether a side sends this message, too: then it is no other way of the visit."""
    own = side.outcomes.get(outcome.key)
    return own is not None and own.outcome == outcome.outcome == SENT


def _told(outcome: Outcome) -> tuple[str, str]:
    if outcome.outcome == SENT:
        return ELSEWHERE, f"it sends {outcome.node!r}"
    return outcome.outcome, outcome.reason


def _of(place: tuple[str, str], outcomes: dict[str, Outcome]) -> list[Outcome]:
    found: Iterable[Outcome] = outcomes.values()
    found = (each for each in found if (each.journey, each.node) == place)
    return sorted(found, key=lambda each: (each.at_ms, each.key))
