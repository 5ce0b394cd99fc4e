"""Heads of requests: what of them matters; and those known, as a head need be parsed only once."""

from typing import Final

import httptools

from ingest.exchange import Exchange

WANTED: Final = frozenset(
    {
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"transfer-encoding",
        b"x-write-key",
    }
)
LINES: Final = frozenset({b"application/x-ndjson", b"application/ndjson"})

HEADS_MAX: Final = 512
HEAD_BYTES_MAX: Final = 1024
METHOD: Final = b"POST "
END: Final = b"\r\n\r\n"


class KnownHead:
    """What the parser made of a head, byte for byte; its request was served, and may go on."""

    __slots__ = ("body_bytes", "lines", "path")

    def __init__(self, path: bytes, body_bytes: int, lines: bool) -> None:  # noqa: FBT001
        self.path = path
        self.body_bytes = body_bytes
        self.lines = lines


class KnownHeads:
    """The heads of late, of all connections.

    Equal bytes mean an equal request: so the parser and its callbacks can be left out.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, KnownHead] = {}

    def find(self, data: bytes) -> tuple[KnownHead, bytes] | None:
        """Return the head and the body, if `data` is just one request with a head known."""
        end = data.find(END, 0, HEAD_BYTES_MAX) + len(END)
        known = self._heads.get(data[:end])
        if known is None or len(data) != end + known.body_bytes:
            return None
        return known, data[end:]

    def learn(self, data: bytes, exchange: Exchange, headers: dict[bytes, bytes]) -> bool:
        """Remember the head of a request that came alone in one read; say whether it did.

        Only what holds for any body: no refusal, no body in chunks, nothing asked in between.
        """
        end = data.find(END, 0, HEAD_BYTES_MAX) + len(END)
        plain = (
            data.startswith(METHOD)
            and end > len(END)
            and headers.get(b"content-length") == b"%d" % (len(data) - end)
            and not headers.keys() & {b"transfer-encoding", b"expect", b"connection"}
        )
        if not plain or exchange.refusal is not None or exchange.old or not exchange.keep_alive:
            return False
        if len(self._heads) >= HEADS_MAX:
            self._heads.clear()
        self._heads[data[:end]] = KnownHead(exchange.path, len(data) - end, exchange.lines)
        return True


def path_of(url: bytes) -> bytes:
    """Return the path of a request's target, which may also be a whole URL."""
    if url[:1] != b"/":
        try:
            url = httptools.parse_url(url).path or b"/"
        except httptools.HttpParserError:
            return url
    return url.partition(b"?")[0]


def media_type(value: bytes) -> bytes:
    """Return a media type without its parameters."""
    return value.partition(b";")[0].strip().lower()
