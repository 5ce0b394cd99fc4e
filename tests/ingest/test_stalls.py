"""The gateway tells whoever reads its log that a shard takes no events, and no more than once."""

from pathlib import Path

import pytest
import structlog

from ingest.stalls import Stalls
from tests.ingest.raw_http import until
from tests.ingest.serving import serving


async def test_a_stall_is_told_as_it_begins_changes_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.gateway.WATCH_S", 0.01)
    with structlog.testing.capture_logs() as logs:
        async with serving(tmp_path, shards=2) as served:
            status = served.shard.status
            for count, why in enumerate(("the disk is full", "the disk is gone", ""), 1):
                status["stalled"] = why
                await until(lambda count=count: len(logs) == count)
                asked = served.shard.asked
                await until(lambda asked=asked: served.shard.asked > asked + 3)
    assert [(each["event"], each["shard"], each.get("why")) for each in logs] == [
        ("a shard takes no events", 0, "the disk is full"),
        ("a shard takes no events", 0, "the disk is gone"),
        ("a shard takes events again", 0, None),
    ]


def test_a_shard_that_does_not_answer_is_as_it_was() -> None:
    stalls = Stalls()
    with structlog.testing.capture_logs() as logs:
        for said in ({"stalled": "full"}, None, {"stalled": "full"}, {}):
            stalls.note({3: said})
    assert [each["event"] for each in logs] == [
        "a shard takes no events",
        "a shard takes events again",
    ]
