"""Charter: what is written in the store for a cluster as a whole, and changed by whoever may.

Members write what a Ray cluster begins with, operators' commands what they want; the Controller
finds it at its next look. All by compare-and-set.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Final

from actors.control.roster import Roster, decode_roster, encode_roster
from actors.errors import OperatorError
from actors.map import ClusterMap
from actors.settings import RedisSettings
from actors.store.port import StoreStalledError
from actors.store.redis_map import NOBODY, MapChangedError, RedisMap
from actors.store.redis_server import RedisServer, redacted

CHANGE_TRIES: Final = 100
"""Moves raise the map's version a hundred times a second at most."""


class Charter:
    """The roster in a store's map. Blocks."""

    def __init__(self, settings: RedisSettings) -> None:
        self.map = RedisMap(RedisServer(settings))
        self.name = redacted(settings.url)

    def read(self) -> tuple[Roster, ClusterMap]:
        """Return roster and map. Raises OperatorError where there is none, or no server."""
        try:
            told = self.map.read()
        except StoreStalledError as error:
            raise OperatorError(f"{error}; does it run, and is --redis right?") from None
        roster = decode_roster(told.document)
        if roster is None or NOBODY in told.owners:
            text = f"no cluster has begun in {self.name}"
            raise OperatorError(f"{text}; start one with `anlass run --redis`")
        found = {slot: roster.site(slot) for slot in roster.holders}
        sites = {slot: site for slot, site in found.items() if site is not None}
        return roster, ClusterMap(told.version, told.owners, sites)

    async def where(self) -> ClusterMap:
        """Return which slots own the partitions, and where they are; see `read`."""
        return (await asyncio.to_thread(self.read))[1]

    def change(self, change: Callable[[Roster], None], first: Roster | None = None) -> Roster:
        """Change the roster, and return it; `first` is the one of a new store.

        `change` may be called more than once, each time with a roster read anew.
        """
        for _ in range(CHANGE_TRIES):
            try:
                told = self.map.read()
                roster = decode_roster(told.document) or first
                if roster is None:
                    self.read()  # It says what is wrong.
                    continue
                change(roster)
                document = encode_roster(roster)
                if document != told.document:
                    self.map.change(told.version, document=document)
            except MapChangedError:
                continue
            except StoreStalledError as error:
                raise OperatorError(f"{error}; does it run, and is --redis right?") from None
            else:
                return roster
        raise OperatorError(f"the roster in {self.name} changes all the time; try again")


def new_roster(shards: int) -> Roster:
    """Return the roster of a new store."""
    return Roster(wanted=shards, id=os.urandom(4).hex())


def stop_shards(charter: Charter) -> None:
    """Let all shards drain and end. Raises OperatorError."""

    def stop(roster: Roster) -> None:
        roster.stopping = True

    charter.change(stop)
