"""The lifeline: a socket the driver holds open; who is tied to it ends when the driver does."""

import asyncio
import os


class Lifeline:
    """The driver's end. It says nothing; that it is open is the message."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._server: asyncio.Server | None = None
        self._held: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen; whoever connects is tied to this process's life."""
        self._server = await asyncio.start_unix_server(self._hold, self._path)

    async def close(self) -> None:
        """Let all go: they end."""
        if self._server is not None:
            self._server.close()
        for writer in self._held:
            writer.close()

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._held.add(writer)
        await reader.read()
        self._held.discard(writer)
        writer.close()


async def tie_to(path: str) -> None:
    """End this process, at once, when the driver's end of the lifeline closes."""
    try:
        reader, _ = await asyncio.open_unix_connection(path)
        await reader.read()
    finally:
        os._exit(0)
