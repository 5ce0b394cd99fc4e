"""A real HTTP server on loopback, which answers as a test wants it to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from channels.webhook import WebhookSettings


class Asked(Struct):
    """A request that came."""

    method: str
    target: str
    headers: dict[str, str]
    content: bytes

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


def response(status: str = "200 OK", body: Any = None, **headers: str) -> bytes:
    """Return a whole answer; a body that is no bytes is said as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status}", f"content-length: {len(content)}", *lines])
    return f"{head}\r\n\r\n".encode() + content


class WebServer:
    """Keeps what it is asked; `answers` are by path, and a path without one gets `{}`."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[Asked] = []
        self.answers: dict[str, bytes] = {}
        self.silent_for: set[str] = set()
        self.endless_for: set[str] = set()
        self.trickling_for: set[str] = set()
        self.hang_up_on: set[str] = set()
        self.connections = 0
        self._open: list[asyncio.StreamWriter] = []
        self.left = asyncio.Event()
        """Set when the other side ended a connection that got no whole answer."""

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **changes: Any) -> WebhookSettings:
        fields: dict[str, Any] = {"hosts": [self.host], "timeout_s": 20}
        return WebhookSettings(**(fields | changes))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.append(writer)
        try:
            while (asked := await _read(reader)) is not None:
                self.asked.append(asked)
                if not await self._answer(asked, reader, writer):
                    break
        except ConnectionError:
            self.left.set()
        finally:
            writer.close()

    def hang_up(self) -> None:
        """Close all connections, whatever is under way on them."""
        for writer in self._open:
            writer.close()

    async def _answer(
        self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        path = asked.target.partition("?")[0]
        if path in self.hang_up_on:
            return False
        if path in self.silent_for:
            await reader.read()
            self.left.set()
            return False
        if path in self.endless_for or path in self.trickling_for:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            part = b"1" if path in self.trickling_for else b"1" * 65_536
            while not reader.at_eof():
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.005)
            self.left.set()
            return False
        writer.write(self.answers.get(path, response(body={})))
        await writer.drain()
        return True


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, target, headers, content)


@asynccontextmanager
async def open_web_server() -> AsyncIterator[WebServer]:
    server = WebServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
