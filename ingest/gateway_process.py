"""A gateway in a process of its own, one of several that share a port: `-m ingest.gateway_process`.

What it needs to know comes on stdin, as it has secrets in it; on stdout it says one line: that it
serves, or why it cannot.
"""

import asyncio
import gc
import signal
import sys
from typing import Final

import msgspec
import uvloop
from msgspec import Struct

from actors.control.charter import Charter
from actors.errors import OperatorError
from actors.lifeline import tie_to
from actors.links.credentials import Credentials
from actors.log_lines import log_to_stderr
from actors.map import ClusterMap
from actors.settings import RedisSettings
from ingest.gateway import Gateway
from ingest.report import Siblings
from ingest.settings import GatewaySettings

SERVES: Final = "serves"
GC_THRESHOLDS: Final = (100_000, 50, 50)
"""What lives longer than a request is there from the start, frozen."""


class GatewayStart(Struct, frozen=True, kw_only=True):
    """What one gateway of several needs to know."""

    settings: GatewaySettings
    told: ClusterMap
    """Where the shards are."""
    reports: list[str]
    """The sockets on which the gateways say how they are, in their order."""
    number: int
    lifeline: str
    host: str = ""
    """Where this is, in a cluster; see actors.map.Site."""
    keys: str = ""
    """Folder of the certificate for shards on other hosts; empty where there are none."""
    redis: RedisSettings | None = None
    """Of the store that says where slots are where no shard can be asked, in a cluster."""


def calm_collector() -> None:
    """Let the cyclic collector leave alone what is there, and rest from the remainder."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def serve(start: GatewayStart) -> None:
    """Serve until SIGTERM, then answer what is in flight; the process ends with it."""
    lifeline = asyncio.ensure_future(tie_to(start.lifeline))
    try:
        await _serve(start)
    except (OSError, OperatorError) as error:
        print(error, flush=True)  # noqa: T201 - to who started it
    lifeline.cancel()  # It ends the process.
    await lifeline


async def _serve(start: GatewayStart) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    credentials = Credentials.open(start.keys, "gateway")
    siblings = Siblings(start.reports, start.number)
    ask_store = Charter(start.redis).where if start.redis is not None else None
    gateway = Gateway(
        start.settings, start.told, credentials, start.host, siblings, ask_store=ask_store
    )
    await gateway.start()
    calm_collector()
    print(SERVES, flush=True)  # noqa: T201 - to who started it
    await ended.wait()
    await gateway.stop()


def main() -> None:
    """Run one gateway."""
    log_to_stderr()
    start = msgspec.json.decode(sys.stdin.buffer.read(), type=GatewayStart)
    uvloop.run(serve(start))


if __name__ == "__main__":
    main()
