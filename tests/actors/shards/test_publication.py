"""A publication is in force when its log says so, whoever asked for it first."""

import asyncio
from pathlib import Path

import pytest

from actors.links.link import PublishNow
from actors.store.log import read_log
from tests.actors.shards.test_service import hold_disk, serving
from tests.publications import journey, source_of


async def test_a_publication_asked_for_again_is_answered_when_the_first_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first asker may be gone; the status names it before it is durable."""
    async with serving(tmp_path) as (service, client):
        gate = hold_disk(monkeypatch)
        asked = [client.ask(PublishNow(0, source_of(journey()))) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert service.status()["published"]
        assert not any(each.done() for each in asked)
        gate.set()
        await asyncio.gather(*asked)
        assert sum(len(frame.records) for frame in read_log(tmp_path)) == 1
