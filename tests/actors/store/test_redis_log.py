"""The log in Redis keeps the contract of the log in files, sealed and open."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.errors import LogCorruptError
from actors.settings import RedisSettings
from actors.store.port import Log
from actors.store.redis_log import RedisLog, StreamArchive, open_redis_log
from actors.store.redis_server import RedisServer
from actors.store.redis_stream import id_of, read_entries
from tests.actors.store.contract import LogContract, LogPlace, append, positions
from tests.actors.store.frames import KEY
from tests.actors.store.redis_server import Server


class RedisPlace:
    """A slot's keys in a server, see LogPlace."""

    def __init__(self, running: Server, settings: RedisSettings, key: bytes | None) -> None:
        self.running = running
        self.settings = settings
        self.key = key
        self.log_key = "{" + settings.prefix + "}:log:3"
        self.archived: list[int] = []
        self._opened: list[RedisLog] = []

    def open(self) -> Log:
        log = open_redis_log(
            RedisServer(self.settings), 3, self.key, archive=StreamArchive(self.archive)
        )
        self._opened.append(log)
        return log

    def archive(self, first: int, bodies: Iterator[tuple[Path, list[bytes]]]) -> None:
        self.archived += [first for _ in bodies]

    def crash(self, log: Log) -> None:
        """Nothing of an owner is in the server but what it wrote."""

    def tear(self) -> None:
        """Cut the server's own file amid the last write, as a crash of its machine leaves it."""
        self.running.kill()
        os.truncate(self.running.aof, self.running.aof.stat().st_size - 9)
        self.running.start()

    def corrupt(self, position: int) -> str:
        client = self.running.client
        entries = client.xrange(self.log_key)
        client.delete(self.log_key)
        for number, fields in entries:
            value = fields[b"b"]
            if number.decode() == id_of(position):
                value = value[:-3] + bytes([value[-3] ^ 4]) + value[-2:]
            client.xadd(self.log_key, {b"b": value}, number)
        return f"{self.log_key}/{id_of(position)} is damaged"

    def lose(self, position: int) -> str:
        for lost in (position, position + 2):
            assert self.running.client.xdel(self.log_key, id_of(lost)) == 1
        return f"{self.log_key} goes on at position {position + 4}, not {position}"

    def close(self) -> None:
        for log in self._opened:
            log.close()


class TestRedisLog(LogContract):
    @pytest.fixture(params=[None, KEY], ids=["plain", "sealed"])
    def place(
        self, request: pytest.FixtureRequest, redis_server: Server, redis_settings: RedisSettings
    ) -> Iterator[LogPlace]:
        place = RedisPlace(redis_server, redis_settings, request.param)
        yield place
        place.close()


@pytest.fixture
def log(redis_settings: RedisSettings) -> Iterator[RedisLog]:
    made = open_redis_log(RedisServer(redis_settings), 3, archive=StreamArchive(lambda *_: None))
    yield made
    made.close()


def test_an_end_that_is_missing_is_named(log: RedisLog) -> None:
    append(log, 1, 1, 1)
    server = log.owner.server
    server.run("XDEL", server.key("log", 3), id_of(2))
    read = log.frames()
    assert [next(read).position, next(read).position] == [0, 1]
    with pytest.raises(LogCorruptError, match="ends at position 2, but has been written up to 3"):
        next(read)


def test_what_was_released_is_not_read_as_if_nothing_were_missing(log: RedisLog) -> None:
    append(log, 1, 1, 1)
    log.release(2)
    assert positions(log, 2) == [2]
    for position in (0, 1):
        with pytest.raises(LogCorruptError, match=f"at position 2, but position {position} is nee"):
            positions(log, position)
    log.release(3)
    with pytest.raises(LogCorruptError, match="begins at position 3, but position 2 is needed"):
        positions(log, 2)


def test_no_two_entries_are_sealed_with_the_same_key_and_nonce(log: RedisLog) -> None:
    """The salt makes the key, the offset is the nonce: together they are an entry's mark."""
    append(log, *[1] * 50)
    server = log.owner.server
    marks = {entry.mark for entry in read_entries(server, server.key("log", 3), 0)}
    assert len(marks) == 50
    other = open_redis_log(server, 3)
    append(other, 1, position=50)
    marks |= {entry.mark for entry in read_entries(server, server.key("log", 3), 0)}
    assert len(marks) == 51
    other.close()
