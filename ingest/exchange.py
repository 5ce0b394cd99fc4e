"""Exchange: one HTTP request and its answer."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.json import Encoder

from ingest.wire import Rejection

JSON: Final = "application/json"
UNREACHABLE: Final = "the shard did not answer in time; repeat the request with the same event ids"
REASONS: Final = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}

# Most answers are this one, so it is made once.
ONE_TAKEN: Final = b'{"accepted":1,"repeated":0,"rejected":[]}'
ONE_TAKEN_RESPONSE: Final = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (len(ONE_TAKEN), ONE_TAKEN)
)

encode: Final = Encoder().encode


class Taken(Struct, omit_defaults=True):
    """The answer to a request of events: how many are durable, and why others are not."""

    accepted: int
    repeated: int
    rejected: list[Rejection]
    failed: int = 0
    """Accepted and durable, but the engine could not apply them: poison, listed by the shard."""
    refused_erased: int = 0
    """Refused for good, as their contact was erased and is kept out. Which ones is not told: only
    the shard knows, and it keeps no list of them."""


class Problem(Struct):
    """The answer to a request of which nothing was taken: what its sender must do."""

    error: str


class Exchange:
    """A request from its head to its answer; while its events are on their way, their countdown.

    Lanes lower `left` for each event answered, count what was not applied, and call `settle` at
    0. `answer` may be called again: only the first time counts.
    """

    __slots__ = (
        "_respond",
        "answered",
        "began_s",
        "body",
        "body_bytes",
        "erased",
        "events",
        "failed",
        "head_only",
        "keep_alive",
        "left",
        "lines",
        "old",
        "path",
        "refusal",
        "rejected",
        "repeated",
        "resent",
    )

    def __init__(self, path: bytes, respond: Callable[["Exchange", int, bytes, str], None]) -> None:
        self.path = path
        self._respond = respond
        self.answered = False
        self.keep_alive = True
        self.head_only = False
        self.old = False
        """Whether it came as HTTP/1.0."""
        self.refusal: tuple[int, str, str] | None = None
        """What it will be refused with when its turn comes: status, error, header lines."""
        self.lines = False
        self.body = b""
        self.body_bytes = 0
        """What of the body is held against the bound on all bodies."""
        self.began_s = 0.0
        self.events = 0
        self.left = 0
        self.repeated = 0
        self.resent = False
        """Whether some of its events may have been taken by an owner that could not say so."""
        self.failed = 0
        self.erased = 0
        self.rejected: list[Rejection] = []

    def answer(self, status: int, body: bytes, headers: str = f"Content-Type: {JSON}\r\n") -> None:
        """Answer with this status and body; `headers` are lines, each ended by CRLF."""
        if not self.answered:
            self.answered = True
            self._respond(self, status, body, headers)

    def refuse(self, status: int, error: str, headers: str = "") -> None:
        """Answer that nothing was taken, and what the sender must do."""
        self.answer(status, encode(Problem(error)), f"Content-Type: {JSON}\r\n{headers}")

    def settle(self) -> None:
        """Answer with what became of the events: all are durable."""
        accepted = self.events - self.repeated - self.erased
        if accepted == 1 and self.events == 1 and not self.failed and not self.rejected:
            self.answer(202, ONE_TAKEN)
            return
        self.answer(
            202 if self.events > self.erased else 400,
            encode(Taken(accepted, self.repeated, self.rejected, self.failed, self.erased)),
        )


def refuse_begun_before(before_s: float, exchanges: list[Exchange]) -> None:
    """Refuse what waited for its shard since before this moment."""
    for exchange in exchanges:
        if exchange.began_s < before_s:
            exchange.refuse(503, UNREACHABLE)


def response(exchange: Exchange, status: int, body: bytes, headers: str, *, last: bool) -> bytes:
    """Write an answer as HTTP; the `last` one of its connection says so."""
    if last:
        headers += "Connection: close\r\n"
    elif exchange.old:
        headers += "Connection: keep-alive\r\n"
    head = f"HTTP/1.1 {status} {REASONS[status]}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + (b"" if exchange.head_only else body)
