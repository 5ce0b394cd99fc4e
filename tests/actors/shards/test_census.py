"""A census goes on in slices while the shard serves, whatever moves meanwhile."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from actors.clock import EventClock
from actors.links.counted import AskVisits, Counted
from actors.links.link import LinkEvent
from actors.map import shard_of
from actors.shards import census
from actors.shards.census import CONTACTS_PER_SLICE, Census
from actors.shards.shard import Shard
from engine.contacts.identity import partition_of
from tests.engine.situation import NOON_MS, mail, wait
from tests.publications import journey, source_of

SHARDS = 8
KEYS = [key for key in map("c-{}".format, range(4_000)) if shard_of(partition_of(key), SHARDS) == 0]


class FakeLink:
    """Keeps what was answered."""

    def __init__(self) -> None:
        self.answers: list[Any] = []

    def send(self, reply: Any) -> None:
        self.answers.append(reply)

    def refuse(self, _: Any, text: str) -> None:
        self.answers.append(text)


@pytest.fixture
def shard() -> Shard:
    """Return a shard in which a visit of each contact waits, few in each partition."""
    made = Shard(0, SHARDS, EventClock())
    made.publish(source_of(journey(nodes=[wait("1d", "a"), mail()])), NOON_MS)
    for key in KEYS:
        made.apply_event(LinkEvent(partition_of(key), key, "e-1", "hi", NOON_MS, b"{}"), NOON_MS)
    made.cut()
    return made


async def counted(shard: Shard) -> Any:
    """Let all visits be counted; yield once between, in each turn of the loop."""
    link: Any = FakeLink()
    Census(shard).answer(link, AskVisits(0, shard.published))
    while not link.answers:  # noqa: ASYNC110 - what it waits for has no event
        await asyncio.sleep(0)
    return link.answers[0]


def test_the_contacts_are_those_of_one_shard_and_few_a_partition(shard: Shard) -> None:
    sizes = [partition.contact_count for partition in shard.partitions.values()]
    assert sum(sizes) == len(KEYS) > CONTACTS_PER_SLICE > max(sizes)


async def test_events_have_their_turn_though_partitions_are_small(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = [0]
    fates = census.fates

    def noted(*said: Any) -> Iterator[Any]:
        looked_at[-1] += 1
        return fates(*said)

    async def turns() -> None:
        while True:
            looked_at.append(0)
            await asyncio.sleep(0)

    monkeypatch.setattr(census, "fates", noted)
    ticking = asyncio.create_task(turns())
    found = await counted(shard)
    ticking.cancel()
    assert isinstance(found, Counted)
    assert sum(each.count for each in found.visits) == sum(looked_at) == len(KEYS)
    assert max(looked_at) <= CONTACTS_PER_SLICE


async def test_a_partition_that_moves_away_meanwhile_is_left_out(shard: Shard) -> None:
    gone = list(shard.partitions)[-1]
    left = shard.partitions[gone].contact_count
    asking = asyncio.create_task(counted(shard))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del shard.partitions[gone]
    found = await asking
    assert isinstance(found, Counted), found
    assert sum(each.count for each in found.visits) == len(KEYS) - left
