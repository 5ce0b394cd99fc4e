"""The roster: which shards a cluster has and which slots each is to hold.

It is the document of the store's map: the Controller changes it by compare-and-set, and operators'
commands put there what they want.
"""

from typing import Final

import msgspec
from msgspec import Struct

from actors.errors import OperatorError
from actors.map import Site

ROSTER_VERSION: Final = 1
SHARD_PREFIX: Final = "shard-"


class Post(Struct, frozen=True, kw_only=True):
    """A shard's process: where it is to be, and what it serves."""

    node: str
    """Of Ray; empty where it may be on any."""
    generation: int
    home: int
    """The slot whose partitions stay with it; others that it holds are emptied."""
    sites: dict[int, Site] = {}
    """Where each slot that it serves is served, as it said."""
    leaving: bool = False
    """Its partitions go to others, and then it ends."""


class Roster(Struct, kw_only=True):
    """What is to be."""

    version: int = ROSTER_VERSION
    number: int = 0
    """Raised with each change that the Controller makes: orders carry it."""
    term: int = 0
    """Raised by each Controller that begins; one that reads a later term ends."""
    controller: int = 0
    """Number of the actor that is the Controller: another one where it cannot be reached."""
    session: str = ""
    """Of the Ray cluster whose shards these are."""
    wanted: int
    """How many shards an operator wants."""
    generation: int = 0
    """Raised to have all shards replaced, one by one."""
    stopping: bool = False
    """Whether all shards are to drain and end."""
    posts: dict[str, Post] = {}
    """The shards, by name."""
    holders: dict[int, str] = {}
    """Slot -> the shard that is to hold it; empty where none can just now."""
    retiring: dict[int, int] = {}
    """Slot that is to be let go of by its holder -> the number from which its orders say so."""
    next_shard: int = 0
    next_slot: int = 0
    serial: int = 0
    """Of the last publication."""
    id: str = ""
    """Of the store, for ever: its actors in Ray have names in a space of their own."""

    def copy(self) -> "Roster":
        """Return one that can be changed."""
        return msgspec.structs.replace(
            self,
            posts=dict(self.posts),
            holders=dict(self.holders),
            retiring=dict(self.retiring),
        )

    def enter(self, session: str) -> None:
        """Be the roster of another Ray cluster: the shards of the last one count no more."""
        if session != self.session:
            self.session = session
            self.posts = {}
            self.holders = dict.fromkeys(self.holders, "")
            self.retiring = {}

    def slots_of(self, name: str) -> list[int]:
        """Return the slots that a shard is to hold, or has not let go of yet."""
        return [slot for slot, holder in self.holders.items() if holder == name]

    def live(self) -> dict[str, Post]:
        """Return the shards that are to stay."""
        return {name: post for name, post in self.posts.items() if not post.leaving}

    def site(self, slot: int) -> Site | None:
        """Return where a slot is served, None where it is not."""
        post = self.posts.get(self.holders.get(slot, ""))
        return None if post is None else post.sites.get(slot)


def controller_name(number: int) -> str:
    """Return the name of the Controller's actor."""
    return f"controller-{number}"


def encode_roster(roster: Roster) -> bytes:
    """Encode a roster for the store."""
    return msgspec.json.encode(roster)


def decode_roster(document: bytes) -> Roster | None:
    """Read a roster from the store; None where there is none yet. Raises OperatorError."""
    if not document:
        return None
    try:
        roster = msgspec.json.decode(document, type=Roster)
    except msgspec.DecodeError as error:
        text = f"the store's roster cannot be read: {error}"
        raise OperatorError(f"{text}; restore the store from a copy") from None
    if roster.version != ROSTER_VERSION:
        raise OperatorError("the store was made by another version of Anlass; use that one")
    return roster
