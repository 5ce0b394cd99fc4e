"""The log in Redis keeps the contract of the log in files, sealed and open."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.settings import RedisSettings
from actors.store.port import Log
from actors.store.redis_log import RedisLog, StreamArchive, open_redis_log
from actors.store.redis_server import RedisServer
from actors.store.redis_stream import id_of
from tests.actors.store.contract import LogContract, LogPlace
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
