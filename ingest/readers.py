"""Readers: files of events in several formats, as chunks of the engine's events.

Streaming: what is held is one chunk, whatever the size of the file.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import zstandard
from msgspec import Raw, Struct

from actors.links.link import LinkEvent
from engine.input import ANONYMOUS_PREFIX, Event
from ingest.payload import WITH_RULES
from ingest.rows import event_of_d2c, event_of_rees46
from ingest.wire import Reader, SentEvent

CHUNK_BYTES: Final = 128 * 1024
"""One `decode_lines` per so much: 600 events of 220 bytes; larger chunks were no faster."""
LINE_BYTES_MAX: Final = 1 << 20
ROWS_PER_CHUNK: Final = 500
_PATH_AT_END: Final = re.compile(r" - at `(\$[^`]*)`$", re.DOTALL)

_gateway = Reader("line-")
_encode = msgspec.json.Encoder().encode
_encode_into = msgspec.msgpack.Encoder().encode_into
_scratch = bytearray()
UNREADABLE: Final = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)


class LineRejection(Struct, frozen=True):
    """A line that is no event: its number (from 1), the path in it and what is wrong there."""

    line: int
    path: str
    error: str


class Chunk(Struct, frozen=True):
    """Events in the file's order, the line each stands in, and the lines that are none."""

    events: list[Event]
    lines: Sequence[int]
    rejections: list[LineRejection]


class UnknownFormatError(ValueError):
    """The format is none of FORMATS."""


def read_chunks(path: Path | str, format: str, id_prefix: str = "line-") -> Iterator[Chunk]:
    """Read a file (plain, or `.gz` or `.zst` by its name) chunk by chunk.

    An event without an id gets `id_prefix` and its line's number as one. Raises
    UnknownFormatError, and OSError where the file cannot be read.
    """
    reader = FORMATS.get(format)
    if reader is None:
        raise UnknownFormatError(f"no format {format!r}: use one of {', '.join(FORMATS)}")
    try:
        with open_plain(Path(path)) as stream:
            yield from reader(stream, id_prefix)
    except (zstandard.ZstdError, zlib.error, EOFError, csv.Error) as error:
        raise OSError(f"{path}: {error}") from error


def read_events(
    path: Path | str, format: str, rejections: list[LineRejection] | None = None
) -> Iterator[list[Event]]:
    """Read as `read_chunks` does and yield events only; lines that are none go to `rejections`."""
    for chunk in read_chunks(path, format):
        if rejections is not None:
            rejections += chunk.rejections
        yield chunk.events


def open_plain(path: Path) -> BinaryIO:
    """Open a file to read its bytes, unpacked where its name ends in `.gz` or `.zst`."""
    if path.suffix == ".gz":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if path.suffix == ".zst":
        file = path.open("rb")
        decompressor = zstandard.ZstdDecompressor()
        stream = decompressor.stream_reader(file, read_across_frames=True, closefd=True)
        return io.BufferedReader(stream, CHUNK_BYTES)
    return path.open("rb")


class Line(SentEvent, gc=False):
    """A canonical event as the gateway takes it, its payload decoded."""

    payload: dict[str, Any] | None = {}  # type: ignore[assignment]


class W1Event(Event, frozen=True, gc=False, rename={"at_ms": "ts"}):
    """A line of the workload W1: an Event as it stands, but for the name of its time."""

    at_ms: int | None
    payload: Raw


def _events_of_lines(lines: list[Line], first: int, id_prefix: str) -> list[Event]:
    """Build events of canonical lines. Raises ValueError with the path of the first fault.

    What is plain is built here; of all else the gateway's own reader is the judge, so that a
    file means the same whether it is replayed or sent.
    """
    _encode_into(lines, _scratch)  # Raises for numbers that no shard could keep; 0.2 µs an event.
    events = []
    for number, line in enumerate(lines, first):
        name, contact, payload = line.name, line.contact, line.payload
        if line.id is None:
            line.id = f"{id_prefix}{number}"
        if (
            contact is not None
            and payload is not None
            and line.anonymous is None
            and line.at is None
            and name not in WITH_RULES
            and name.isprintable()
            and contact.isprintable()
            and not contact.startswith(ANONYMOUS_PREFIX)
        ):
            events.append(Event(line.id, contact, name, line.at_ms, payload))
        else:
            link = _judge(_encode(line))
            events.append(Event(line.id, link.contact, name, link.at_ms, payload or {}))
    return events


def _judge(line: bytes) -> LinkEvent:
    """Return what the gateway would make of a line. Raises ValueError where it refuses it."""
    events, rejected = _gateway.read(line, lines=True)
    if rejected:
        raise ValueError(f"{rejected[0].error} - at `{rejected[0].path}`")
    return events[0]


def _events_of_w1(events: list[Event], _first: int, _id_prefix: str) -> list[Event]:
    return events


class _JsonReader:
    """Reads JSON lines of one type: a chunk at once, and line by line where that fails."""

    def __init__(self, type: Any, events_of: Callable[[list[Any], int, str], list[Event]]) -> None:
        decoder = msgspec.json.Decoder(type)
        self._decode = decoder.decode
        self._decode_lines = decoder.decode_lines
        self._events_of = events_of

    def __call__(self, stream: BinaryIO, id_prefix: str) -> Iterator[Chunk]:
        first = 1
        for data in whole_lines(stream):
            count = _newlines(data)
            yield self._chunk(data, first, count, id_prefix)
            first += count

    def _chunk(self, data: bytes, first: int, count: int, id_prefix: str) -> Chunk:
        try:
            lines = self._decode_lines(data)
            if len(lines) == count:
                events = self._events_of(lines, first, id_prefix)
                return Chunk(events, range(first, first + count), [])
        except UNREADABLE:
            pass  # Which line it is, the slow way tells.
        return self._chunk_by_line(data, first, id_prefix)

    def _chunk_by_line(self, data: bytes, first: int, id_prefix: str) -> Chunk:
        chunk = Chunk([], numbers := [], [])
        for number, line in enumerate(data.split(b"\n"), first):
            if not line.strip():
                continue
            try:
                if len(line) > LINE_BYTES_MAX:
                    raise ValueError(f"the line is longer than {LINE_BYTES_MAX} bytes")
                chunk.events.extend(self._events_of([self._decode(line)], number, id_prefix))
                numbers.append(number)
            except UNREADABLE as error:
                chunk.rejections.append(rejection_of(number, words_of(error)))
        return chunk


def _newlines(data: bytes) -> int:
    """Count newlines: by how much is left without them takes a third to a ninth of `count`.

    23 ns an event of 220 bytes, instead of 73 or 203: that depends on how Python was built.
    """
    return len(data) - len(data.replace(b"\n", b""))


def rejection_of(line: int, error: str) -> LineRejection:
    """Return a fault of a line with its path apart, where msgspec put one at its end."""
    found = _PATH_AT_END.search(error)
    if found is None:
        return LineRejection(line, "$", error)
    return LineRejection(line, found[1], error[: found.start()])


def words_of(error: Exception) -> str:
    """Say what is wrong with a line that one of UNREADABLE was raised for."""
    if isinstance(error, OverflowError):
        return "a whole number must fit into 64 bits - at `$.payload`"
    if isinstance(error, RecursionError):
        return "the line is nested too deep"
    return str(error)


def whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield chunks of whole lines, each ending in a newline; a line too long is cut."""
    while data := stream.read(CHUNK_BYTES):
        yield data if data.endswith(b"\n") else data + _rest_of_line(stream)


def _rest_of_line(stream: BinaryIO) -> bytes:
    """Read on to a line's end; of one too long only as much as tells that, and a newline."""
    rest = stream.readline(LINE_BYTES_MAX)
    kept = rest.removesuffix(b"\n") + b"\n"
    while rest and not rest.endswith(b"\n"):
        rest = stream.readline(LINE_BYTES_MAX)
    return kept


class _CsvReader:
    """Reads CSV with a header, row by row."""

    def __init__(self, event_of: Callable[[dict[str, str], int], Event]) -> None:
        self._event_of = event_of

    def __call__(self, stream: BinaryIO, _: str) -> Iterator[Chunk]:
        with io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="") as text:
            rows = csv.DictReader(text)
            chunk = Chunk([], numbers := [], [])
            for i, row in enumerate(rows, 1):
                if self._add(row, i, rows.line_num, chunk):
                    numbers.append(rows.line_num)
                if i % ROWS_PER_CHUNK == 0:
                    yield chunk
                    chunk = Chunk([], numbers := [], [])
        if chunk.events or chunk.rejections:
            yield chunk

    def _add(self, row: dict[str, str], i: int, line: int, chunk: Chunk) -> bool:
        """Add the row's event, or why it is none; say which."""
        try:
            chunk.events.append(self._event_of(row, i))
        except KeyError as error:
            problem = "the header has no such column"
            chunk.rejections.append(LineRejection(line, f"$.{error.args[0]}", problem))
        except ValueError as error:
            chunk.rejections.append(rejection_of(line, str(error)))
        else:
            return True
        return False


FORMATS: Final[dict[str, Callable[[BinaryIO, str], Iterator[Chunk]]]] = {
    "canonical": _JsonReader(Line, _events_of_lines),
    "w1": _JsonReader(W1Event, _events_of_w1),
    "rees46": _CsvReader(event_of_rees46),
    "d2c": _CsvReader(event_of_d2c),
}


def as_wire(event: Event) -> dict[str, Any]:
    """Return an event as the gateway takes it: one canonical JSON line."""
    wire: dict[str, Any] = {"id": event.id, "name": event.name, "payload": event.payload}
    if event.contact.startswith(ANONYMOUS_PREFIX):
        wire["anonymous"] = event.contact.removeprefix(ANONYMOUS_PREFIX)
    else:
        wire["contact"] = event.contact
    if event.at_ms is not None:
        wire["at_ms"] = event.at_ms
    return wire
