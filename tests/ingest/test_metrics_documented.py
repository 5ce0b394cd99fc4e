"""Metrics that docs/operations.md names are those of a gateway and a shard with all its parts."""

import re
from pathlib import Path

from actors.clock import WallClock
from actors.links.link import LinkClient, PublishNow
from actors.map import even_map
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.slot_files import SlotFiles
from actors.store.key import store_key
from actors.store.manifest import open_store, shard_folder
from ingest.gateway import Gateway
from ingest.settings import GatewaySettings
from tests.ingest.raw_http import Sender, event, get, post
from tests.publications import journey, source_of

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


async def test_a_running_system_has_each_metric_that_the_page_names(tmp_path: Path) -> None:
    open_store(tmp_path, 1, "wall")
    folder, key = shard_folder(tmp_path, 0), store_key(tmp_path)
    shard = Shard(0, 1, WallClock())
    log, snapshots = open_slot(folder, key, 1, shard.now_ms)
    files = SlotFiles(folder, log=log, snapshots=snapshots, key=key)
    service = ShardService(shard, log, snapshots=snapshots, files=files)
    socket = str(tmp_path / "s.sock")
    await service.start(socket)
    client = await LinkClient.connect(socket)
    await client.ask(PublishNow(0, source_of(journey())))
    client.close()
    gateway = Gateway(GatewaySettings(port=0), even_map([socket]))
    await gateway.start()
    try:
        async with Sender(gateway.port) as sender:
            assert (await sender.ask(post(event()))).status == 202
            text = (await sender.ask(get("/metrics"))).body.decode()
    finally:
        await gateway.stop()
        await service.stop()
    there = set(re.findall(r"^(\w+)", text, re.MULTILINE))
    named = set(re.findall(r"anlass_\w+", PAGE.read_text()))
    assert len(named) > 10
    assert named - there == set()
