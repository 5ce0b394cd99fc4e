"""A contact that cannot be encoded costs the shard its snapshots, and nothing else."""

from pathlib import Path

import pytest

from actors.links.link import Accept, Accepted, Drain, LinkError, LinkEvent
from engine.contacts.identity import partition_of
from tests.actors.memory_store import MemoryLog, MemorySnapshots
from tests.actors.shards.life import CONTACTS
from tests.actors.shards.test_snapshotter import accept, serving, until
from tests.engine.situation import NOON_MS


async def test_a_contact_that_cannot_be_encoded_stops_snapshots_and_not_the_shard(
    tmp_path: Path,
) -> None:
    """Without it a snapshot would lose it, and the log behind; so the log stays."""
    log, snapshots = MemoryLog(), MemorySnapshots()
    huge = b'{"attributes": {"n": 1180591620717411303424}}'  # As no gateway lets it through.
    contact = CONTACTS[0]
    bad = LinkEvent(partition_of(contact), contact, "e", "identify", NOON_MS, huge)
    async with serving(tmp_path, log, snapshots) as (service, client):
        await client.ask(Accept(0, [bad]))
        await until(lambda: "cannot be encoded" in service.status()["snapshot_error"])
        assert contact in service.status()["snapshot_error"]
        assert isinstance(await client.ask(accept("more", contact=CONTACTS[1])), Accepted)
        with pytest.raises(LinkError, match="cannot be encoded"):
            await client.ask(Drain(0))
    assert log.released == 0
