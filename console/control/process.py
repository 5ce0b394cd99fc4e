"""The control API in a process of its own: `-m console.control.process`.

What it needs to know comes on stdin, as it has secrets in it; on stdout it says one line: that it
serves, or why it cannot. Its work, which may take seconds, is so in nobody's way.
"""

import asyncio
import socket
import sys
from pathlib import Path

import msgspec
import uvicorn
import uvloop

from actors.errors import OperatorError
from actors.lifeline import tie_to
from actors.log_lines import log_to_stderr
from console.control.app import app_of
from console.control.settings import ControlStart
from console.control.system import System
from console.control.upkeep import SERVES
from console.screen import be_quiet

CONNECTIONS_MAX = 256
HEAD_S = 10
STOP_S = 5


async def serve(start: ControlStart) -> None:
    """Serve until SIGTERM, then answer what is in flight; the process ends with it."""
    lifeline = asyncio.ensure_future(tie_to(start.lifeline))
    try:
        await _serve(start)
    except (OSError, OperatorError) as error:
        print(error, flush=True)  # noqa: T201 - to who started it
    lifeline.cancel()  # It ends the process.
    await lifeline


async def _serve(start: ControlStart) -> None:
    key_file = Path(start.key_file) if start.key_file else None
    system = System(Path(start.data), key_file, start.operator, start.place())
    app, api = app_of(system, start.keys)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=HEAD_S,
        timeout_graceful_shutdown=STOP_S,
        ws="none",
        proxy_headers=False,
    )
    print(SERVES, flush=True)  # noqa: T201 - to who started it
    try:
        await uvicorn.Server(config).serve([socket.socket(fileno=start.listener)])
    finally:
        api.close()


def main() -> None:
    """Run it."""
    log_to_stderr()
    be_quiet()
    start = msgspec.json.decode(sys.stdin.buffer.read(), type=ControlStart)
    uvloop.run(serve(start))


if __name__ == "__main__":
    main()
