"""A bare HTTP sender over a socket: writes exact bytes, and reads one answer after another."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

PATIENCE_S = 5.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def post(body: bytes | str | dict[str, Any] | list[Any], *headers: str) -> bytes:
    """Return the bytes of a POST of events."""
    if isinstance(body, dict | list):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    lines = [
        "POST /v1/events HTTP/1.1",
        "Host: x",
        f"Content-Length: {len(body)}",
        *(headers or ("Content-Type: application/json",)),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(path: str, method: str = "GET", *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def event(contact: str = "c-1", name: str = "page_view", **fields: Any) -> dict[str, Any]:
    return {"contact": contact, "name": name, **fields}


@dataclass
class Sender:
    """One connection to a gateway."""

    port: int
    _ends: list[Any] = field(default_factory=list)

    async def __aenter__(self) -> "Sender":
        self._ends = list(await asyncio.open_connection("127.0.0.1", self.port))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ends[1].close()

    def write(self, data: bytes) -> None:
        self._ends[1].write(data)

    def write_eof(self) -> None:
        self._ends[1].write_eof()

    async def answer(self, *, head_only: bool = False) -> Answer:
        """Read the next answer."""
        reader = self._ends[0]
        async with asyncio.timeout(PATIENCE_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.rstrip().split("\r\n")
            assert first.startswith("HTTP/1.1 "), first
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            answer = Answer(int(first.split()[1]), headers)
            if not head_only:
                answer.body = await reader.readexactly(int(headers.get("content-length", "0")))
            return answer

    async def ask(self, data: bytes, *, head_only: bool = False) -> Answer:
        self.write(data)
        return await self.answer(head_only=head_only)

    async def end(self) -> bytes:
        """Read until the gateway ends the connection; return what came before."""
        async with asyncio.timeout(PATIENCE_S):
            data: bytes = await self._ends[0].read()
            return data

    async def silent(self, span_s: float = 0.05) -> bool:
        """Say whether no answer comes for a short time."""
        try:
            async with asyncio.timeout(span_s):
                return not await self._ends[0].read(1)
        except TimeoutError:
            return True


async def until(condition: Any, within_s: float = PATIENCE_S) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - any condition, not only events
            await asyncio.sleep(0.002)
