"""Mover: lets partitions leave a slot and come to it, while the others are served."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

import structlog
from msgspec import Struct

from actors.errors import LogCorruptError, OperatorError
from actors.frame import Frame
from actors.links.link import Done, Link, Moves, OpenPartition, Refused
from actors.map import ON_ITS_WAY, ClusterMap, Move
from actors.shards.outbox import Outbox
from actors.shards.recovery import Recovery, load_head
from actors.shards.shard import Shard
from actors.shards.snapshotter import Snapshotter
from actors.shards.sweeper import Elsewhere
from actors.store.port import FencedError, Ownership, Snapshots, StoreStalledError
from engine.contacts.identity import partition_of
from engine.decision import Outcome

TELL_S: Final = 2.0
"""How long the new owner may take; after that it finds out from the map."""

PAUSES_KEPT: Final = 256
RETRY_S: Final = 0.05
"""Between tries to give, while the store does not say whether it has happened."""

Result = TypeVar("Result")

log = structlog.get_logger()


class MoveError(Exception):
    """A partition cannot move now, and why; it is where it was."""


class Moving(Struct, frozen=True):
    """What moving needs of the cluster."""

    ownership: Ownership
    tell: Callable[[int, int], Awaitable[None]]
    """`tell(slot, partition)` lets the new owner know; it may fail."""
    elsewhere: Elsewhere | None = None
    """Where contacts are erased that were in other slots before."""


class Home(Protocol):
    """What the mover asks of the service that it belongs to."""

    outbox: Outbox

    @property
    def links(self) -> set[Link]:
        """All links there are now."""
        ...

    def commit(self, frame: Frame) -> None:
        """Let a frame become durable."""
        ...


class Mover:
    """Gives partitions of one slot away and opens those that come. All on the service's loop.

    A partition that leaves: what is folded commits, a last snapshot is written, the store names
    the other slot its owner, in that order; from then on nothing of this slot's log is needed for
    it. Meanwhile its events get Verdict.MOVED. Where that fails it stays, as if nothing had been.
    """

    def __init__(
        self,
        home: Home,
        shard: Shard,
        snapshots: Snapshots,
        snapshotter: Snapshotter,
        moving: Moving,
    ) -> None:
        self.map = ClusterMap(-1, [], {})
        """As the Controller said last."""
        self.pauses_s: list[float] = []
        """For how long each of the last partitions that left or came was not served here."""
        self._home = home
        self._shard = shard
        self._outbox = home.outbox
        self._snapshots = snapshots
        self._snapshotter = snapshotter
        self._ownership = moving.ownership
        self._tell = moving.tell
        self._leaving: set[int] = set()
        self._gone: dict[int, Move] = {}
        """Where partitions went that left, newer than the map."""
        self._turn = asyncio.Lock()
        self._loop = asyncio.get_running_loop()

    def where(self, partition: int) -> Move:
        """Say which slot owns a partition, as far as is known here."""
        if partition in self._leaving:
            return Move(partition, ON_ITS_WAY, self.map.version)
        if partition in self._shard.partitions:
            site = self.map.sites.get(self._shard.slot)
            return Move(partition, self._shard.slot, self.map.version, site)
        gone = self._gone.get(partition)
        if gone is not None and gone.version > self.map.version:
            return gone
        owner = self.map.owners[partition] if self.map.owners else ON_ITS_WAY
        if owner == self._shard.slot:  # It comes here, and is not open yet.
            owner = ON_ITS_WAY
        return Move(partition, owner, self.map.version, self.map.sites.get(owner))

    async def give(self, partition: int, to_slot: int) -> None:
        """Let a partition go to another slot. Raises MoveError; FencedError ends the process."""
        async with self._turn:
            if partition not in self._shard.partitions:
                return
            await self._snapshotter.hold()
            try:
                await self._give(partition, to_slot)
            finally:
                self._snapshotter.let_go()

    async def open(self, partition: int) -> None:
        """Serve a partition that the store says is this slot's.

        Its first frame may not be durable yet; what follows waits for it, as ever.

        Raises MoveError where it is another's, and what the store raises.
        """
        async with self._turn:
            if partition in self._shard.partitions:
                return
            owner, version = await self._run(self._ownership.owner, partition)
            if owner != self._shard.slot:
                raise MoveError(
                    f"partition {partition} is slot {owner}'s, not {self._shard.slot}'s"
                )
            reader = Recovery(self._shard, self._outbox)
            found = await self._run(reader.latest_whole, self._snapshots, partition)
            if found is None:
                raise MoveError(f"partition {partition} has no snapshot to begin with")
            head, rows, unsettled = found
            load_head(self._shard, head, rows)
            self._put_in_service(partition, unsettled)
            self._gone.pop(partition, None)
            site = self.map.sites.get(self._shard.slot)
            self._push(Move(partition, self._shard.slot, version, site))

    async def answer(self, link: Link, request: OpenPartition) -> None:
        """Open a partition because its last owner says so."""
        try:
            await self.open(request.partition)
        except (MoveError, OperatorError, LogCorruptError, StoreStalledError) as error:
            link.send(Refused(request.seq, str(error)))
        else:
            link.send(Done(request.seq))

    def open_all(self, numbers: list[int]) -> None:
        """Put partitions in service that recovery has loaded and this log does not know yet."""
        for number in numbers:
            self._put_in_service(number, [])

    async def _give(self, partition: int, to_slot: int) -> None:
        shard, began_s = self._shard, self._loop.time()
        try:
            head, rows = shard.snapshot(partition)
        except ValueError as error:  # A contact that cannot be encoded: see Partition.stuck.
            raise MoveError(f"partition {partition} cannot leave: {error}") from error
        withdrawn = shard.withdraw(partition)
        self._leaving.add(partition)
        messages = self._outbox.withdraw(lambda contact: partition_of(contact) == partition)
        try:
            await self._snapshotter.write_last(head, rows)
        except Exception as error:
            self._leaving.discard(partition)
            shard.restore(*withdrawn)
            for message in messages:
                self._outbox.put(message)
            self._push(self.where(partition))
            if isinstance(error, FencedError):
                raise
            raise MoveError(f"partition {partition} stays: {error}") from error
        version = await self._run(self._give_for_sure, partition, to_slot)
        self._leaving.discard(partition)
        self._snapshotter.forget(partition)
        shard.let_go(partition)
        move = Move(partition, to_slot, version, self.map.sites.get(to_slot))
        self._gone[partition] = move
        try:
            async with asyncio.timeout(TELL_S):
                await self._tell(to_slot, partition)
        except Exception as error:  # noqa: BLE001 - it finds out from the map
            log.warning(
                "a partition's new owner is not told", partition=partition, error=str(error)
            )
        self._push(move)
        self._note_pause(began_s)

    def _give_for_sure(self, partition: int, to_slot: int) -> int:
        """Give, and where nobody knows whether that has happened, again. Blocks."""
        while True:
            try:
                return self._ownership.give(partition, to_slot)
            except StoreStalledError as error:
                log.warning("a partition is not given yet", partition=partition, error=str(error))
                time.sleep(RETRY_S)

    def _put_in_service(self, partition: int, unsettled: list[Outcome]) -> None:
        """Record that it is here, and care for its messages and its snapshots."""
        shard = self._shard
        floor = shard.next_position
        shard.open(partition, shard.clock.read())
        shard.add_up()
        frame = shard.cut()
        assert frame is not None, "a record was noted"
        for outcome in sorted(unsettled, key=lambda each: (each.at_ms, each.key)):
            self._outbox.put(outcome)
        self._snapshotter.add(partition, floor)
        self._home.commit(frame)

    def _push(self, move: Move) -> None:
        for link in list(self._home.links):
            link.send(Moves(0, [move]))

    def _note_pause(self, began_s: float) -> None:
        self.pauses_s = [*self.pauses_s, self._loop.time() - began_s][-PAUSES_KEPT:]

    async def _run(self, do: Callable[..., Result], *args: Any) -> Result:
        return await self._loop.run_in_executor(None, do, *args)
