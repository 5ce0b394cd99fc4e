"""Publishing in a cluster: a publication comes into force slot by slot, while partitions move."""

import asyncio
import contextlib
from typing import Any, Final

import structlog

from actors.control.charter import Charter
from actors.control.roster import Roster
from actors.errors import OperatorError
from actors.links.credentials import Credentials
from actors.links.link import (
    AskStatus,
    LinkClient,
    LinkError,
    PublishNow,
    RefusedError,
    Status,
)
from actors.shards.pulls import SUPERSEDED

PATIENCE_S: Final = 60.0
"""How long slots may be taken over meanwhile, by shards that have to start first."""

LOOK_S: Final = 0.05

log = structlog.get_logger()


class Publishing:
    """Speaks to the owners of all slots, wherever they are just now."""

    def __init__(self, charter: Charter, host: str, credentials: Credentials | None) -> None:
        self._charter = charter
        self._host = host
        self._credentials = credentials

    async def publish(self, source: bytes) -> bool:
        """Put a publication in force where another one is; return whether that was anywhere.

        It ends when all slots with partitions have it, or a later one: that stays. Raises
        OperatorError where some slot is served by nobody for too long.
        """
        loop = asyncio.get_running_loop()
        end_s = loop.time() + PATIENCE_S
        changed, serial = False, 0
        while True:
            try:
                said = await self._ask_all()
                behind = [address for address, each in said.items() if each["published"] != source]
                if not behind:
                    return changed
                serial = serial or await self._next_serial(max(s["serial"] for s in said.values()))
                for address in behind:
                    await self._put(address, source, serial)
                    changed = True
            except (OSError, LinkError) as error:  # It is being taken over, or moves.
                if isinstance(error, RefusedError) and str(error) == SUPERSEDED:
                    log.warning("a later publication is in force already, and stays")
                    return changed
                if loop.time() > end_s:
                    text = f"not all slots took the publication in ({error}); start again"
                    raise OperatorError(f"{text}, see `anlass status --redis`") from None
                log.info("a publication waits for a shard", why=str(error))
                await asyncio.sleep(LOOK_S)

    async def _ask_all(self) -> dict[str, dict[str, Any]]:
        """Ask all slots how they are, by address. Raises LinkError where nobody serves one."""
        _, told = await asyncio.to_thread(self._charter.read)
        for slot in sorted(set(told.owners) - told.sites.keys()):
            raise LinkError(f"nobody serves slot {slot} just now")
        said = {}
        for _, site in sorted(told.sites.items()):
            address = site.address(self._host)
            client = await LinkClient.connect(address, self._credentials)
            with contextlib.closing(client):
                reply = await client.ask(AskStatus(0))
            assert isinstance(reply, Status)
            said[address] = reply.status
        return said

    async def _put(self, address: str, source: bytes, serial: int) -> None:
        client = await LinkClient.connect(address, self._credentials)
        with contextlib.closing(client):
            await client.ask(PublishNow(0, source, serial))

    async def _next_serial(self, latest: int) -> int:
        """Take a number later than all there were, also where the store forgot some."""

        def raise_serial(roster: Roster) -> None:
            roster.serial = max(roster.serial, latest) + 1

        return (await asyncio.to_thread(self._charter.change, raise_serial)).serial
