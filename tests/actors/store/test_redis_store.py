"""What a store in Redis was made with: kept, and what does not fit is refused."""

from collections.abc import Iterator

import pytest

from actors.errors import OperatorError
from actors.settings import RedisSettings
from actors.store.keyfile import fingerprint_of
from actors.store.manifest import Store
from actors.store.redis_owner import take_slot
from actors.store.redis_published import PublishedRedis
from actors.store.redis_server import RedisServer
from actors.store.redis_store import open_redis_store, read_redis_store
from tests.actors.store.frames import KEY
from tests.actors.store.test_published import note


@pytest.fixture
def server(redis_settings: RedisSettings) -> Iterator[RedisServer]:
    made = RedisServer(redis_settings)
    yield made
    made.close()


def test_a_store_is_made_once_and_stays_as_it_was_made(server: RedisServer) -> None:
    made = open_redis_store(server, 3, "wall", encrypted=None, key=KEY)
    expected = Store(shards=3, clock="wall", encrypted=True, key_fingerprint=fingerprint_of(KEY))
    assert made == expected
    assert open_redis_store(server, 5, "wall", encrypted=True, key=KEY) == expected
    assert read_redis_store(server) == expected


def test_a_store_without_encryption_needs_no_key(server: RedisServer) -> None:
    made = open_redis_store(server, 3, "events", encrypted=False, key=None)
    assert made == Store(shards=3, clock="events")
    assert open_redis_store(server, 3, "events", encrypted=None, key=None) == made


@pytest.mark.parametrize(
    ("clock", "encrypted", "key", "text"),
    [
        ("events", None, KEY, "start with --clock wall"),
        ("wall", False, KEY, "made with --encryption on"),
        ("wall", None, None, "none is here; name that one"),
        ("wall", None, KEY[::-1], f"another key, of fingerprint {fingerprint_of(KEY)}"),
    ],
)
def test_what_does_not_fit_is_refused(server: RedisServer, clock, encrypted, key, text) -> None:
    open_redis_store(server, 2, "wall", encrypted=None, key=KEY)
    with pytest.raises(OperatorError, match=text):
        open_redis_store(server, 2, clock, encrypted=encrypted, key=key)


def test_a_new_one_needs_a_key_and_a_number_of_shards(server: RedisServer) -> None:
    with pytest.raises(OperatorError, match="needs a key; name one with --key-file"):
        open_redis_store(server, 2, "wall", encrypted=None, key=None)
    with pytest.raises(OperatorError, match="--shards 0 is out of range"):
        open_redis_store(server, 0, "wall", encrypted=None, key=KEY)
    with pytest.raises(OperatorError, match="has no store"):
        read_redis_store(server)


def test_what_is_left_of_a_store_is_not_taken_for_a_new_one(server: RedisServer) -> None:
    take_slot(server, 0)
    with pytest.raises(OperatorError, match="holds a part of a store"):
        open_redis_store(server, 2, "wall", encrypted=None, key=KEY)


def test_of_too_many_publications_the_oldest_go(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.publications.PUBLICATIONS_MAX", 2)
    kept = PublishedRedis(server, KEY)
    for number in range(1, 5):
        kept.add(note(number), b"%d" % number)
    assert [each.number for each in kept.notes()] == [3, 4]
    assert kept.source(3) == b"3"
    with pytest.raises(OperatorError, match="publication 2 is not kept"):
        kept.source(2)
