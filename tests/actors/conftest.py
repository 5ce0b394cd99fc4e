"""Shards run on uvloop, tests of them on either loop; those of sockets on both, as TLS differs."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

ON_BOTH = {"test_door.py", "test_cut.py"}


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    return loops | {"uvloop": uvloop.new_event_loop} if item.path.name in ON_BOTH else loops
