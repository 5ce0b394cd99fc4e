"""Stays: in which slot a partition was when, as the logs of all slots tell."""

from typing import Final

from msgspec import Struct

from actors.errors import LogCorruptError
from actors.frame import Frame, OpenedRecord, PublishRecord, partition_number
from actors.store.port import SnapshotHead
from engine.limits import PARTITIONS

AS_BY_TIME: Final = -1


class Stay(Struct):
    """Records of a partition in one slot, without a gap."""

    slot: int
    first: int
    """`pseq` of the first record there is."""
    last: int
    position: int
    """Of the first."""
    last_position: int
    opened: OpenedRecord | None = None
    """The first, where it says that the partition came there."""


class Published(Struct, frozen=True):
    """A publication in a slot's log."""

    position: int
    serial: int
    now_ms: int


class Span(Struct, frozen=True):
    """A part of a slot's log in which a partition was there."""

    slot: int
    first: int
    next: int | None
    """The position behind; None: to the end of the log."""


class Stays:
    """Where all partitions were, filled frame by frame, each slot's in order."""

    def __init__(self) -> None:
        self.found: list[list[Stay]] = [[] for _ in range(PARTITIONS)]
        """By partition; sorted by `sort`."""
        self.firsts: dict[int, int] = {}
        """By slot, where its history begins."""
        self.ends: dict[int, int] = {}
        """By slot, where its history ended when it was read."""
        self._published: dict[int, list[Published]] = {}
        self._here: dict[tuple[int, int], Stay] = {}

    def note(self, slot: int, frame: Frame) -> None:
        """Take in a frame."""
        self.firsts.setdefault(slot, frame.position)
        self.ends[slot] = frame.position + len(frame.records)
        for position, record in enumerate(frame.records, frame.position):
            if isinstance(record, PublishRecord):
                published = Published(position, record.serial, record.now_ms)
                self._published.setdefault(slot, []).append(published)
                continue
            number = partition_number(record)
            stay = self._here.get((slot, number))
            opened = record if isinstance(record, OpenedRecord) else None
            if stay is None or opened or record.pseq != stay.last + 1:
                stay = Stay(slot, record.pseq, record.pseq, position, position, opened)
                self._here[slot, number] = stay
                self.found[number].append(stay)
            else:
                stay.last, stay.last_position = record.pseq, position

    def sort(self) -> None:
        """Bring the stays of each partition into order, when all is noted."""
        for stays in self.found:
            stays.sort(key=lambda stay: (stay.first, stay.last))

    def is_whole(self, number: int, owner: int) -> bool:
        """Say whether all that a partition ever did is there."""
        stays = self.found[number]
        slot = stays[0].slot if stays else owner
        begins = self.firsts.get(slot, 0) == 0
        if stays and stays[0].opened is not None:  # It did nothing before it came there.
            begins = stays[0].first == 1 and bool(self.brought(number) or not self._published)
        return begins and self.goes_on(number, 0)

    def goes_on(self, number: int, pseq: int) -> bool:
        """Say whether all that a partition did after an input is there."""
        following = pseq + 1
        for stay in self.found[number]:
            if stay.last >= following:
                if stay.first > following:
                    return False
                following = stay.last + 1
        return True

    def brought(self, number: int) -> tuple[int, int] | None:
        """Return where it stands what a partition had in force that moved before its first input.

        That is the slot and the position. Nothing says where such a partition began, but it came
        with the number of what had been published there, and all slots have the same of a number.
        """
        stays = self.found[number]
        opened = stays[0].opened if stays else None
        if opened is None or stays[0].first != 1:
            return None
        by_time = opened.serial == AS_BY_TIME
        told = sorted(
            (each.now_ms, slot, each.position)
            for slot, published in self._published.items()
            for each in published
            if (each.now_ms <= opened.now_ms if by_time else each.serial == opened.serial)
        )
        return told[-1 if by_time else 0][1:] if told else None

    def spans_of(self, number: int, owner: int, head: SnapshotHead | None) -> list[Span]:
        """Return where a partition was since a snapshot, or ever, in order.

        Raises LogCorruptError as `spans`.
        """
        if head is not None:
            return self.spans(number, head.slot, head.position, head.pseq)
        found = self.found[number]
        if not found:
            return self.spans(number, owner, self.firsts.get(owner, 0), 0)
        first = self.firsts[found[0].slot]
        if found[0].opened is not None:  # Where it was before is not kept any more.
            first = found[0].position
        spans = self.spans(number, found[0].slot, first, found[0].first - 1)
        if (brought := self.brought(number)) is not None:
            slot, position = brought
            return [Span(slot, position, position + 1), *spans]
        return spans

    def spans(self, number: int, slot: int, first: int, pseq: int) -> list[Span]:
        """Return where a partition's inputs after `pseq` are, and its publications, in order.

        It is in `slot` at the position `first` then. Raises LogCorruptError where it is in another
        one with the very next input, and nothing says that it came there.
        """
        spans = []
        following, known = first, pseq
        began = slot, first
        for stay in self.found[number]:
            if stay.last <= pseq:
                continue
            missing, known = stay.first > known + 1, stay.last
            if missing and stay.opened is None and stay.slot != slot:
                # How it came there is not kept any more: records go by their age, slot by slot.
                spans.append(Span(slot, first, following))
                slot, first = stay.slot, stay.position
            elif stay.opened is None or stay.first <= pseq or (stay.slot, stay.position) == began:
                if stay.slot != slot:
                    text = f"partition {number}: input {stay.first} is in slot {stay.slot}, and"
                    text = f"{text} nothing says how it came there"
                    raise LogCorruptError(f"{text}; see what `anlass verify` says")
            else:
                spans.append(Span(slot, first, self._left(slot, following, stay.opened)))
                slot, first = stay.slot, stay.position
            following = stay.last_position + 1
        return [*spans, Span(slot, first, None)]

    def _left(self, slot: int, position: int, opened: OpenedRecord) -> int:
        """Return behind which position a partition has left a slot, whose last record is before.

        What was published there afterwards was its own only if it came with it to the next.
        """
        for each in self._published.get(slot, []):
            if each.position < position:
                continue
            by_time = opened.serial == AS_BY_TIME and each.now_ms <= opened.now_ms
            if not by_time and each.serial > opened.serial:
                break
            position = each.position + 1
        return position
