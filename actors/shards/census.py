"""Census: which visits stand where, what a draft would make of each, and the numbers of journeys.

In slices, at no cost.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Final

import structlog

from actors.links.counted import AskNumbers, AskVisits, Counted, NumbersAre, VisitCount
from actors.links.link import Link
from actors.shards.shard import Shard
from engine.compile.publication import programs_of
from engine.contacts.contact import Contact, Visit, decode_contact
from engine.contacts.idle import EMPTY_LIST, decode_idle, may_have_queued
from engine.count_table import Outline, Tabulation, outlines_of
from engine.errors import AuthorError
from engine.fold.programs import Programs
from engine.fold.version import is_held
from engine.moment import Moment
from engine.notes import Notes
from engine.partition import Partition

CONTACTS_PER_SLICE: Final = 250
"""Looked at between two turns of the loop: a millisecond, where all of them have visits two."""

ASKED_MAX: Final = 2
"""Counts of one shard at a time."""

KEEPS: Final = "keeps"
FIRES: Final = "fires"
LATER: Final = "later"
SOONER: Final = "sooner"
ENDS: Final = "ends"

log = structlog.get_logger()


class Census:
    """Counts the visits of a shard while it serves. What moves meanwhile may be counted or not."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, link: Link, request: AskVisits | AskNumbers) -> None:
        """Count, and answer then."""
        if len(self._tasks) >= ASKED_MAX:
            link.refuse(request, "visits are being counted already; try again in a minute")
            return
        if isinstance(request, AskNumbers):
            task = asyncio.create_task(self._add_up(link, request))
        else:
            task = asyncio.create_task(self._count(link, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _add_up(self, link: Link, request: AskNumbers) -> None:
        tabulation = Tabulation(request.window)
        outlines: list[Outline] = []
        for number in list(self._shard.partitions):
            partition = self._shard.partitions.get(number)
            if partition is None:
                continue  # It moved to another slot meanwhile, which tells of it.
            if not outlines:
                outlines = outlines_of(partition.programs)
            for _ in tabulation.add(partition.numbers):
                await asyncio.sleep(0)
            await asyncio.sleep(0)
        link.send(NumbersAre(request.seq, tabulation.table(), outlines))

    async def _count(self, link: Link, request: AskVisits) -> None:
        try:
            programs = programs_of(request.source) if request.source else None
        except (AuthorError, ValueError) as error:
            link.refuse(request, str(error))
            return
        counts: Counter[tuple[str, str, int, bool, str, str]] = Counter()
        queued: Counter[str] = Counter()
        try:
            for number in list(self._shard.partitions):
                partition = self._shard.partitions.get(number)
                if partition is None:
                    continue  # As above.
                for _ in self._count_partition(partition, programs, counts, queued):
                    await asyncio.sleep(0)
        except Exception as error:  # Who asked is told; the shard goes on.
            log.exception("visits cannot be counted")
            link.refuse(request, f"visits cannot be counted: {error}")
            return
        found = [VisitCount(*key, count) for key, count in sorted(counts.items())]
        link.send(Counted(request.seq, found, dict(queued)))

    def _count_partition(
        self,
        partition: Partition,
        programs: Programs | None,
        counts: Counter[tuple[str, str, int, bool, str, str]],
        queued: Counter[str],
    ) -> Iterator[None]:
        """Count in slices; the end of one partition ends a slice, as most may have but few."""
        now_ms = max(
            partition.now_ms, self._shard.clock.now_ms(self._shard.clock.read(), partition, None)
        )
        for i, state in enumerate(partition.states().values(), 1):
            if bytes(decode_idle(state).visits) != EMPTY_LIST or may_have_queued(state):
                contact = decode_contact(state)
                if contact.planned_for != partition.programs.version:
                    _carry_over(partition.programs, contact, now_ms)
                for key in fates(contact, programs, now_ms):
                    counts[key] += 1
                for each in contact.queued:
                    queued[each.journey] += 1
            if i % CONTACTS_PER_SLICE == 0:
                yield
        yield


def fates(
    contact: Contact, programs: Programs | None, now_ms: int
) -> Iterator[tuple[str, str, int, bool, str, str]]:
    """Yield of each visit journey, node, version, whether it is held, and what a draft makes of it.

    That is one of the words above, and the node where it is then; both empty without a draft. It
    asks the engine itself, of a copy. The contact is changed.
    """
    before = [(each, each.node, each.version, _due(each), is_held(each)) for each in contact.visits]
    if programs is not None:
        _carry_over(programs, contact, now_ms)
    left = {id(each) for each in contact.visits}
    for visit, node, version, due_ms, held in before:
        fate, to = "", ""
        if programs is not None:
            fate, to = ENDS, ""
            if id(visit) in left and _has_place(programs, visit):
                fate, to = _fate(visit, due_ms, now_ms), visit.node
        yield visit.journey, node, version, held, fate, to


def _carry_over(programs: Programs, contact: Contact, now_ms: int) -> None:
    programs.versions.carry_over(Moment(programs.rules, contact, now_ms, Notes(), {}))


def _has_place(programs: Programs, visit: Visit) -> bool:
    """Say whether a visit can go on: without versions it stays, and ends when it is due."""
    program = programs.program_of(visit)
    return program is not None and visit.node in program.places


def _fate(visit: Visit, due_before_ms: int, now_ms: int) -> str:
    due_ms = _due(visit)
    if due_ms == due_before_ms:
        return KEEPS
    if due_ms <= now_ms and not is_held(visit):
        return FIRES
    return LATER if due_ms > due_before_ms else SOONER


def _due(visit: Visit) -> int:
    return visit.was_due_ms if is_held(visit) else visit.due_at_ms
