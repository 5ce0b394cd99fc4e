"""A gateway and its fake shards in the test's own process, for the time of a `with` block."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.map import even_map
from ingest.gateway import Gateway
from ingest.settings import GatewaySettings
from tests.ingest.fake_shard import FakeShard
from tests.ingest.raw_http import Sender


@dataclass
class Serving:
    gateway: Gateway
    shards: list[FakeShard]

    @property
    def shard(self) -> FakeShard:
        return self.shards[0]

    def sender(self) -> Sender:
        return Sender(self.gateway.port)


@asynccontextmanager
async def serving(folder: Path, shards: int = 1, **settings: Any) -> AsyncIterator[Serving]:
    fakes = [await FakeShard(folder / f"{i}.sock").start() for i in range(shards)]
    gateway = Gateway(
        GatewaySettings(**{"port": 0, **settings}), even_map([str(shard.path) for shard in fakes])
    )
    await gateway.start()
    try:
        yield Serving(gateway, fakes)
    finally:
        for shard in fakes:
            shard.release()
        await gateway.stop()
        for shard in fakes:
            await shard.stop()
