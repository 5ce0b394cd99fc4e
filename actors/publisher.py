"""Publisher: puts publications in force on all shards of a store, and keeps note of each."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.clock import WallClock
from actors.errors import OperatorError, PassingError
from actors.links.counted import AskVisits, Counted, VisitCount
from actors.links.credentials import Credentials
from actors.links.link import (
    AskStatus,
    LinkClient,
    LinkError,
    PublishNow,
    RefusedError,
    Status,
)
from actors.publications import (
    JourneyNote,
    PublicationNote,
    Publications,
    digest_of_source,
    journey_notes,
    known_of,
    numbers_of,
    numbers_with,
)
from engine.compile.publication import programs_of
from engine.contacts.course import add_counts
from engine.fold.succession import Known, says_the_same, source_of, succeed, versions_of
from engine.language.journey import Publication

SETTLE_S: Final = 60.0
"""How long a publish waits until all visits have taken over the one before."""

LOOK_S: Final = 0.05
EMPTY: Final = Publication(journeys={})


class Visits(Struct):
    """Where visits stand in all shards."""

    visits: list[VisitCount]
    queued: dict[str, int]

    def in_use(self) -> dict[str, set[int]]:
        """Return the versions that visits are in, by journey."""
        found: dict[str, set[int]] = {}
        for each in self.visits:
            found.setdefault(each.journey, set()).add(each.version)
        return found


class Publisher:
    """Speaks to the shards at these sockets; see `actors.opened` for those that do not run."""

    def __init__(
        self,
        sockets: list[str],
        publications: Publications,
        credentials: Credentials | None = None,
        spread: Callable[[bytes], Awaitable[object]] | None = None,
    ) -> None:
        """`spread` puts a publication in force in a cluster, whose partitions move meanwhile."""
        self._credentials = credentials
        self._sockets = sockets
        self._publications = publications
        self._spread = spread

    async def in_force(self) -> Publication:
        """Return what is in force; an empty one where nothing is.

        A publish goes from shard to shard: where it was cut short, the first one has the newest.
        """
        source = (await self._status(self._sockets[0]))["published"]
        return msgspec.json.decode(source, type=Publication) if source else EMPTY

    async def now_ms(self) -> int:
        """Return the latest moment that it is in any shard."""
        moments: list[int] = [(await self._status(socket))["now_ms"] for socket in self._sockets]
        return max(moments)

    async def queued(self) -> dict[str, int]:
        """Return how many entries wait for each journey that is paused."""
        return queues_of([await self._status(socket) for socket in self._sockets])

    async def visits(self, source: bytes = b"") -> Visits:
        """Count where visits stand, and what a draft of this source would make of them."""
        counted = await asyncio.gather(*[self._count(socket, source) for socket in self._sockets])
        queued: dict[str, int] = {}
        for each in counted:
            add_counts(queued, each.queued)
        return Visits(_merged([visit for each in counted for visit in each.visits]), queued)

    def known(self, visits: Visits | None = None) -> Known:
        """Return what a succession needs to know."""
        in_use = None if visits is None else visits.in_use()
        return known_of(self._publications.notes(), in_use)

    async def publish(
        self, before: Publication, after: Publication, *, by: str, what: str, note: str = ""
    ) -> PublicationNote:
        """Put a publication in force after another one, when all visits have taken over that.

        It is noted first: a number is never given twice. Raises AuthorError where it does not
        compile, OperatorError where a shard does not answer or takes too long.
        """
        source = source_of(after)
        programs_of(source)
        if versions_of(before):
            await self._settled()
        said = self._note(before, after, source, by, what, note)
        try:
            if self._spread is not None:
                await self._spread(source)
                return said
            for socket in self._sockets:
                await self._put(socket, source)
        except (OSError, LinkError) as error:
            raise OperatorError(
                f"not all shards have publication {said.number}: {error}; "
                "the next start, or publishing it again, completes it"
            ) from None
        return said

    async def succession_of(self, draft: Publication) -> bytes:
        """Return the source that puts a folder in force at a start, versions carried on."""
        before = await self.in_force()
        if not versions_of(before):
            return source_of(draft)
        if says_the_same(before, draft):
            return source_of(before)
        return source_of(succeed(before, draft, {}, self.known()))

    def note_start(self, before: Publication, source: bytes) -> None:
        """Note what a start puts in force, unless it was noted last: others start with it, too.

        Raises PassingError where something else was noted just now.
        """
        notes = self._publications.notes()
        if notes and notes[-1].digest == digest_of_source(source):
            return
        after = msgspec.json.decode(source, type=Publication)
        self._note(before, after, source, "run", "run", "")

    def _note(
        self,
        before: Publication,
        after: Publication,
        source: bytes,
        by: str,
        what: str,
        note: str,
    ) -> PublicationNote:
        notes = self._publications.notes()
        journeys: list[JourneyNote] = journey_notes(before, after, numbers_of(notes))
        said = PublicationNote(
            number=notes[-1].number + 1 if notes else 1,
            at_ms=WallClock().read(),
            by=by,
            what=what,
            note=note,
            digest=digest_of_source(source),
            journeys=journeys,
            numbers=numbers_with(notes, journeys),
        )
        self._publications.add(said, source)
        return said

    async def _settled(self) -> None:
        """Wait until no timer is due: so no contact has the last publish still to take over."""
        end = asyncio.get_running_loop().time() + SETTLE_S
        for socket in self._sockets:
            while (await self._status(socket))["timers_due"]:
                if asyncio.get_running_loop().time() > end:
                    text = "visits still take over the publication before"
                    raise OperatorError(f"{text}; try again in a minute, see `anlass status`")
                await asyncio.sleep(LOOK_S)

    async def _put(self, socket: str, source: bytes) -> None:
        client = await LinkClient.connect(socket, self._credentials)
        try:
            await client.ask(PublishNow(0, source))
        finally:
            client.close()

    async def _count(self, socket: str, source: bytes) -> Counted:
        try:
            client = await LinkClient.connect(socket, self._credentials)
            try:
                reply = await client.ask(AskVisits(0, source))
            finally:
                client.close()
        except RefusedError as error:
            raise OperatorError(str(error)) from None
        except (OSError, LinkError) as error:
            raise PassingError(f"a shard does not answer at {socket}: {error}") from None
        assert isinstance(reply, Counted)
        return reply

    async def _status(self, socket: str) -> dict[str, Any]:
        try:
            client = await LinkClient.connect(socket, self._credentials)
            try:
                reply = await client.ask(AskStatus(0))
            finally:
                client.close()
        except (OSError, LinkError) as error:
            raise PassingError(f"a shard does not answer at {socket}: {error}") from None
        assert isinstance(reply, Status)
        return reply.status


def queues_of(statuses: list[dict[str, Any]]) -> dict[str, int]:
    """Add up how many entries wait for each journey, as shards say it of themselves."""
    queued: dict[str, int] = {}
    for each in statuses:
        add_counts(queued, each["queued"])
    return queued


def _merged(visits: list[VisitCount]) -> list[VisitCount]:
    """Add up those of which all the same is so."""
    counts: dict[tuple[object, ...], VisitCount] = {}
    for each in visits:
        key = (each.journey, each.node, each.version, each.held, each.fate, each.to)
        more = 0 if key not in counts else counts[key].count
        counts[key] = msgspec.structs.replace(each, count=each.count + more)
    return [counts[key] for key in sorted(counts, key=str)]
