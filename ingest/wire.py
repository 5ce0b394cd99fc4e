"""Wire: the bytes of a request become events, or the reasons why not. Decoders are made once."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Annotated, Final, Never

import msgspec
from msgspec import Meta, Raw, Struct

from actors.links.link import LinkEvent
from engine.contacts.identity import partition_of
from engine.input import ANONYMOUS_PREFIX
from ingest.limits import (
    AT_MS_MAX,
    AT_MS_MIN,
    EVENTS_PER_REQUEST_MAX,
    KEY_CHARS_MAX,
    NAME_CHARS_MAX,
)
from ingest.payload import EventError, check_payload

Key = Annotated[str, Meta(min_length=1, max_length=KEY_CHARS_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Millis = Annotated[int, Meta(ge=AT_MS_MIN, lt=AT_MS_MAX)]

EMPTY: Final = Raw(b"{}")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SPACE: Final = b" \t\r\n"
BETWEEN: Final = (b"},{", b"}, {", b"},\n{")
"""What stands between two events of an array, as most senders write it."""

KEYS_HEAD_BYTES: Final = 1 << 10


class SentEvent(Struct, forbid_unknown_fields=True, gc=False):
    """An event as senders write it. A field it does not know is a typo, and would be data lost."""

    name: Name
    id: Key | None = None
    contact: Key | None = None
    anonymous: Key | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None
    at_ms: Millis | None = None
    payload: Raw = EMPTY


class SentKey(Struct, gc=False):
    """Of an event as senders write it, only whose it is."""

    contact: str | None = None
    anonymous: str | None = None


class Rejection(Struct, frozen=True, gc=False):
    """Why the event at `index` of the request was not taken, and where in it the fault is."""

    index: int
    path: str
    error: str


class BodyError(Exception):
    """The body as a whole cannot be read; `status` is the answer's."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


_one = msgspec.json.Decoder(SentEvent)
_many = msgspec.json.Decoder(list[SentEvent])
_one_key = msgspec.json.Decoder(SentKey)
_many_keys = msgspec.json.Decoder(list[SentKey])
_pieces = msgspec.json.Decoder(list[Raw])

_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)


class Reader:
    """Reads bodies, and names the events that come without an id.

    `prefix` must differ from boot to boot and between gateways: the ids begin with it.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._counter = count(1)

    def read(self, body: bytes, *, lines: bool) -> tuple[list[LinkEvent], list[Rejection]]:
        """Return the events of a body in order, and what of it cannot be taken.

        With `lines` the body is one JSON object per line, else an object or an array of them.
        Raises BodyError where no single event can be made out, or there are too many.
        """
        sent: list[SentEvent]
        try:
            if lines:
                # A line each is not what decode_lines holds, so that is counted after it.
                sent = _one.decode_lines(body)
                if len(sent) > 1 and body.count(b"\n") < len(sent) - 1:
                    return self._read_pieces(_pieces_of_lines(body))
            elif body[:1] == b"{":
                return [self._event(_one.decode(body))], []
            elif body.lstrip(SPACE)[:1] == b"[":
                sent = _many.decode(body)
            else:
                sent = [_one.decode(body)]
        except (EventError, *_UNREADABLE):
            return self._read_pieces(_pieces_of_lines(body) if lines else _pieces_of_json(body))
        _check_count(len(sent))
        return self._events(sent)

    def _events(self, sent: list[SentEvent]) -> tuple[list[LinkEvent], list[Rejection]]:
        events = []
        rejected = []
        for i, each in enumerate(sent):
            try:
                events.append(self._event(each))
            except EventError as error:
                rejected.append(Rejection(i, error.path, error.error))
        return events, rejected

    def _read_pieces(
        self, pieces: list[Raw] | list[bytes]
    ) -> tuple[list[LinkEvent], list[Rejection]]:
        """Read one by one, to find the index of each fault: ten times dearer, and rare."""
        _check_count(len(pieces))
        events = []
        rejected = []
        for i, piece in enumerate(pieces):
            try:
                events.append(self._event(_one.decode(piece)))
            except EventError as error:
                rejected.append(Rejection(i, error.path, error.error))
            except _UNREADABLE as error:
                rejected.append(_rejection(i, error))
        return events, rejected

    def _event(self, sent: SentEvent) -> LinkEvent:
        """Check what the types cannot say. Raises EventError."""
        name = sent.name
        contact = sent.contact
        anonymous = sent.anonymous
        if contact is None:
            if anonymous is None:
                raise EventError("$", "an event needs `contact` or `anonymous`")
            if not anonymous.isprintable():
                _check_characters("$.anonymous", anonymous)
            contact = ANONYMOUS_PREFIX + anonymous
        elif anonymous is not None:
            raise EventError("$.anonymous", "an event has `contact` or `anonymous`, not both")
        elif contact.startswith(ANONYMOUS_PREFIX):
            error = f"no contact may begin with `{ANONYMOUS_PREFIX}`; send the rest as `anonymous`"
            raise EventError("$.contact", error)
        elif not contact.isprintable():
            _check_characters("$.contact", contact)
        if not name.isprintable():
            _check_characters("$.name", name)
        at_ms = sent.at_ms
        if sent.at is not None:
            at_ms = _at_ms(sent.at, at_ms)
        payload = bytes(sent.payload)
        if payload == b"null":
            payload = b"{}"
        check_payload(name, payload)
        return LinkEvent(
            partition_of(contact),
            contact,
            sent.id or f"{self._prefix}{next(self._counter):x}",
            name,
            at_ms,
            payload,
        )


def keys_of(body: bytes, *, lines: bool) -> Iterator[str]:
    """Yield the contacts' keys of a body, those at its beginning perhaps twice.

    Far cheaper than reading it, for requests that will be refused: first only its beginning is
    looked at. Where it cannot be read, some or none are known: `Reader` says why.
    """
    if len(body) > 2 * KEYS_HEAD_BYTES:
        if lines:
            head = body[: body.rfind(b"\n", 0, KEYS_HEAD_BYTES) + 1]
        else:
            # Between two objects, if what is before it and `]` are an array: else it lies deeper.
            end = max(body.rfind(between, 0, KEYS_HEAD_BYTES) for between in BETWEEN)
            head = body[: end + 1] + b"]"
        yield from _keys_in(head, lines=lines)
    yield from _keys_in(body, lines=lines)


def _keys_in(body: bytes, *, lines: bool) -> Iterator[str]:
    try:
        if lines:
            sent = _one_key.decode_lines(body)
        elif body.lstrip(SPACE)[:1] == b"[":
            sent = _many_keys.decode(body)
        else:
            sent = [_one_key.decode(body)]
    except _UNREADABLE:
        return
    for each in sent:
        if each.contact is not None:
            yield each.contact
        elif each.anonymous is not None:
            yield ANONYMOUS_PREFIX + each.anonymous


def _check_characters(path: str, text: str) -> None:
    # Asked only for what is not printable, which is cheap to know: few texts are searched.
    if CONTROL.search(text):
        raise EventError(path, "control characters are not allowed here")


def _at_ms(at: datetime, at_ms: int | None) -> int:
    if at_ms is not None:
        raise EventError("$.at", "an event has `at` or `at_ms`, not both")
    moment = (at - EPOCH) // MILLISECOND
    if not AT_MS_MIN <= moment < AT_MS_MAX:
        raise EventError("$.at", "an event's time must lie from 2000-01-01 up to 2100-01-01")
    return moment


def _check_count(number: int) -> None:
    if number == 0:
        raise BodyError(400, "the body has no events; send a JSON object or an array of them")
    if number > EVENTS_PER_REQUEST_MAX:
        error = f"a request may carry {EVENTS_PER_REQUEST_MAX} events, this one has {number}"
        raise BodyError(413, f"{error}; send them in several requests")


def _pieces_of_lines(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if line.strip(SPACE)]


def _pieces_of_json(body: bytes) -> list[Raw] | list[bytes]:
    text = body.strip(SPACE)
    if not text:
        _check_count(0)
    try:
        if text[:1] == b"[":
            return _pieces.decode(text)
        if text[:1] != b"{":
            _refuse("expected an object or an array")
        msgspec.json.decode(text, type=Raw)
    except _UNREADABLE as error:
        _refuse(str(error))
    return [text]


def _refuse(error: str) -> Never:
    hint = "send a JSON object, an array of them, or lines of them as application/x-ndjson"
    raise BodyError(400, f"the body cannot be read: {error}; {hint}")


def _rejection(index: int, error: Exception) -> Rejection:
    """Put a decoder's words into ours: the path of the field and what is wrong with it."""
    text, _, path = str(error).partition(" - at `")
    path = path.rstrip("`") or "$"
    unknown = _UNKNOWN.fullmatch(text)
    if unknown is not None:
        return Rejection(index, f"{path}.{unknown[1]}", "there is no such field in an event")
    if isinstance(error, RecursionError):
        text = "the event is nested too deep"
    return Rejection(index, path, text)
