"""Tenure: one slot held by this process: taken in the store, recovered, served, closed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import structlog

from actors.clock import CLOCKS
from actors.control.orders import Held
from actors.control.roster import decode_roster
from actors.errors import LogCorruptError, OperatorError
from actors.links.credentials import Credentials
from actors.links.link import Drain, LinkClient, LinkError
from actors.map import Site
from actors.other_slots import Holders, OtherSlots, StoreAt
from actors.redis_slot import open_redis_slot
from actors.settings import ClusterSettings
from actors.shards.mover import MoveError, Mover, Moving
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.store.port import FencedError, StoreStalledError
from actors.store.redis_map import MapChangedError, RedisMap

AGAIN_S_MIN: Final = 0.5
AGAIN_S_MAX: Final = 30.0
"""A slot that cannot be opened is tried again, ever more seldom: somebody has to mend it."""

DRAIN_S: Final = 30.0

log = structlog.get_logger()


class MapOwnership:
    """Who owns the partitions, for the owner of one slot (see store.port.Ownership)."""

    def __init__(self, told: RedisMap, slot: int, epoch: int) -> None:
        self._map = told
        self._slot = slot
        self._epoch = epoch

    def owner(self, partition: int) -> tuple[int, int]:
        """See Ownership."""
        said = self._map.read()
        return said.owners[partition], said.version

    def give(self, partition: int, to_slot: int) -> int:
        """See Ownership."""
        try:
            return self._map.give(partition, self._slot, self._epoch, to_slot)
        except MapChangedError as error:  # It was given away before, and went on from there.
            raise FencedError(str(error)) from None


class Tenure:
    """Holds one slot. What it knows of the store is asked in threads: they may wait."""

    def __init__(
        self,
        slot: int,
        settings: ClusterSettings,
        told: RedisMap,
        socket: Path,
        tell: Callable[[int, int], Awaitable[None]],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """`tell` is what Moving says; `failed` ends the process if a commit fails, or is fenced."""
        self.slot = slot
        self.held = Held()
        self.service: ShardService | None = None
        self.wanted = True
        """Whether to try on where it cannot be opened."""
        self._settings = settings
        self._map = told
        self._socket = socket
        self._tell = tell
        self._failed = failed

    @property
    def mover(self) -> Mover | None:
        """What moves its partitions; None until it serves."""
        return None if self.service is None else self.service.mover

    async def open(
        self, key: bytes | None, host: str, tcp: str, credentials: Credentials | None
    ) -> None:
        """Take the slot, recover and serve it; try again where it cannot be, while it is wanted.

        It must not be cancelled: a thread would take the slot later, from whoever has it then.
        `tcp` is the address of this machine for others, empty where there are none.
        """
        wait_s = AGAIN_S_MIN
        while self.wanted:
            try:
                await self._open(key, host, tcp, credentials)
            except (OperatorError, LogCorruptError, StoreStalledError, OSError) as error:
                why = str(error) or type(error).__name__
                log.warning("a slot cannot be opened yet", slot=self.slot, error=why)
                self.held = Held(error=why)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, AGAIN_S_MAX)
            else:
                return

    async def _open(
        self, key: bytes | None, host: str, tcp: str, credentials: Credentials | None
    ) -> None:
        settings = self._settings
        clock = CLOCKS[settings.clock]()
        opened = await asyncio.to_thread(
            open_redis_slot,
            settings.redis,
            self.slot,
            key,
            settings.keep_ms,
            clock.read,
            archive=settings.archive,
        )
        slot_log, snapshots, files = opened
        place = StoreAt(settings.redis, settings.archive, key)
        try:
            # Asked now: who had the slot before can give nothing away any more.
            owners = (await asyncio.to_thread(self._map.read)).owners
            numbers = [number for number, owner in enumerate(owners) if owner == self.slot]
            service = ShardService(
                Shard(self.slot, 0, clock, numbers),
                slot_log,
                self._failed,
                snapshots=snapshots,
                settings=settings.snapshots,
                files=files,
                moving=Moving(
                    MapOwnership(self._map, self.slot, slot_log.epoch),
                    self._tell,
                    OtherSlots(opened, place, self._holders),
                ),
            )
            addresses = [str(self._socket), *([f"tcp://{tcp}:0"] if tcp else [])]
            await service.start(*addresses, credentials=credentials)
        except BaseException:
            await asyncio.to_thread(slot_log.close)
            raise
        self.service = service
        served = [each.removeprefix("tcp://") for each in service.door.addresses[1:]]
        site = Site(host, str(self._socket), next(iter(served), ""))
        self.held = Held(slot_log.epoch, site)

    def late(self, owners: list[int]) -> list[int]:
        """Return the partitions that are this slot's by a map, and not open: their giver died.

        Some may be on their way to another slot, or there already.
        """
        if self.service is None:
            return []
        here = self.service.shard.partitions
        return [n for n, owner in enumerate(owners) if owner == self.slot and n not in here]

    async def open_late(self, numbers: list[int]) -> None:
        """Open partitions, as far as the store says that they are here."""
        for number in numbers:
            mover = self.mover
            if mover is None:
                return
            try:
                await mover.open(number)
            except MoveError:
                continue  # It went on already.
            except (OperatorError, LogCorruptError, StoreStalledError) as error:
                log.warning("a partition is not opened yet", partition=number, error=str(error))

    async def drain(self) -> None:
        """Take nothing more, and write snapshots of all: the next start has little to fold."""
        if self.service is None:
            return
        try:
            async with asyncio.timeout(DRAIN_S):
                client = await LinkClient.connect(str(self._socket))
                with contextlib.closing(client):
                    await client.ask(Drain(0))
        except (OSError, LinkError, TimeoutError) as error:
            log.warning("a slot is closed without snapshots", slot=self.slot, error=str(error))

    async def close(self) -> None:
        """Finish what is folded, answer, and let go of the slot."""
        if self.service is not None:
            service, self.service = self.service, None
            await service.stop()
        self._socket.unlink(missing_ok=True)

    def _holders(self) -> Holders:
        """Return which slots somebody is to hold. Raises OperatorError, StoreStalledError."""
        roster = decode_roster(self._map.read().document)
        if roster is None:
            return Holders(frozenset(), -1, 0)
        holders = roster.holders
        lowest = min((slot for slot, holder in holders.items() if holder), default=-1)
        return Holders(frozenset(holders), lowest, roster.next_slot)

    def status(self) -> dict[str, Any]:
        """Return how long partitions were not served, in seconds, of the last that moved."""
        return {} if self.mover is None else {"pauses_s": self.mover.pauses_s}
