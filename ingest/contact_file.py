"""Contact file: contacts, consents and static lists as `identify` events, a row each.

CSV with a header, or JSON lines; plain, `.gz` or `.zst`. What is held is one chunk, whatever the
size of the file. An event's id is a hash of the file's content and its line: imported again, a
file counts once.
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import zstandard
from msgspec import Raw, Struct

from engine.input import ANONYMOUS_PREFIX, IDENTIFY, Event, payload_of
from ingest.csv_rows import ROW_CHARS_MAX, RowFault, csv_rows, delimiter_of
from ingest.header import CONTACT, CONTACT_PATHS, VALUE_CHARS_SHOWN, CellError, Header, HeaderError
from ingest.readers import (
    CHUNK_BYTES,
    ROWS_PER_CHUNK,
    UNREADABLE,
    Chunk,
    LineRejection,
    open_plain,
    rejection_of,
    whole_lines,
    words_of,
)
from ingest.sender import encode_events
from ingest.wire import Reader

CHUNK_PAYLOAD_BYTES_MAX: Final = 1 << 20
"""So that a chunk is one body which the gateway takes, however long its rows are."""
BOM_OF_UTF8: Final = b"\xef\xbb\xbf"
BOMS_OF_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
NO_UTF8: Final = ("no UTF-8", "save the file as UTF-8")

_encode = msgspec.json.Encoder().encode


class ContactFileError(ValueError):
    """The file as a whole cannot be imported: why, and what its owner must do."""


class Choice(Struct, frozen=True):
    """How files of contacts are to be read, and what is said of each of their contacts."""

    contact_column: str = CONTACT
    delimiter: str = ""
    """Of CSV; empty: told by the header."""
    empty_removes: bool = False
    lists: dict[str, bool] = {}
    """The static lists that each contact is put on, or (false) taken off."""
    mark: str = ""
    """Part of the ids: with another one, the same file counts once more."""


class Refusal(Struct, frozen=True):
    """A row that is not taken: where, what stands there, why, and what to do."""

    file: str
    line: int
    column: str
    value: str
    reason: str
    fix: str


class SentContact(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A JSON line of an import."""

    contact: str
    attributes: dict[str, Any] = {}
    consent: dict[str, Any] = {}
    lists: dict[str, Any] = {}


class ContactFile:
    """One file to import. Raises ContactFileError where it cannot be begun, and OSError.

    It is read once for its digest; `chunks` reads it again. `refused` is told of each row that is
    no event, chunk by chunk.
    """

    def __init__(self, path: Path, choice: Choice, refused: Callable[[Refusal], None]) -> None:
        self.path = path
        self.rows = 0
        """Read so far, those refused among them."""
        self._choice = choice
        self._refused = refused
        self._gateway = Reader("row-")
        self._last = Chunk([], [], [])
        with _opened(path) as stream:
            start = stream.read(ROW_CHARS_MAX).removeprefix(BOM_OF_UTF8).lstrip()
        if start[:2] in BOMS_OF_UTF16:
            raise ContactFileError(f"{path} is UTF-16; save it as UTF-8")
        if start[:1] == b"[":
            raise ContactFileError(f"{path} is one JSON array; write an object a line instead")
        self._delimiter = choice.delimiter or delimiter_of(
            start.partition(b"\n")[0].decode(errors="replace")
        )
        self._header: Header | None = None
        if start[:1] != b"{":
            self._header = self._read_header()
        self.lines, self._id_prefix = self._digest()

    def chunks(self) -> Iterator[Chunk]:
        """Yield the events; every one would be taken by a gateway of this version."""
        with _opened(self.path) as stream:
            said = self._json_said(stream) if self._header is None else self._csv_said(stream)
            events: list[Event] = []
            lines: list[int] = []
            held = 0
            for line, contact, payload in said:
                self.rows += 1
                try:
                    contact.encode()
                    raw = _encode(self._with_lists(payload))
                except CellError as error:
                    self._refuse(line, error)
                    continue
                except (*UNREADABLE, UnicodeEncodeError) as error:
                    self._refuse(line, self._unreadable(contact, payload, error))
                    continue
                if len(events) == ROWS_PER_CHUNK or held + len(raw) > CHUNK_PAYLOAD_BYTES_MAX:
                    yield self._checked(events, lines)
                    events, lines, held = [], [], 0
                id = f"{self._id_prefix}{line}"
                events.append(Event(id, contact, IDENTIFY, None, Raw(raw)))
                lines.append(line)
                held += len(raw)
            yield self._checked(events, lines)

    def refused_by_gateway(self, rejection: LineRejection) -> None:
        """Tell of a row of the last chunk that the gateway's answer says was not taken."""
        path = _inner(rejection.path)
        reason, _, fix = rejection.error.partition("; ")
        column = self._column_at(path)
        value = ""
        if rejection.line in self._last.lines:
            event = self._last.events[self._last.lines.index(rejection.line)]
            value = _value_at(event, path)
        error = CellError(column, value, reason, fix or "mend it, and import the file again")
        self._refuse(rejection.line, error)

    def _refuse(self, line: int, error: CellError) -> None:
        value = error.value.encode(errors="replace").decode()
        if len(value) > VALUE_CHARS_SHOWN:
            value = value[:VALUE_CHARS_SHOWN] + "..."
        file = str(self.path)
        self._refused(Refusal(file, line, error.column, value, error.reason, error.fix))

    def _checked(self, events: list[Event], lines: list[int]) -> Chunk:
        """Return the chunk without what the gateway would refuse, and tell of that."""
        self._last = chunk = Chunk(events, lines, [])
        if not events:
            return chunk
        _, rejected = self._gateway.read(encode_events(events), lines=True)
        if rejected:
            for each in rejected:
                line = lines[each.index]
                self.refused_by_gateway(LineRejection(line, each.path, each.error))
            out = {each.index for each in rejected}
            left = [i for i in range(len(events)) if i not in out]
            self._last = chunk = Chunk([events[i] for i in left], [lines[i] for i in left], [])
        return chunk

    def _with_lists(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Add the lists that all rows are put on. Raises CellError where the row says otherwise."""
        if not self._choice.lists:
            return payload
        lists = payload.get("lists", {})
        for name, on in self._choice.lists.items():
            if lists.get(name, on) is not on:
                reason = f"--{'list' if on else 'remove-from'} {name} says the opposite"
                raise CellError(f"lists.{name}", str(lists[name]), reason, "leave one of them out")
        return {**payload, "lists": {**lists, **self._choice.lists}}

    def _unreadable(self, contact: str, payload: dict[str, Any], error: Exception) -> CellError:
        """Say which part of a row could not be written as JSON."""
        if not isinstance(error, UnicodeEncodeError):
            return CellError("", "", words_of(error).partition(" - at `")[0], "mend it")
        path, value = CONTACT, contact
        for section, said in payload.items():
            for name, each in said.items():
                if isinstance(each, str) and not _is_unicode(each):
                    path, value = f"{section}.{name}", each
        return CellError(self._column_at(path), value, *NO_UTF8)

    def _column_at(self, path: str) -> str:
        return path if self._header is None else self._header.column_at(path)

    def _read_header(self) -> Header:
        with _opened(self.path) as stream:
            first = next(csv_rows(stream, self._delimiter), None)
        if first is None:
            raise ContactFileError(f"{self.path} is empty; its first line must name the columns")
        if isinstance(first, RowFault):
            raise ContactFileError(f"{self.path}, header: {first.reason}; {first.fix}")
        choice = self._choice
        if not all(map(_is_unicode, first[1])):
            raise ContactFileError(f"{self.path}, header: {'; '.join(NO_UTF8)}")
        try:
            header = Header(first[1], choice.contact_column, empty_removes=choice.empty_removes)
        except HeaderError as error:
            raise ContactFileError(f"{self.path}, header: {error}") from None
        twice = header.lists & choice.lists.keys()
        if twice:
            name = min(twice)
            raise ContactFileError(
                f"{self.path}, header: the column `list.{name}` and the option both say who is "
                "on it; leave one of them out"
            )
        return header

    def _digest(self) -> tuple[int, str]:
        """Return how many lines there are, about, and what the rows' ids begin with."""
        choice = self._choice
        digest = blake2b(_encode(choice), digest_size=6)
        lines = 0
        with _opened(self.path) as stream:
            while data := stream.read(CHUNK_BYTES):
                digest.update(data)
                lines += data.count(b"\n")
        return lines, digest.hexdigest() + "-"

    def _csv_said(self, stream: BinaryIO) -> Iterator[tuple[int, str, dict[str, Any]]]:
        assert self._header is not None
        rows = csv_rows(stream, self._delimiter)
        next(rows)
        for row in rows:
            if isinstance(row, RowFault):
                self.rows += 1
                self._refuse(row.line, CellError("", "", row.reason, row.fix))
                continue
            line, cells = row
            try:
                contact, payload = self._header.said(cells)
            except CellError as error:
                self.rows += 1
                self._refuse(line, error)
                continue
            yield line, contact, payload

    def _json_said(self, stream: BinaryIO) -> Iterator[tuple[int, str, dict[str, Any]]]:
        decode = msgspec.json.Decoder(SentContact).decode
        number = 0
        for data in whole_lines(stream):
            for number, text in enumerate(data.split(b"\n")[:-1], number + 1):  # noqa: B020
                line = text.removeprefix(BOM_OF_UTF8) if number == 1 else text
                if not line.strip():
                    continue
                try:
                    if len(line) > ROW_CHARS_MAX:
                        raise ValueError(f"the line is longer than {ROW_CHARS_MAX} bytes")
                    sent = decode(line)
                    payload = {
                        "attributes": sent.attributes,
                        "consent": sent.consent,
                        "lists": sent.lists,
                    }
                except UNREADABLE as error:
                    self.rows += 1
                    self._refuse(number, _no_line(error))
                    continue
                yield number, sent.contact, {name: each for name, each in payload.items() if each}


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file unpacked. Raises OSError also where what is packed is damaged."""
    try:
        with open_plain(path) as stream:
            yield stream
    except (zstandard.ZstdError, zlib.error, EOFError) as error:
        raise OSError(f"{path}: {error}") from error


def _no_line(error: Exception) -> CellError:
    if isinstance(error, UnicodeDecodeError):
        return CellError("", "", *NO_UTF8)
    found = rejection_of(0, words_of(error))
    return CellError(_inner(found.path), "", found.error, "mend it")


def _inner(path: str) -> str:
    """Return a path in an event as one in what a row says: `$.payload.lists.a` is `lists.a`."""
    return path.removeprefix("$").removeprefix(".payload").removeprefix(".")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _value_at(event: Event, path: str) -> str:
    """Return what a row's event says at a path, as text; empty where it is not there."""
    if path in CONTACT_PATHS:
        return event.contact.removeprefix(ANONYMOUS_PREFIX)
    value: Any = payload_of(event)
    for name in path.split(".", 1):
        if not isinstance(value, dict) or name not in value:
            return ""
        value = value[name]
    return value if isinstance(value, str) else _encode(value).decode()
