"""Controller and shards over a real Redis, without Ray: what is lost, late or there twice."""

import asyncio
from pathlib import Path

import pytest

from actors.control.controller import ReplacedError
from actors.control.orders import Beat
from actors.control.roster import Roster
from actors.errors import OperatorError
from actors.links.link import AskStatus, LinkClient, LinkError, Status
from actors.settings import RedisSettings
from engine.contacts.identity import partition_of
from engine.input import Verdict
from tests.actors.control.crew import Ground, ground
from tests.actors.links.credentials import credentials


async def send_some(here: Ground, name: str, count: int = 60) -> list[tuple[str, str]]:
    """Send events of as many contacts, and return them."""
    events = [(f"c-{number}", f"{name}-{number}") for number in range(count)]
    for contact, id in events:
        assert await here.send(contact, id) == Verdict.APPLIED
    return events


async def check_all_are_there(here: Ground, events: list[tuple[str, str]]) -> None:
    """Each event is known, once: to send it again is a repeat."""
    verdicts = [await here.send(contact, id) for contact, id in events]
    assert set(verdicts) == {Verdict.REPEAT}


async def test_shards_are_added_and_taken_away_and_nothing_is_lost(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 2) as here:
        events = await send_some(here, "first")
        here.scale(3)
        await here.until(lambda: here.settled(3), "three")
        events += await send_some(here, "second")
        here.scale(1)
        await here.until(lambda: here.settled(1), "one")
        await check_all_are_there(here, events)
        (post,) = here.roster.posts.values()
        assert {body.code for body in here.bodies.values()} == {None}, "none ended by a fault"
        assert here.roster.holders == {post.home: next(iter(here.roster.posts))}


async def test_a_controller_lost_amid_moves_is_followed_by_another_that_goes_on(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 2) as here:
        events = await send_some(here, "e")
        here.scale(3)
        await here.until(lambda: len(set(here.map.owners)) == 3, "the first has moved")
        here.lose_controller()
        assert not here.settled(3)
        await asyncio.sleep(0.5)
        here.begin()
        await here.until(lambda: here.settled(3), "three")
        await check_all_are_there(here, events)
        assert len(here.bodies) == 3, "nobody was replaced"


async def test_of_two_controllers_only_the_one_that_began_last_acts(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 2) as here:
        first = here.controller
        assert first is not None
        here.lose_controller()
        here.begin()
        await here.until(lambda: here.roster.term == 2, "the second began")
        with pytest.raises(ReplacedError):
            await first._turn()
        assert not first.outlawed


async def test_a_controller_of_another_ray_cluster_ends_its_shards(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 2) as here:
        old = here.controller
        assert old is not None
        here.lose_controller()

        def enter(roster: Roster) -> None:
            roster.enter("another session")

        here.charter.change(enter)
        assert not here.roster.posts, "leases of what is gone do not count"
        with pytest.raises(ReplacedError):
            await old._turn()
        assert old.outlawed
        assert old.beat(Beat(name="shard-0")).gone


async def test_a_shard_that_others_took_over_from_is_refused_and_ends(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 2) as here:
        events = await send_some(here, "e")
        zombie = here.bodies["shard-0"]
        (tenure,) = zombie.process.tenures.values()
        assert tenure.held.site is not None
        contact = next(c for c, _ in events if here.map.owners[partition_of(c)] == tenure.slot)
        zombie.deaf = True  # It hangs, as far as the Controller can see; its slot goes on.
        await here.until(lambda: "shard-0" not in here.roster.posts, "its lease is over")
        await here.until(lambda: here.settled(2), "it is replaced")
        with pytest.raises(LinkError):
            await here.send(contact, "from the past", tenure.held.site.socket)
        assert zombie.code == 70, "its commit was refused"
        await check_all_are_there(here, events)
        assert await here.send(contact, "from the past") == Verdict.APPLIED, "it was never taken"


async def test_a_node_whose_shards_fell_silent_gets_none_of_those_that_replace_them(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 2, nodes=["a", "b"]) as here:
        assert sorted(post.node for post in here.roster.posts.values()) == ["a", "b"]
        cut_off = next(name for name, post in here.roster.posts.items() if post.node == "b")
        here.bodies[cut_off].deaf = True
        await here.until(lambda: cut_off not in here.roster.posts, "its lease is over")
        await here.until(lambda: here.settled(2), "it is replaced")
        assert [post.node for post in here.roster.posts.values()] == ["a", "a"]


async def test_an_idle_zombie_ends_when_it_reaches_the_controller_again(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 2) as here:
        zombie = here.bodies["shard-1"]
        zombie.deaf = True
        await here.until(lambda: "shard-1" not in here.roster.posts, "its lease is over")
        zombie.deaf = False
        await here.until(zombie.ended.is_set, "it ends")
        assert zombie.code == 0


async def test_a_dead_shards_slot_is_served_by_a_survivor_and_then_spread(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 3) as here:
        events = await send_some(here, "e")
        here.kill("shard-2")
        await here.until(lambda: here.roster.holders.get(2) != "shard-2", "it is taken over")
        assert here.roster.holders[2] in {"shard-0", "shard-1"}
        await here.until(lambda: here.settled(3), "three again")
        await check_all_are_there(here, events)
        assert 2 not in here.roster.holders


async def test_where_the_giver_cannot_tell_the_new_owner_finds_out_by_the_map(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 1) as here:
        events = await send_some(here, "e", 20)
        here.bodies["shard-0"].tells = False
        here.scale(2)
        await here.until(lambda: here.settled(2), "two")
        tenure = here.bodies["shard-1"].process.tenures[1]
        await here.until(lambda: not tenure.late(here.map.owners), "all of it is open")
        await check_all_are_there(here, events)


async def test_a_stop_drains_all_and_the_next_start_has_nothing_to_fold(
    redis_settings: RedisSettings,
) -> None:
    async with ground(redis_settings, 2) as here:
        events = await send_some(here, "e")

        def stop(roster: Roster) -> None:
            roster.stopping = True

        here.charter.change(stop)
        await here.until(lambda: not here.roster.posts, "all ended")
        assert all(body.ended.is_set() for body in here.bodies.values())
        assert set(here.roster.holders.values()) == {""}

        def start(roster: Roster) -> None:
            roster.stopping = False

        here.charter.change(start)
        here.begin()
        await here.until(lambda: here.settled(2), "they serve again")
        for site in here.map.sites.values():
            client = await LinkClient.connect(site.socket)
            reply = await client.ask(AskStatus(0))
            assert isinstance(reply, Status)
            assert reply.status["refolded"] == 0
            client.close()
        await check_all_are_there(here, events)


async def test_between_hosts_partitions_move_and_events_come_by_tcp_under_certificates(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    keys = credentials(tmp_path)
    async with ground(redis_settings, 1, keys) as here:
        events = await send_some(here, "e", 20)
        here.scale(2)
        await here.until(lambda: here.settled(2), "two")
        sites = here.map.sites.values()
        assert all(site.address("here").startswith("tcp://127.0.0.1:") for site in sites)
        await check_all_are_there(here, events)
        told = [each for each in here.bodies.values() if each.process.map.sites]
        assert len(told) == 2, "each was told of the other"
        with pytest.raises(OperatorError, match="reached by TLS"):
            await LinkClient.connect(next(iter(sites)).address("here"))
