"""The run of a system: it ends when it is asked to, also amid a start."""

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from actors.errors import OperatorError
from actors.settings import SystemSettings
from channels.channel import ChannelError
from channels.webhook import WebhookSettings
from console.system.run import System, channel_settings, run_system
from ingest.listening import check_free
from tests.publications import journey
from tests.system.test_recovery import write_journeys


class FakeSystem:
    """A system that starts as told."""

    def __init__(self, start: str = "") -> None:
        self.told: list[str] = []
        self._start = start

    async def start(self) -> None:
        if self._start:
            raise OperatorError(self._start)
        self.told.append("starts")
        try:
            await asyncio.Event().wait()
        finally:
            self.told.append("gives up")

    async def stop(self) -> None:
        self.told.append("stops")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_start_that_takes_long_is_given_up_on_a_signal(number: int) -> None:
    system: Any = FakeSystem()
    running = asyncio.create_task(run_system(system, lambda: system.told.append("ready")))
    while not system.told:  # noqa: ASYNC110 - what it waits for has no event
        await asyncio.sleep(0.001)
    os.kill(os.getpid(), number)
    await asyncio.wait_for(running, 10)
    assert system.told == ["starts", "gives up", "stops"]


async def test_a_start_that_is_refused_is_told_and_ended() -> None:
    system: Any = FakeSystem("the port is taken")
    with pytest.raises(OperatorError, match="the port is taken"):
        await run_system(system, lambda: system.told.append("ready"))
    assert system.told == ["stops"]


def test_the_secret_of_webhooks_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "kept by two")
    said = {"webhook": {"hosts": ["api.example.com"], "secret": "$HOOK_SECRET"}}
    expected = WebhookSettings(hosts=["api.example.com"], secret="kept by two")
    assert channel_settings(said).webhook == expected


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hosts": ["a.example/path"]}, "is no host"),
        ({"hosts": ["a.example"], "secret": "whsec_?"}, "is no base64"),
    ],
)
def test_a_start_says_what_is_wrong_with_the_settings_of_webhooks(
    settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ChannelError, match=said):
        channel_settings({"webhook": settings})


@pytest.mark.parametrize("which", ["gateway", "control"])
def test_a_start_on_an_address_that_is_taken_leaves_no_store_behind(
    tmp_path: Path, which: str
) -> None:
    journeys = write_journeys(tmp_path / "journeys", journey())
    data = tmp_path / "data"
    settings = SystemSettings(data=data, journeys=journeys)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = (port, "") if which == "gateway" else (0, f"127.0.0.1:{port}")
        with pytest.raises(OperatorError, match=f"cannot listen on 127.0.0.1:{port}: Address alr"):
            System(settings, None, "127.0.0.1", ports[0], control=ports[1])
    assert not data.exists()
    check_free("127.0.0.1", port)
