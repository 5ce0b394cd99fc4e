"""Spread: which partitions move where, so that each shard has an even share. Pure."""

from itertools import zip_longest
from typing import Final

from actors.control.muster import Muster
from actors.control.orders import Give
from actors.control.roster import Roster

GIVES_MAX: Final = 32
"""In one shard's orders; it makes two at a time, and a beat later gets the next."""


def gives(roster: Roster, muster: Muster) -> dict[str, list[Give]]:
    """Return the moves that each shard is to make; few partitions move, and each once.

    A partition moves from a slot that is served to one that is served, its shard's home.
    """
    moves = _moves(roster, muster)
    orders: dict[str, list[Give]] = {}
    for slot, ways in moves.items():
        turns = [give for each in zip_longest(*ways) for give in each if give is not None]
        orders.setdefault(roster.holders[slot], []).extend(turns)
    return {name: each[:GIVES_MAX] for name, each in orders.items()}


def partitions_to_move(owners: list[int], homes: list[int], shards: int) -> int:
    """Return how many partitions are to move until so many shards have even shares.

    `homes` are the slots that stay; shards that are still to start have none.
    """
    counts = sorted((owners.count(slot) for slot in homes), reverse=True)[:shards]
    share, more = divmod(len(owners), shards)
    stay = sum(min(count, share + (n < more)) for n, count in enumerate(counts))
    return len(owners) - stay


def _moves(roster: Roster, muster: Muster) -> dict[int, list[list[Give]]]:
    """Return by slot its moves, to each other slot a list."""
    homes = [
        post.home
        for name, post in roster.live().items()
        if roster.holders.get(post.home) == name and muster.serves(name, post.home)
    ]
    if not homes:
        return {}
    owned: dict[int, list[int]] = {}
    for partition, slot in enumerate(muster.owners):
        owned.setdefault(slot, []).append(partition)
    quota = _quotas(homes, {slot: len(each) for slot, each in owned.items()}, len(muster.owners))
    surplus: list[tuple[int, int]] = []
    for slot, partitions in sorted(owned.items()):
        holder = roster.holders.get(slot, "")
        if muster.serves(holder, slot):
            surplus += [(slot, each) for each in partitions[quota.get(slot, 0) :]]
    moves: dict[int, list[list[Give]]] = {}
    for slot in homes:
        site = roster.site(slot)
        room = quota[slot] - len(owned.get(slot, ()))
        if site is None or room <= 0:
            continue
        taken, surplus = surplus[:room], surplus[room:]
        for source in sorted({source for source, _ in taken}):
            way = [Give(each, source, slot, site) for source_, each in taken if source_ == source]
            moves.setdefault(source, []).append(way)
    return moves


def _quotas(homes: list[int], counts: dict[int, int], partitions: int) -> dict[int, int]:
    """Return how many partitions each home is to have; those that have most get one more."""
    share, more = divmod(partitions, len(homes))
    order = sorted(homes, key=lambda slot: (-counts.get(slot, 0), slot))
    return {slot: share + (n < more) for n, slot in enumerate(order)}
