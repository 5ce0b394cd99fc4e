"""A poisoned event on its whole way: HTTP, link, a real shard, its log, `anlass failed`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.clock import EventClock
from actors.links.link import LinkClient, PublishNow
from actors.map import even_map
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.store.log import open_log
from actors.store.manifest import open_store, shard_folder
from console.replay.logbook import failed_inputs
from engine.fold.arrival import happen
from ingest.gateway import Gateway
from ingest.settings import GatewaySettings
from tests.ingest.raw_http import Sender, event, get, post
from tests.publications import journey, source_of


@asynccontextmanager
async def running(data: Path) -> AsyncIterator[Gateway]:
    """A gateway before one real shard, in the test's own process."""
    open_store(data, 1, "events")
    shard = ShardService(Shard(0, 1, EventClock()), open_log(shard_folder(data, 0)))
    socket = str(data / "s.sock")
    await shard.start(socket)
    gateway = Gateway(GatewaySettings(port=0), even_map([socket]))
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()
        await shard.stop()


async def test_a_poisoned_event_is_accepted_as_failed_and_listed_and_the_shard_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(*arguments: Any) -> Any:
        if any(getattr(each, "id", "").startswith("bad") for each in arguments):
            raise ZeroDivisionError("poison")
        return happen(*arguments)

    monkeypatch.setattr("engine.fold.step.happen", poisoned)
    async with running(tmp_path) as gateway, Sender(gateway.port) as sender:
        client = await LinkClient.connect(str(tmp_path / "s.sock"))
        await client.ask(PublishNow(0, source_of(journey())))
        client.close()
        batch = [event(id=id, name="hi") for id in ("a", "bad", "b")]
        answer = await sender.ask(post(batch))
        assert answer.status == 202
        assert answer.json == {"accepted": 3, "repeated": 0, "rejected": [], "failed": 1}
        alone = await sender.ask(post(event(id="bad-2", name="hi")))
        assert (alone.status, alone.json["failed"]) == (202, 1)
        assert (await sender.ask(post(event(id="c")))).json["accepted"] == 1
        metrics = (await sender.ask(get("/metrics"))).body
        assert b'anlass_gateway_events_total{outcome="failed"} 2.0' in metrics
        assert b'anlass_shard_events_failed{shard="0"} 2.0' in metrics
        assert b'anlass_shard_events_applied{shard="0"} 3.0' in metrics
    assert [(each.what, each.error) for each in failed_inputs(tmp_path).failed] == [
        ("bad", "ZeroDivisionError: poison"),
        ("bad-2", "ZeroDivisionError: poison"),
    ]
    async with running(tmp_path) as gateway, Sender(gateway.port) as sender:
        assert (await sender.ask(post(event(id="d")))).json["accepted"] == 1  # It folds it again.
