"""Load: a small client of ours that posts single events and times each answer; and wrk."""

import asyncio
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

BODY: Final = (
    '{"id":"%s-%d","contact":"c-%d","name":"product_view",'
    '"payload":{"product_id":"sku-%d","price":12.5,"category":"shoes","currency":"EUR"}}'
)
ACCEPTED: Final = 202
ANSWER_S: Final = 2.0
RETRY_S: Final = 0.02
LOAD_CONNECTIONS: Final = 16
FIRST_ACK_S_MAX: Final = 60.0
WRK_SCRIPT: Final = """
local thread_number = 0
function setup(thread) thread:set("number", thread_number); thread_number = thread_number + 1 end
function init(args) count = 0; boot = args[1] end
function request()
  count = count + 1
  local contact = (count * 7919 + number * 104729) % 50000
  return wrk.format("POST", "/v1/events", {["Content-Type"] = "application/json"},
    string.format('{"id":"%s-%d-%d","contact":"c-%d","name":"product_view","payload":' ..
      '{"product_id":"sku-%d","price":12.5,"category":"shoes","currency":"EUR"}}',
      boot, number, count, contact, count % 997))
end
"""


async def post_latencies_ms(url: str, number_of: int, boot: str) -> list[float]:
    """Post events one after the other over one connection; return the answers' times, sorted."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    latencies = []
    for number in range(number_of):
        body = (BODY % (boot, number, number % 500, number % 997)).encode()
        head = f"POST /v1/events HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
        began = time.perf_counter()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"[Cc]ontent-[Ll]ength: (\d+)", answer)
        assert size is not None
        await reader.readexactly(int(size[1]))
        latencies.append((time.perf_counter() - began) * 1000)
        assert b" 202 " in answer, answer
    writer.close()
    return sorted(latencies)


async def post_open_loop_ms(url: str, rate: int, seconds: float, boot: str) -> list[float]:
    """Post events at a fixed rate over 32 connections; times count from when each was due."""
    return sorted(time_ms for _, time_ms in await timed_open_loop(url, rate, seconds, boot))


async def timed_open_loop(
    url: str, rate: int, seconds: float, boot: str
) -> list[tuple[float, float]]:
    """Post as `post_open_loop_ms` does; return when each was due, since the begin, and its time."""
    lanes, times = 32, []
    parts = urlsplit(url)
    began = time.perf_counter()

    async def lane(index: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for turn in range(int(rate * seconds / lanes)):
            due = began + (turn * lanes + index) / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            body = (BODY % (f"{boot}-{index}", turn, turn % 500, turn % 997)).encode()
            head = f"POST /v1/events HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            size = re.search(rb"[Cc]ontent-[Ll]ength: (\d+)", answer)
            assert size is not None
            await reader.readexactly(int(size[1]))
            times.append((due - began, (time.perf_counter() - due) * 1000))
        writer.close()

    await asyncio.gather(*[lane(index) for index in range(lanes)])
    return times


class Poster:
    """One connection that posts single events, and connects again where it is lost."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, event: bytes) -> int:
        """Post an event; return the answer's status, 0 where none came within two seconds."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._post(event)
        except (OSError, EOFError, TimeoutError):
            self.close()
            return 0

    async def post_until_accepted(self, event: bytes) -> None:
        """Post an event again and again until it is durable."""
        status = await self.post(event)
        while status != ACCEPTED:
            await asyncio.sleep(RETRY_S)
            status = await self.post(event)

    async def _post(self, event: bytes) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        reader, writer = self._streams
        head = f"POST /v1/events HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(event)}\r\n\r\n"
        writer.write(head.encode() + event)
        answer = await reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"[Cc]ontent-[Ll]ength: (\d+)", answer)
        assert size is not None, answer
        await reader.readexactly(int(size[1]))
        return int(answer.split(maxsplit=2)[1])

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def post_batches(
    url: str, boot: str, rate: int, batch: int, seconds: float, lanes: int = 8
) -> int:
    """Post batches over so many connections at this rate of events; return how many were accepted.

    Where that is more than is answered, each connection posts as soon as it is: the rate then only
    says how many there are in the end, `rate * seconds`.
    """
    accepted = 0
    began = time.perf_counter()

    async def lane(index: int) -> None:
        nonlocal accepted
        poster = Poster(url)
        for turn in range(int(rate * seconds / lanes / batch)):
            due = began + (turn * lanes + index) * batch / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            numbers = range(turn * batch, (turn + 1) * batch)
            events = [
                BODY % (f"{boot}-{index}", n, (n * 31 + index) % 50_000, n % 997) for n in numbers
            ]
            await poster.post_until_accepted(f"[{','.join(events)}]".encode())
            accepted += batch
        poster.close()

    await asyncio.gather(*[lane(index) for index in range(lanes)])
    return accepted


async def first_ack_s(
    url: str, boot: str, kill: Callable[[], None], contact: str, rate: int
) -> float:
    """Kill a shard under load, and return the seconds until an event of `contact` is answered 202.

    The load goes to all shards, at this rate while all is well, and sends again what was not
    acknowledged; the event that counts is first sent right after the kill, then again at once.
    """

    async def load(index: int) -> None:
        poster = Poster(url)
        for number in count():
            body = (BODY % (f"{boot}-{index}", number, number % 50_000, number % 997)).encode()
            await poster.post_until_accepted(body)
            await asyncio.sleep(LOAD_CONNECTIONS / rate)

    loads = [asyncio.create_task(load(index)) for index in range(LOAD_CONNECTIONS)]
    await asyncio.sleep(1)
    poster = Poster(url)
    event = b'{"id":"%s","contact":"%s","name":"product_view","payload":{}}'
    event %= (boot.encode(), contact.encode())
    kill()
    began = time.perf_counter()
    async with asyncio.timeout(FIRST_ACK_S_MAX):
        await poster.post_until_accepted(event)
    took_s = time.perf_counter() - began
    poster.close()
    for each in loads:
        each.cancel()
    results = await asyncio.gather(*loads, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in results), results
    return took_s


def wrk_posts_per_s(url: str, connections: int, seconds: int, boot: str) -> float | None:
    """Let wrk post single events; return how many were answered a second, None without wrk.

    Raises AssertionError if an answer was not a success.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        Path(script.name).write_text(WRK_SCRIPT)
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, url]
        said = subprocess.run([*command, "--", boot], capture_output=True, text=True, check=True)
    assert "Non-2xx" not in said.stdout, said.stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said.stdout)
    assert rate is not None, said.stdout
    return float(rate[1])
