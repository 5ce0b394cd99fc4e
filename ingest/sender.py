"""Sender: posts events to a gateway, in their order, and counts what became of each."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import httpx
import msgspec
import zstandard
from msgspec import Struct

from engine.input import ANONYMOUS_PREFIX, Event
from ingest.exchange import Problem, Taken
from ingest.readers import Chunk, LineRejection, as_wire, open_plain

EVENTS_PER_POST: Final = 500
FIRST_LINE_BYTES: Final = 64 << 10
TRIES_MAX: Final = 12
"""Of one batch: with the pauses below, about a minute and a half of a gateway that is away."""
PAUSE_S_MIN: Final = 0.1
PAUSE_S_MAX: Final = 15.0
TROUBLE_S: Final = 1.0
"""Pauses of one batch after which it is told that it is being tried again."""
TIMEOUT_S: Final = 30.0
REJECTIONS_KEPT_MAX: Final = 20
TRY_AGAIN: Final = (408, 429, 502, 503, 504)
ADVICE: Final = {
    401: "name a write key that the gateway knows",
    403: "name a write key that the gateway knows",
    404: "name the gateway's own address, such as http://127.0.0.1:8080",
    413: "post fewer events at once",
}

_encode_lines = msgspec.json.Encoder().encode_lines
_taken = msgspec.json.Decoder(Taken).decode
_problem = msgspec.json.Decoder(Problem).decode


class SendReport(Struct):
    """What became of the events; every one read is in exactly one of the counts."""

    accepted: int = 0
    repeated: int = 0
    rejected: int = 0
    """By the reader of the file or by the gateway; those of erased contacts are among them."""
    poisoned: int = 0
    """Of those accepted: the engine could not apply them."""
    failed: int = 0
    """Their batch was never answered: they may or may not have been taken."""
    retries: int = 0
    rejections: list[LineRejection] = []
    """The first few, each with its line in the file."""
    latencies_ms: list[float] = []
    """Of each batch answered, its last try only."""
    error: str = ""
    """Why sending stopped before the end; empty where it did not."""
    stopped_at: int = 0
    """The line of the first event that was not answered, where it did."""
    erased: int = 0
    """Of those rejected: their contact was erased and is kept out; which, the gateway tells not."""

    def latency_ms(self, ratio: float) -> float:
        """Return the latency that this ratio of batches kept: 0.5 for the median; 0 if none."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(len(ordered) * ratio), len(ordered) - 1)] if ordered else 0.0


class Sender:
    """Posts over one connection, a batch after the other: the next waits for the answer.

    What cannot be delivered is tried again, the same bytes with the same ids, so that nothing
    counts twice. `rejected` is told of every rejection, while the report keeps the first few only;
    `trouble`, of a batch that has waited for a second, why. `transport` and `sleep` are for tests.
    """

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        rejected: Callable[[LineRejection], None] | None = None,
        trouble: Callable[[str], None] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url.rstrip("/") + "/v1/events"
        self._headers = {"Content-Type": "application/x-ndjson"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._rejected = rejected
        self._trouble = trouble
        self._transport = transport
        self._sleep = sleep

    async def send(
        self, chunks: Iterable[Chunk], progress: Callable[[SendReport], None] | None = None
    ) -> SendReport:
        """Send all chunks and report; `progress` is called with the report after each batch.

        Never raises for what the gateway says or for a lost connection: see `error`.
        """
        report = SendReport()
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(
            transport=self._transport, limits=limits, timeout=TIMEOUT_S, trust_env=False
        ) as client:
            for chunk in chunks:
                for rejection in chunk.rejections:
                    self._reject(report, rejection)
                for at in range(0, len(chunk.events), EVENTS_PER_POST):
                    events = chunk.events[at : at + EVENTS_PER_POST]
                    lines = chunk.lines[at : at + EVENTS_PER_POST]
                    await self._send_batch(client, events, lines, report)
                    if progress is not None:
                        progress(report)
                    if report.error:
                        report.failed += len(chunk.events) - at - len(events)
                        return report
        return report

    async def _send_batch(
        self,
        client: httpx.AsyncClient,
        events: Sequence[Event],
        lines: Sequence[int],
        report: SendReport,
    ) -> None:
        body = encode_events(events)
        pause_s, slept_s = PAUSE_S_MIN, 0.0
        fault = ""
        for attempt in range(TRIES_MAX):
            if attempt > 0:
                slept_s = await self._rest(pause_s, slept_s, fault)
                report.retries += 1
                pause_s = min(2 * pause_s, PAUSE_S_MAX)
            try:
                response = await client.post(self._url, content=body, headers=self._headers)
            except httpx.TransportError as error:
                fault = f"{self._url} cannot be reached: {str(error) or type(error).__name__}"
                if isinstance(error, httpx.UnsupportedProtocol):
                    fault = f"{self._url}: begin the address with http://"
                    break
                continue
            except httpx.InvalidURL as error:
                fault = f"{self._url}: {error}"
                break
            if response.status_code in TRY_AGAIN:
                fault = _words_of(response)
                pause_s = max(pause_s, _retry_after_s(response))
                continue
            fault = self._count(response, len(events), lines, report)
            break
        else:
            fault += f"; given up after {TRIES_MAX} tries"
        if fault:
            report.failed += len(events)
            report.error = fault
            report.stopped_at = lines[0]

    async def _rest(self, pause_s: float, slept_s: float, fault: str) -> float:
        """Wait for the next try; return for how long its batch has waited altogether."""
        if self._trouble is not None and slept_s < TROUBLE_S <= slept_s + pause_s:
            self._trouble(fault)
        await self._sleep(pause_s)
        return slept_s + pause_s

    def _count(
        self, response: httpx.Response, count: int, lines: Sequence[int], report: SendReport
    ) -> str:
        """Add an answer to the report; return what is wrong if it is no answer about events."""
        if response.status_code not in (200, 202, 400):
            return _words_of(response)
        try:  # A 400 with counts: all of the batch was rejected.
            taken = _taken(response.content)
        except msgspec.MsgspecError:
            return _words_of(response)
        report.latencies_ms.append(response.elapsed.total_seconds() * 1000)
        report.accepted += taken.accepted
        report.repeated += taken.repeated
        report.poisoned += taken.failed
        for each in taken.rejected:
            self._reject(report, LineRejection(lines[each.index], each.path, each.error))
        report.rejected += taken.refused_erased
        report.erased += taken.refused_erased
        answered = taken.accepted + taken.repeated + len(taken.rejected) + taken.refused_erased
        report.failed += max(count - answered, 0)
        return ""

    def _reject(self, report: SendReport, rejection: LineRejection) -> None:
        report.rejected += 1
        if len(report.rejections) < REJECTIONS_KEPT_MAX:
            report.rejections.append(rejection)
        if self._rejected is not None:
            self._rejected(rejection)


def _words_of(response: httpx.Response) -> str:
    try:
        said = _problem(response.content).error
    except msgspec.MsgspecError:
        said = response.text.strip() or "without a reason"
    said = " ".join(said.split())[:300]
    advice = ADVICE.get(response.status_code)
    return f"{response.url} says {response.status_code}: {said}{f'; {advice}' if advice else ''}"


def _retry_after_s(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), PAUSE_S_MAX) if text.isdigit() else 0.0


def encode_events(events: Sequence[Event]) -> bytes:
    """Return events as canonical JSON lines."""
    return _encode_lines(
        [
            event
            if type(event) is Event  # Those of readers may have fields by other names.
            and event.at_ms is not None
            and not event.contact.startswith(ANONYMOUS_PREFIX)
            else as_wire(event)
            for event in events
        ]
    )


def id_prefix_of(path: Path | str) -> str:
    """Return what ids of a file's events without one begin with: the same whenever it is sent.

    It derives from the file's name and first line: tomorrow's export may have the same name, and
    a file that has grown is still the same.
    """
    try:
        with open_plain(Path(path)) as stream:
            first = stream.read(FIRST_LINE_BYTES).partition(b"\n")[0]
    except (OSError, EOFError, zlib.error, zstandard.ZstdError):
        first = b""  # Who reads the events will say what is wrong with it.
    return blake2b(Path(path).name.encode() + b"\0" + first, digest_size=6).hexdigest() + "-"
