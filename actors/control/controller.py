"""Controller: keeps the roster, grants leases, and tells shards what to do. Off the hot path.

All it must not forget is in the store, changed by compare-and-set; so it may end at any moment, and
of two only the one that began last can act.
"""

import asyncio
import contextlib
from typing import Any, Final, Protocol

import structlog
from msgspec.structs import replace

from actors.control.muster import Muster
from actors.control.orders import Beat, Orders
from actors.control.placement import first_owners, orders_for, place
from actors.control.roster import Roster, decode_roster, encode_roster
from actors.map import ClusterMap, Site
from actors.store.port import StoreStalledError
from actors.store.redis_map import NOBODY, Map, MapChangedError

TURN_S: Final = 0.25
GAP_S: Final = 1.0
"""After a turn so much too late beats wait unheard, perhaps: leases begin anew."""

START_AGAIN_S_MIN: Final = 1.0
START_AGAIN_S_MAX: Final = 30.0
"""After a shard that ended before it beat once, twice as long each time."""

NODE_AVOIDED_S: Final = 60.0
"""A node all of whose shards fell silent gets no new ones: Ray notices later."""

log = structlog.get_logger()


class Crew(Protocol):
    """The processes of shards, as Ray has them."""

    ended: set[str]
    """Of those asked for, the ones that have ended."""

    def start(self, name: str, node: str) -> None:
        """Have a process of this name, and watch it."""
        ...

    def end(self, name: str) -> None:
        """Kill a process, if it is there."""
        ...

    def find(self, name: str) -> None:
        """Watch a process that was started before; where it is not there, it has ended."""
        ...

    def names(self) -> set[str]:
        """Return those asked for and not ended by `end`."""
        ...

    def nodes(self) -> list[str]:
        """Return the nodes that are there, as far as known."""
        ...


class StoredMap(Protocol):
    """The map in the store (see actors.store.redis_map)."""

    def read(self) -> Map:
        """Read all of it."""
        ...

    def change(
        self, version: int, owners: dict[int, int] | None = None, document: bytes | None = None
    ) -> int:
        """Change it if it has this version still. Raises MapChangedError."""
        ...


class ReplacedError(Exception):
    """Another Controller has begun after this one."""


class Controller:
    """Decides by `place`, on what it reads and hears; what is decided counts once it is stored."""

    def __init__(self, told: StoredMap, crew: Crew, session: str) -> None:
        """`session` names the Ray cluster: shards of another one are gone."""
        self.beats: dict[str, Beat] = {}
        self.heard_s: dict[str, float] = {}
        self.outlawed = False
        """Whether shards are of another Ray cluster now: what still beats here is to end."""
        self._map = told
        self._crew = crew
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._watched_s = self._turned_s = self._loop.time()
        self._term = 0
        self._roster: Roster | None = None
        self._told = ClusterMap(-1, [], {})
        self._news = asyncio.Event()
        self._begun: set[str] = set()
        """Shards that have beaten once."""
        self._start_again_s = 0.0
        self._start_wait_s = START_AGAIN_S_MIN
        self._avoided: dict[str, float] = {}
        """Node -> until when."""

    async def run(self) -> None:
        """Control, until all shards were told to end and have. Raises ReplacedError."""
        begun = over = False
        while not over:
            self._news.clear()
            try:
                if begun:
                    over = await self._turn()
                else:
                    begun = await self._begin()
            except StoreStalledError as error:
                log.warning("the controller waits for the store", error=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), TURN_S)

    def wake(self) -> None:
        """Look at once: something has happened."""
        self._news.set()

    def beat(self, beat: Beat) -> Orders:
        """Take note of a beat, and return what the shard has to do."""
        roster = self._roster
        if roster is None:
            return Orders(number=beat.number, hold=list(beat.held))  # Nothing is known yet.
        if beat.name in roster.posts:
            before = self.beats.get(beat.name)
            if before is None or before.held != beat.held:
                self._news.set()
            self.beats[beat.name] = beat
            self.heard_s[beat.name] = self._loop.time()
            self._begun.add(beat.name)
        orders = orders_for(beat.name, roster, self._census(self._told.owners))
        if beat.map_version < self._told.version:
            orders = replace(orders, map=self._told)
        return orders

    def status(self) -> dict[str, Any]:
        """Return the age of each lease and what each shard said of itself."""
        now_s = self._loop.time()
        return {
            name: {
                "heard_ms": int((now_s - self.heard_s[name]) * 1000),
                "busy": beat.busy,
                "lag_ms": beat.lag_ms,
                "errors": {slot: each.error for slot, each in beat.held.items() if each.error},
            }
            for name, beat in self.beats.items()
        }

    async def _begin(self) -> bool:
        """Become the one that acts, with a term of its own; when nodes for shards are known."""
        if not self._crew.nodes():
            return False
        try:
            told = await asyncio.to_thread(self._map.read)
            roster = decode_roster(told.document)
            if roster is None:
                return False  # Who starts a cluster writes the first.
            self._check(roster, roster.term)
            roster.term += 1
            version = await asyncio.to_thread(
                self._map.change, told.version, None, encode_roster(roster)
            )
        except MapChangedError:
            self._news.set()
            return False
        self._term = roster.term
        self._watched_s = self._turned_s = self._loop.time()
        for name in roster.posts:
            self._crew.find(name)
        self._note(roster, version, told.owners)
        return True

    async def _turn(self) -> bool:
        """Look once; return whether all is over."""
        now_s = self._loop.time()
        if now_s - self._turned_s > TURN_S + GAP_S:
            log.warning("the controller was held up: leases begin anew")
            self._watched_s = now_s
        self._turned_s = now_s
        told = await asyncio.to_thread(self._map.read)
        stored = decode_roster(told.document)
        if stored is None:
            raise ReplacedError
        self._check(stored, self._term)
        self._avoid(stored, self._census(told.owners))
        muster = self._census(told.owners)
        roster = place(stored, muster)
        owners = first_owners(roster) if NOBODY in told.owners and roster.holders else {}
        version = told.version
        if roster != stored or owners:
            try:
                version = await asyncio.to_thread(
                    self._map.change, version, owners, encode_roster(roster)
                )
            except MapChangedError:
                self._news.set()  # A partition moved, or an operator wants something.
                return False
            self._log_changes(stored, roster)
            told = replace(told, owners=[owners.get(n, each) for n, each in enumerate(told.owners)])
        self._note(roster, version, told.owners)
        self._man(roster)
        return roster.stopping and not roster.posts

    def _check(self, roster: Roster, term: int) -> None:
        """Raise ReplacedError where another Controller acts, here or in another Ray cluster."""
        if roster.session != self._session:
            self.outlawed = True
            self._roster = Roster(wanted=0)
        if self.outlawed or roster.term != term:
            raise ReplacedError

    def _avoid(self, roster: Roster, muster: Muster) -> None:
        """Trust no node all of whose shards fell silent, before others are put there."""
        posts = roster.posts.items()
        silent = {
            post.node
            for name, post in posts
            if name not in self._crew.ended and muster.lost(roster, name)
        }
        heard = {post.node for name, post in posts if not muster.lost(roster, name)}
        until_s = self._loop.time() + NODE_AVOIDED_S
        self._avoided |= dict.fromkeys(silent - heard, until_s)

    def _census(self, owners: list[int]) -> Muster:
        now_s = self._loop.time()
        nodes = self._crew.nodes()
        trusted = [node for node in nodes if self._avoided.get(node, 0.0) < now_s]
        return Muster(
            now_s=now_s,
            watched_s=self._watched_s,
            owners=owners,
            beats=self.beats,
            heard_s=self.heard_s,
            ended=self._crew.ended,
            nodes=trusted or nodes,
            may_start=now_s >= self._start_again_s,
        )

    def _note(self, roster: Roster, version: int, owners: list[int]) -> None:
        self._roster = roster
        if version == self._told.version:
            return
        sites: dict[int, Site] = {}
        for slot in roster.holders:
            if (site := roster.site(slot)) is not None:
                sites[slot] = site
        self._told = ClusterMap(version, owners, sites)

    def _man(self, roster: Roster) -> None:
        """Start and end processes, as the roster says."""
        names = self._crew.names()
        for name, post in roster.posts.items():
            if name not in names:
                self.heard_s[name] = self._loop.time()
                self._crew.start(name, post.node)
        for name in names - roster.posts.keys():
            if name in self._crew.ended and name not in self._begun:
                self._start_again_s = self._loop.time() + self._start_wait_s
                self._start_wait_s = min(2 * self._start_wait_s, START_AGAIN_S_MAX)
            elif name in self._begun:
                self._start_wait_s = START_AGAIN_S_MIN
            self._crew.end(name)
            self.beats.pop(name, None)
            self.heard_s.pop(name, None)
            self._begun.discard(name)

    def _log_changes(self, before: Roster, after: Roster) -> None:
        for name in before.posts.keys() - after.posts.keys():
            post, ended = before.posts[name], name in self._crew.ended
            if not (post.leaving or before.stopping):
                why = "its process ended" if ended else "its lease is over"
                log.error("a shard is lost", shard=name, node=post.node, why=why)
        for name in after.posts.keys() - before.posts.keys():
            log.info("a shard is to start", shard=name, node=after.posts[name].node)
        for slot, holder in after.holders.items():
            if before.holders.get(slot) and holder and holder != before.holders[slot]:
                log.warning("a slot is taken over", slot=slot, shard=holder)
