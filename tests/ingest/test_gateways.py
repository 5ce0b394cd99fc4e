"""Several gateways on one port: processes of their own, whose numbers any of them tells."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from actors.errors import OperatorError
from actors.lifeline import Lifeline
from actors.map import even_map
from ingest.gateway_process import GatewayStart
from ingest.gateways import Gateways
from ingest.memory import rss_bytes
from ingest.report import GatewayReport, read_report
from ingest.settings import GatewaySettings
from tests.actors.links.credentials import credentials
from tests.ingest.fake_shard import FakeShard
from tests.ingest.raw_http import Sender, event, get, post, until

COUNT = 2
ASKED = 24
"""Connections: that none of them comes to one of two gateways happens once in ten million times."""


class Several:
    """Two gateways before a shard in the test's own process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids: list[int] = []
        self.shard = FakeShard(folder / "s")
        self.shard.credentials = credentials(folder / "keys")  # It is reached as on another host.
        self.keys = credentials(folder / "keys", "here", "gateway").folder
        self.lifeline = Lifeline(str(folder / "life.sock"))
        self.gateways = Gateways(GatewaySettings(port=0), COUNT, self.pids.append)
        self.reports = [str(folder / f"gateway-{number}.sock") for number in range(COUNT)]

    async def start(self) -> "Several":
        await self.shard.start()
        await self.lifeline.open()
        await self.gateways.bind()
        await self.gateways.start(
            GatewayStart(
                settings=GatewaySettings(),
                told=even_map([self.shard.address]),
                reports=self.reports,
                number=0,
                lifeline=str(self.folder / "life.sock"),
                keys=str(self.keys),
            )
        )
        return self

    async def stop(self) -> None:
        self.shard.release()
        await self.gateways.stop()
        await self.lifeline.close()
        await self.shard.stop()

    async def all(self) -> list[GatewayReport | None]:
        return [await read_report(report) for report in self.reports]

    async def in_flight(self) -> int:
        return sum(report.events_in_flight for report in await self.all() if report is not None)

    async def post(self, count: int = ASKED) -> None:
        """Post one event on each of so many connections."""
        for _ in range(count):
            async with Sender(self.gateways.port) as sender:
                assert (await sender.ask(post(event()))).status == 202


@pytest.fixture
async def several(tmp_path: Path) -> AsyncIterator[Several]:
    several = Several(tmp_path)
    try:
        yield await several.start()
    finally:
        await several.stop()


async def test_connections_spread_ids_stay_unique_and_any_of_them_tells_of_all(
    several: Several,
) -> None:
    await several.post()
    given = [each.id for each in several.shard.events]
    assert len(set(given)) == len(given) == ASKED
    reports = await several.all()
    accepted = [report.counters.accepted for report in reports if report is not None]
    assert sum(accepted) == ASKED
    assert min(accepted) > 0
    async with Sender(several.gateways.port) as sender:
        text = (await sender.ask(get("/metrics"))).body.decode()
    for number, count in enumerate(accepted):
        labels = f'gateway="{number}",outcome="accepted"'
        assert f"anlass_gateway_events_total{{{labels}}} {count}.0" in text
    assert text.count("# HELP anlass_gateway_ack_seconds ") == 1
    assert 'anlass_shard_contacts{shard="0"} 3.0' in text


async def test_one_that_dies_starts_again_and_the_others_go_on_meanwhile(several: Several) -> None:
    before = list(several.pids)
    os.kill(before[0], signal.SIGKILL)
    await until(lambda: several.gateways._serving == {1})
    await several.post(4)
    async with asyncio.timeout(30):
        while len(several.gateways._serving) < COUNT:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert several.pids[:2] == before
    assert len(several.pids) == 3
    reports = await several.all()
    assert {report.pid for report in reports if report is not None} == {before[1], several.pids[2]}
    await several.post()


async def test_all_answer_what_is_in_flight_before_they_end(several: Several) -> None:
    several.shard.hold = True
    port = several.gateways.port

    def refused() -> bool:
        with socket.socket() as late:
            return late.connect_ex(("127.0.0.1", port)) != 0

    async with AsyncExitStack() as stack:
        senders = [await stack.enter_async_context(Sender(port)) for _ in range(ASKED)]
        for sender in senders:
            sender.write(post(event()))
        async with asyncio.timeout(10):
            while await several.in_flight() < ASKED:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        stopping = asyncio.create_task(several.gateways.stop())
        await until(refused)
        assert not stopping.done()
        several.shard.release()
        assert [(await sender.answer()).status for sender in senders] == [202] * ASKED
        await stopping
    assert [each.returncode for each in several.gateways._processes.values()] == [0] * COUNT


async def test_they_end_with_who_started_them(several: Several) -> None:
    for task in several.gateways._keepers.values():
        task.cancel()
    await several.lifeline.close()
    async with asyncio.timeout(10):
        for process in several.gateways._processes.values():
            assert await process.wait() == 0


async def test_a_port_is_not_shared_with_another_system(several: Several) -> None:
    other = Gateways(GatewaySettings(port=several.gateways.port), COUNT, several.pids.append)
    with pytest.raises(OSError, match="choose another port"):
        await other.bind()
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        third = Gateways(GatewaySettings(port=taken.getsockname()[1]), COUNT, several.pids.append)
        with pytest.raises(OSError, match="choose another port"):
            await third.bind()


async def test_one_that_cannot_start_says_why(tmp_path: Path) -> None:
    several = Several(tmp_path)
    several.reports = [str(tmp_path / "nowhere" / "g.sock")] * COUNT
    try:
        with pytest.raises(OperatorError, match=r"gateway-\d: .*No such file"):
            await several.start()
    finally:
        await several.stop()


async def test_what_another_gateway_uses_counts_as_used_memory(several: Several) -> None:
    async def told() -> float:
        async with Sender(several.gateways.port) as sender:
            text = (await sender.ask(get("/metrics"))).body.decode()
        (line,) = [
            each for each in text.splitlines() if each.startswith("anlass_memory_used_bytes")
        ]
        return float(line.split()[1])

    sizes = [report.memory_bytes for report in await several.all() if report is not None]
    assert len(sizes) == COUNT
    # And this process, in the place of `anlass run`; all may shrink a little meanwhile.
    least = sum(sizes) + (rss_bytes() or 0) - min(sizes) / 2
    async with asyncio.timeout(10):  # It is looked at each second.
        while await told() < least:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
