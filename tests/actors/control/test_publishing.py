"""A publication comes into force in a whole cluster, whatever happens to its slots meanwhile."""

import asyncio
import contextlib
from typing import Any

import pytest

from actors.control import publishing
from actors.control.publishing import Publishing
from actors.errors import OperatorError
from actors.links.link import AskStatus, LinkClient, PublishNow, Status
from actors.settings import RedisSettings
from tests.actors.control.crew import SOURCE, Ground, ground
from tests.actors.shards.test_publication_moves import EDITIONS


def publisher(here: Ground) -> Publishing:
    return Publishing(here.charter, "here", None)


async def statuses(here: Ground) -> list[dict[str, Any]]:
    found = []
    for _, site in sorted(here.map.sites.items()):
        client = await LinkClient.connect(site.socket)
        with contextlib.closing(client):
            reply = await client.ask(AskStatus(0))
        assert isinstance(reply, Status)
        found.append(reply.status)
    return found


async def in_force(here: Ground) -> set[bytes]:
    """Return what is in force anywhere: in slots, and in each partition."""
    found = {each["published"] for each in await statuses(here)}
    for body in here.bodies.values():
        for tenure in body.process.tenures.values():
            if tenure.service is not None and not body.ended.is_set():
                found |= {each.published for each in tenure.service.shard.partitions.values()}
    return found


async def test_it_is_in_force_everywhere_while_the_cluster_grows(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 2) as here:
        here.scale(3)
        for number in (2, 3, 4):
            assert await publisher(here).publish(EDITIONS[number])
        await here.until(lambda: here.settled(3), "it has grown")
        assert await in_force(here) == {EDITIONS[4]}
        assert not await publisher(here).publish(EDITIONS[4]), "nothing is left to do"
        assert here.roster.serial == max(each["serial"] for each in await statuses(here)) == 4


async def test_a_slot_that_is_being_taken_over_is_waited_for(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ground(redis_settings, 2) as here:
        here.kill(min(here.roster.posts))
        assert await publisher(here).publish(EDITIONS[2])
        await here.until(lambda: here.settled(2), "all is served again")
        assert await in_force(here) == {EDITIONS[2]}
    monkeypatch.setattr(publishing, "PATIENCE_S", 0.2)
    with pytest.raises(OperatorError, match=r"not all slots took the publication in.*start again"):
        await publisher(here).publish(EDITIONS[3])


async def test_a_later_one_stays(redis_settings: RedisSettings) -> None:
    """Two machines start with two folders: who began later has its way."""
    async with ground(redis_settings, 2) as here:
        early, slot_done, go_on = publisher(here), asyncio.Event(), asyncio.Event()
        put = early._put

        async def put_slowly(address: str, source: bytes, serial: int) -> None:
            if slot_done.is_set():
                await go_on.wait()
            await put(address, source, serial)
            slot_done.set()

        early._put = put_slowly  # type: ignore[method-assign]
        beginning = asyncio.create_task(early.publish(EDITIONS[2]))
        await slot_done.wait()
        assert len(await in_force(here)) == 2
        assert await publisher(here).publish(EDITIONS[3])
        go_on.set()
        assert await beginning
        assert await in_force(here) == {EDITIONS[3]}


async def test_a_store_that_forgot_its_last_number_gives_none_twice(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 2) as here:
        for site in here.map.sites.values():
            client = await LinkClient.connect(site.socket)
            with contextlib.closing(client):
                await client.ask(PublishNow(0, EDITIONS[2], 7))
        assert here.roster.serial == 0
        assert await publisher(here).publish(SOURCE)
        assert {each["serial"] for each in await statuses(here)} == {8}
        assert await in_force(here) == {SOURCE}
