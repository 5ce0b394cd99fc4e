"""Placement: who is to hold which slot. Pure: what is seen comes in, what is to be comes out.

Each time all of it is decided anew from what is there, so that whatever happens between two looks,
and whoever looks, it ends in the same: as many shards as wanted, even over nodes, all of the newest
generation, each with one slot of its own, and each slot with one holder.
"""

from collections.abc import Callable

from msgspec.structs import replace

from actors.control.muster import Muster
from actors.control.orders import Orders
from actors.control.roster import SHARD_PREFIX, Post, Roster
from actors.control.spread import gives
from actors.map import shard_of
from engine.limits import PARTITIONS


def place(roster: Roster, muster: Muster) -> Roster:
    """Return what is to be, given what is.

    A slot gets another holder only where the one before has ended, has lost its lease, or says that
    it has let go. There is never more than one shard beyond those wanted, but those that leave.
    """
    now = roster.copy()
    now.number += 1
    _bury(now, muster)
    _note_sites(now, muster)
    if not now.stopping:
        _adopt(now, muster, lambda name: bool(now.posts[name].sites))
        _man(now, muster)
        _adopt(now, muster, lambda name: True)
        _dismiss(now, muster)
    _retire(now, muster)
    now.number -= 1
    if now != roster:
        now.number += 1
    return now


def orders_for(name: str, roster: Roster, muster: Muster) -> Orders:
    """Return what a shard has to do, as a roster that is stored says."""
    post = roster.posts.get(name)
    if post is None:
        return Orders(number=roster.number, gone=True)
    if roster.stopping:
        return Orders(number=roster.number, hold=roster.slots_of(name), leave=True)
    slots = roster.slots_of(name)
    return Orders(
        number=roster.number,
        hold=[slot for slot in slots if slot not in roster.retiring],
        give=gives(roster, muster).get(name, []),
        leave=post.leaving and not slots,
    )


def first_owners(roster: Roster) -> dict[int, int]:
    """Return the owner of each partition of a new store: an even share for each slot."""
    slots = sorted(roster.holders)
    return {number: slots[shard_of(number, len(slots))] for number in range(PARTITIONS)}


def _bury(now: Roster, muster: Muster) -> None:
    """Strike out the shards that are lost; their slots are free."""
    for name in [name for name in now.posts if muster.lost(now, name)]:
        del now.posts[name]
    for slot, holder in now.holders.items():
        if holder not in now.posts:
            now.holders[slot] = ""
            now.retiring.pop(slot, None)


def _note_sites(now: Roster, muster: Muster) -> None:
    """Write down where slots are served, for gateways, commands and the next Controller."""
    for name, post in now.posts.items():
        beat = muster.beats.get(name)
        if beat is None:
            continue
        held = {slot for slot, holder in now.holders.items() if holder == name}
        sites = {slot: each.site for slot, each in beat.held.items() if each.site and slot in held}
        if sites != post.sites:
            now.posts[name] = replace(post, sites=sites)


def _adopt(now: Roster, muster: Muster, can: Callable[[str], bool]) -> None:
    """Give slots without a holder to the shards that hold least."""
    counts = muster.counts()
    for slot in counts:  # One that was retired, and then got a partition late.
        now.holders.setdefault(slot, "")
    loads = {name: muster.load(now, name) for name in now.posts if can(name)}
    if not loads:
        return
    for slot in sorted(slot for slot, holder in now.holders.items() if not holder):
        if slot not in counts:
            del now.holders[slot]  # Nothing is there to be held.
            continue
        least = min(loads, key=lambda name: (now.posts[name].leaving, loads[name], name))
        now.holders[slot] = least
        loads[least] += counts[slot]


def _man(now: Roster, muster: Muster) -> None:
    """Add shards where there are too few; one too many while one is to be replaced."""
    for name, post in sorted(now.posts.items()):
        home = now.holders.get(post.home) == name and post.home not in now.retiring
        if post.leaving and home and len(now.live()) < now.wanted and not _is_stale(now, post):
            now.posts[name] = replace(post, leaving=False)
    live = now.live()
    leaving = len(now.posts) - len(live)
    target = now.wanted
    if stale(now, muster) and not leaving and len(live) == target and _settled(now, muster):
        target += 1
    while len(now.live()) < target and len(now.posts) <= now.wanted and muster.may_start:
        _add(now, muster)


def _add(now: Roster, muster: Muster) -> None:
    """Add a shard on the node that has fewest, with the fullest slot that nobody holds, or none."""
    going = next(iter(stale(now, muster)), None)
    nodes = [post.node for name, post in now.live().items() if name != going]
    node = min(muster.nodes, key=lambda each: (nodes.count(each), each), default="")
    counts = muster.counts()
    free = [slot for slot, holder in now.holders.items() if not holder]
    # A number that no slot ever had, nor one that a store was moved here with.
    fresh = max(now.next_slot, *(slot + 1 for slot in (*now.holders, *counts)), 0)
    home = max(free, key=lambda slot: (counts.get(slot, 0), -slot), default=fresh)
    now.next_slot = max(fresh, home + 1)
    name = f"{SHARD_PREFIX}{now.next_shard}"
    now.next_shard += 1
    now.posts[name] = Post(node=node, generation=now.generation, home=home)
    now.holders[home] = name


def _dismiss(now: Roster, muster: Muster) -> None:
    """Let shards leave where there are too many: those to be replaced first."""
    live = now.live()
    over = len(live) - now.wanted
    going = stale(now, muster)
    if over <= 0 or (over == 1 and going and not _all_serve(now, muster)):
        return  # The new one is not ready yet.
    nodes = [post.node for post in live.values()]

    def rank(name: str) -> tuple[int, int, bool, int, int]:
        post = live[name]
        return (
            going.index(name) if name in going else len(live),
            -nodes.count(post.node),
            muster.serves(name, post.home),
            muster.load(now, name),
            -_number(name),
        )

    for name in sorted(live, key=rank)[:over]:
        now.posts[name] = replace(live[name], leaving=True)


def stale(now: Roster, muster: Muster) -> list[str]:
    """Return the shards that are to be replaced, in that order.

    Those of an older generation; and of those of a node with two more than another, one.
    """
    live = now.live()
    old = [name for name, post in live.items() if _is_stale(now, post)]
    counts = dict.fromkeys(muster.nodes, 0)
    for post in live.values():
        counts[post.node] = counts.get(post.node, 0) + 1
    old.sort(key=lambda name: (-counts[live[name].node], _number(name)))
    if old or not muster.nodes:
        return old
    most = max(counts, key=lambda node: (counts[node], node))
    if counts[most] - min(counts[node] for node in muster.nodes) < 2:
        return []
    return [max((name for name, post in live.items() if post.node == most), key=_number)]


def _number(name: str) -> int:
    return int(name.removeprefix(SHARD_PREFIX))


def _is_stale(now: Roster, post: Post) -> bool:
    return post.generation < now.generation


def _all_serve(now: Roster, muster: Muster) -> bool:
    return all(muster.serves(name, post.home) for name, post in now.live().items())


def _settled(now: Roster, muster: Muster) -> bool:
    """Say whether nothing is being taken over or emptied just now."""
    homes = {post.home for post in now.live().values()}
    return _all_serve(now, muster) and homes == set(now.holders)


def _retire(now: Roster, muster: Muster) -> None:
    """Let go of slots that are empty and that no shard has as its home.

    In two steps: the holder is told, and when it has let go the slot is struck out. A move under
    way may put a partition there meanwhile: then it stays.
    """
    counts = muster.counts()
    kept = {post.home for post in now.live().values()}
    for slot, holder in list(now.holders.items()):
        if slot in kept or slot in counts or not holder:
            now.retiring.pop(slot, None)
            continue
        since = now.retiring.setdefault(slot, now.number)
        beat = muster.beats.get(holder)
        if beat is not None and beat.number >= since and slot not in beat.held:
            del now.holders[slot], now.retiring[slot]
