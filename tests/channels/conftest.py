"""Fixtures: real servers for the channels that need one."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.channels.mailbox import Postbox, open_postbox
from tests.channels.web_server import WebServer, open_web_server


@pytest_asyncio.fixture
async def postbox() -> AsyncIterator[Postbox]:
    async with open_postbox() as box:
        yield box


@pytest_asyncio.fixture
async def web_server() -> AsyncIterator[WebServer]:
    async with open_web_server() as server:
        yield server
