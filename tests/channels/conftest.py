"""Fixtures: a real SMTP server for the channels that need one."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.channels.mailbox import Postbox, open_postbox


@pytest_asyncio.fixture
async def postbox() -> AsyncIterator[Postbox]:
    async with open_postbox() as box:
        yield box
