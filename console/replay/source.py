"""Source: where the events of a demo, a replay or a sending come from: a file of some format."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from actors.errors import OperatorError
from channels import KNOWN_CHANNELS
from engine.input import CONSENT, Event
from ingest.readers import FORMATS, Chunk, open_plain, read_chunks
from ingest.sender import id_prefix_of

CHUNK_EVENTS: Final = 500
CONSENT_ID: Final = "consent-all"
HEADERS: Final = {
    "event_time,event_type,product_id,": "rees46",
    "event_time,event_type,user_id,event_id,": "d2c",
}


def chunks_of(path: Path, format: str, *, consent_all: bool) -> Iterable[Chunk]:
    """Read a file's events chunk by chunk; with `consent_all`, every contact opts in first.

    `format` may be `auto`. Raises OperatorError where the file or the format cannot be read.
    """
    if not path.is_file():
        is_what = f"{path} is a folder; name a file in it" if path.is_dir() else ""
        raise OperatorError(is_what or f"there is no file {path}")
    if format == "auto":
        format = guess_format(path)
    if format not in FORMATS:
        known = ", ".join(["auto", *FORMATS])
        raise OperatorError(f"no format {format!r}; use one of {known}")
    chunks = _read(path, format)
    return ConsentedChunks(chunks) if consent_all else chunks


def _read(path: Path, format: str) -> Iterator[Chunk]:
    try:
        yield from read_chunks(path, format, id_prefix_of(path))
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error}") from None


def guess_format(path: Path) -> str:
    """Tell the format by the first line."""
    try:
        with open_plain(path) as stream:
            first = stream.read(4096).partition(b"\n")[0].decode(errors="replace")
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error}") from None
    for header, format in HEADERS.items():
        if first.startswith(header):
            return format
    return "w1" if '"ts":' in first and '"at' not in first else "canonical"


def chunks_from(events: Iterable[Event]) -> Iterator[Chunk]:
    """Put events together in chunks, numbered as lines from 1."""
    stream = iter(events)
    first = 1
    while chunk := list(islice(stream, CHUNK_EVENTS)):
        yield Chunk(chunk, range(first, first + len(chunk)), [])
        first += len(chunk)


def chunks_behind(chunks: Iterable[Chunk], line: int) -> Iterator[Chunk]:
    """Yield what stands on a line, or behind it; of a file its ids stay as they are."""
    for chunk in chunks:
        at = bisect_left(chunk.lines, line)
        rejections = [each for each in chunk.rejections if each.line >= line]
        if rejections or at < len(chunk.lines):
            yield Chunk(chunk.events[at:], chunk.lines[at:], rejections)


class ConsentedChunks:
    """Chunks in which every contact opts in twice, on every channel, right before its first event.

    The events of this are in the file's order and on the line of that first event.
    """

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = chunks
        self._seen: set[str] = set()

    @property
    def added(self) -> int:
        """How many events were added so far: one a contact."""
        return len(self._seen)

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the chunks, once."""
        payload = {CONSENT: dict.fromkeys(KNOWN_CHANNELS, "double_opt_in")}
        for chunk in self._chunks:
            fresh = {event.contact for event in chunk.events} - self._seen
            if not fresh:
                yield chunk
                continue
            self._seen |= fresh
            events: list[Event] = []
            lines: list[int] = []
            for event, line in zip(chunk.events, chunk.lines, strict=True):
                if event.contact in fresh:
                    fresh.discard(event.contact)
                    events.append(Event(CONSENT_ID, event.contact, CONSENT, event.at_ms, payload))
                    lines.append(line)
                events.append(event)
                lines.append(line)
            yield Chunk(events, lines, chunk.rejections)


def consents_added(chunks: Iterable[Chunk]) -> int:
    """Return how many events of these chunks were not in the file."""
    return chunks.added if isinstance(chunks, ConsentedChunks) else 0
