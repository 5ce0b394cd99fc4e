"""The map in Redis: read whole, changed by one at a time, and partitions given by owners alone."""

import threading
from collections.abc import Iterator

import pytest

from actors.settings import RedisSettings
from actors.store.port import FencedError
from actors.store.redis_map import NOBODY, Map, MapChangedError, RedisMap
from actors.store.redis_server import RedisServer
from tests.actors.store.redis_server import lose_first_answer

EVEN = {number: number % 2 for number in range(256)}


@pytest.fixture
def server(redis_settings: RedisSettings) -> Iterator[RedisServer]:
    made = RedisServer(redis_settings)
    yield made
    made.close()


@pytest.fixture
def the_map(server: RedisServer) -> RedisMap:
    return RedisMap(server)


def own(server: RedisServer, slot: int, epoch: int) -> None:
    server.run("HSET", server.key("slot", slot), "epoch", epoch)


def test_a_store_that_nobody_has_made_has_a_map_of_version_zero(the_map: RedisMap) -> None:
    assert the_map.read() == Map(0, [NOBODY] * 256, b"")
    assert the_map.version() == 0


def test_a_change_is_read_as_a_whole_and_what_it_does_not_name_stays(the_map: RedisMap) -> None:
    assert the_map.change(0, EVEN, b"none moves") == 1
    assert the_map.read() == Map(1, [0, 1] * 128, b"none moves")
    assert the_map.change(1, document=b"3 moves") == 2
    assert the_map.change(2, {3: 7}) == 3
    assert the_map.read() == Map(3, [0, 1, 0, 7, *[0, 1] * 126], b"3 moves")
    assert the_map.change(3, document=b"") == 4
    assert the_map.read().document == b""


def test_a_change_of_a_version_that_is_gone_changes_nothing(the_map: RedisMap) -> None:
    the_map.change(0, EVEN, b"first")
    for version in (0, 2):
        with pytest.raises(MapChangedError, match=f"version 1, not {version}"):
            the_map.change(version, {0: 5}, b"second")
    assert the_map.read() == Map(1, [0, 1] * 128, b"first")


def test_of_many_who_change_the_same_version_one_does(redis_settings: RedisSettings) -> None:
    won: list[int] = []

    def change(who: int) -> None:
        server = RedisServer(redis_settings)
        try:
            RedisMap(server).change(0, {0: who})
            won.append(who)
        except MapChangedError:
            pass
        finally:
            server.close()

    threads = [threading.Thread(target=change, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server = RedisServer(redis_settings)
    assert RedisMap(server).read().owners[:1] == won
    server.close()


def test_a_change_whose_answer_was_lost_counts_once(
    the_map: RedisMap, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_first_answer(server, monkeypatch)
    assert the_map.change(0, EVEN) == 1
    assert the_map.read().version == 1


def test_the_owner_gives_a_partition_away_and_to_say_it_again_changes_nothing(
    the_map: RedisMap, server: RedisServer
) -> None:
    the_map.change(0, EVEN)
    own(server, 0, 4)
    assert the_map.give(2, 0, 4, 5) == 2
    assert the_map.give(2, 0, 4, 5) == 2
    assert the_map.read() == Map(2, [0, 1, 5, 1, *[0, 1] * 126], b"")
    assert the_map.read().version == 2


def test_giving_after_the_answer_was_lost_counts_once(
    the_map: RedisMap, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_map.change(0, EVEN)
    own(server, 0, 4)
    lose_first_answer(server, monkeypatch)
    assert the_map.give(2, 0, 4, 5) == 2
    assert the_map.read().version == 2


def test_who_no_longer_owns_the_slot_gives_nothing_away(
    the_map: RedisMap, server: RedisServer
) -> None:
    the_map.change(0, EVEN)
    own(server, 0, 5)
    with pytest.raises(FencedError, match="epoch 5, not 4"):
        the_map.give(2, 0, 4, 1)
    assert the_map.read() == Map(1, [0, 1] * 128, b"")


def test_a_partition_of_another_slot_is_not_given_away(
    the_map: RedisMap, server: RedisServer
) -> None:
    the_map.change(0, EVEN)
    own(server, 0, 4)
    with pytest.raises(MapChangedError, match="partition 3 belongs to slot 1, not to 0"):
        the_map.give(3, 0, 4, 2)
    assert the_map.read() == Map(1, [0, 1] * 128, b"")


def test_a_map_that_a_failover_lost_is_put_back_and_a_later_one_is_left_alone(
    the_map: RedisMap,
) -> None:
    the_map.change(0, EVEN, b"first")
    the_map.change(1, {9: 9}, b"second")
    known = the_map.read()
    for _ in range(2):
        with pytest.raises(MapChangedError):
            the_map.restore(known)
    the_map._server.run_all([("DEL", the_map._map), ("DEL", the_map._owners)])
    the_map.change(0, EVEN, b"first")
    the_map.restore(known)
    assert the_map.read() == known
