"""A shard that hangs, as one stopped by SIGSTOP: its links stay open, and nobody answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def deaf_shard(socket: Path) -> AsyncIterator[None]:
    """Listen and read; on leaving wait until whoever was connected has hung up."""
    connected: list[asyncio.StreamWriter] = []

    async def read_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)
        while await reader.read(1 << 16):
            pass
        writer.close()

    server = await asyncio.start_unix_server(read_on, socket)
    yield
    assert connected
    await asyncio.gather(*(writer.wait_closed() for writer in connected))
    server.close()
