"""Protocol: HTTP/1.1 on one connection; bytes become exchanges, one after another."""

import asyncio
from collections import deque
from typing import Any, Final, cast

import httptools

from ingest.admission import full
from ingest.desk import Desk
from ingest.exchange import ONE_TAKEN, ONE_TAKEN_RESPONSE, Exchange, response
from ingest.heads import LINES, WANTED, media_type, path_of
from ingest.limits import BODY_BYTES_MAX, HEADERS_BYTES_MAX, PIPELINED_BYTES


class HttpConnection(asyncio.Protocol):
    """One connection. Its requests are served one at a time, in order, so that events are too.

    Reading pauses only once more arrives while a request is in work: a sender that waits for its
    answer never costs the two system calls.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._begun = 0
        """Requests begun: if a read begins none, all of it belongs to the head before it."""
        self._between = True
        """Whether the parser is known to stand between two requests."""
        self._head_bytes = 0
        self._head_again = b""
        """The head of a request that offers an upgrade, to be parsed again without the offer."""
        self._body: list[bytes] = []
        self._exchange: Exchange | None = None
        """The request that is being received, from the end of its headers."""
        self._whole: Exchange | None = None
        """The last request that this read brought to its end."""
        self._current: Exchange | None = None
        """The request in work."""
        self._queue: deque[Exchange] = deque()
        self._owes_continue = False
        self._serving = False
        self._paused = False
        self._writable = True
        self._held = False
        """Not read until its turn comes: see ingest.held."""
        self._closing = False
        """No further request is read; the connection ends after the answers that are due."""
        self._eof = False
        self._lingering = False
        self.changed_s = desk.swept_s
        """When it last became idle, or began to receive or to linger."""

    # What the gateway asks and tells.

    @property
    def busy(self) -> bool:
        """Whether an answer is due that the sender need not do anything for."""
        return self._current is not None or bool(self._queue)

    @property
    def receiving(self) -> bool:
        """Whether a request has come in part."""
        return bool(self._url) or self._exchange is not None

    @property
    def held(self) -> bool:
        """Whether it is not read until its `release`."""
        return self._held

    @property
    def lingering(self) -> bool:
        """Whether all is said, and only the sender's end is waited for."""
        return self._lingering

    def drain(self) -> None:
        """End the connection as soon as what came in whole is answered."""
        self._closing = True
        if not self.busy:
            self.abort()

    def time_out(self) -> None:
        """End a connection that received a request too slowly, or none."""
        if self.receiving and not self._lingering:
            self._stop_with(408, "the request did not come in whole in time; send it again")
        else:
            self.abort()

    def turn_away(self) -> None:
        """End a new connection for which there is no room."""
        self._stop_with(503, "too many connections; reuse yours, or try again later")

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.close()

    def release(self) -> None:
        """Read on, where the desk held it; first what came with the refused request."""
        self._held = False
        self.changed_s = self._desk.swept_s
        self._serve_queue()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._desk.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol. What is in work goes on: its events are on their way."""
        self._transport = None
        for exchange in self._queue:
            self._desk.admission.body_bytes -= exchange.body_bytes
        self._queue.clear()
        if self._exchange is not None:
            self._desk.admission.body_bytes -= self._exchange.body_bytes
            self._exchange = None
        self._desk.left(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._closing or (self._between and self._take_known(data)):
            return
        self._between = False
        read = data
        was_busy = self.busy
        begun = self._begun
        while data:
            try:
                self._parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                # We upgrade to nothing: the body, which the parser leaves alone, is HTTP as well.
                data = self._head_again + data[upgrade.args[0] :]
                self._head_again = b""
                self._parser = httptools.HttpRequestParser(self)
            except httptools.HttpParserCallbackError:
                self.abort()
                raise
            except httptools.HttpParserError as error:
                self._stop_with(400, f"this is no HTTP/1.1 request: {error}")
                break
        if self._url and self._begun == begun:
            self._count_head(len(data))
        if self._whole is not None:
            if self._begun == begun + 1:
                self._between = self._desk.heads.learn(read, self._whole, self._headers)
            self._whole = None
        if was_busy:
            self._pause()

    def eof_received(self) -> bool:
        """See asyncio.Protocol. A sender may close its side and still want its answer."""
        self._closing = self._eof = True
        return self.busy

    def pause_writing(self) -> None:
        """See asyncio.Protocol. Who does not read answers gets no further ones made."""
        self._writable = False
        self._pause()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._writable = True
        self._serve_queue()

    # httptools

    def on_url(self, url: bytes) -> None:
        """Begin a request."""
        if not self._url:
            self.changed_s = self._desk.swept_s
            self._begun += 1
            self._head_bytes = 0
            if self._headers:
                self._headers = {}
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header that matters."""
        name = name.lower()
        if name in WANTED:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        """Decide by the head alone whether the request will be served."""
        if self._closing:
            return
        parser, headers = self._parser, self._headers
        method = parser.get_method()
        if b"connection" in headers and parser.should_upgrade():
            headers.pop(b"connection")
            lines = b"".join(b"%b: %b\r\n" % header for header in headers.items())
            self._head_again = b"%b %b HTTP/1.1\r\n%b\r\n" % (method, self._url, lines)
            self._url = b""
            return
        exchange = self._exchange = Exchange(path_of(self._url), self._respond)
        exchange.head_only = method == b"HEAD"
        exchange.keep_alive = parser.should_keep_alive()
        if b"connection" in headers or b"expect" in headers:
            exchange.old = parser.get_http_version() == "1.0"  # Else 1.0 ends here anyway.
        exchange.refusal = self._desk.refusal(exchange.path, method, headers)
        content_type = headers.get(b"content-type")
        if content_type is not None and content_type != b"application/json":
            exchange.lines = media_type(content_type) in LINES
        if int(headers.get(b"content-length", b"0")) > BODY_BYTES_MAX:
            self._stop_with(413, _TOO_LARGE)
        elif b"expect" in headers:
            self._expect(exchange, headers[b"expect"])
        self._url = b""

    def on_body(self, data: bytes) -> None:
        """Collect the body, within bounds."""
        exchange = self._exchange
        if exchange is None or self._closing:
            return
        admission = self._desk.admission
        exchange.body_bytes += len(data)
        admission.body_bytes += len(data)
        if exchange.body_bytes > BODY_BYTES_MAX:
            self._stop_with(413, _TOO_LARGE)
        elif exchange.refusal is None:
            self._body.append(data)
            if admission.body_bytes > admission.body_bytes_max:
                self._stop_with(*full(admission.seconds_for(admission.events)))

    def on_message_complete(self) -> None:
        """Serve the request, or put it behind those that came before."""
        exchange, self._exchange = self._exchange, None
        if exchange is None or self._closing:
            return
        body = self._body
        if body:
            exchange.body = body[0] if len(body) == 1 else b"".join(body)
            body.clear()
        self._owes_continue = False
        self._whole = exchange
        self._queue.append(exchange)
        if self._current is None:
            self._serve_queue()
        if self._queue:
            self._weigh(exchange)

    # The rest.

    def _take_known(self, data: bytes) -> bool:
        """Serve a request whose head is known, if nothing stands before it."""
        desk = self._desk
        admission = desk.admission
        found = desk.heads.find(data)
        if found is None or self.busy or not self._writable:
            return False
        known, body = found
        if admission.body_bytes + len(body) > admission.body_bytes_max:
            return False
        self.changed_s = desk.swept_s
        exchange = self._current = Exchange(known.path, self._respond)
        if admission.shut is not None:
            exchange.refuse(*admission.shut)
            return True
        exchange.lines = known.lines
        exchange.body = body
        exchange.body_bytes = len(body)
        admission.body_bytes += len(body)
        desk.serve(exchange)
        return True

    def _weigh(self, exchange: Exchange) -> None:
        """Hold a request that has to wait its turn against the bound on bodies: many are tiny."""
        admission = self._desk.admission
        exchange.body_bytes += PIPELINED_BYTES
        admission.body_bytes += PIPELINED_BYTES
        if admission.body_bytes > admission.body_bytes_max:
            exchange.body = b""
            self._exchange = self._queue.pop()
            self._stop_with(*full(admission.seconds_for(admission.events)))

    def _count_head(self, size: int) -> None:
        """Bound a head that takes more reads. By bytes: its last header may have no end yet."""
        self._head_bytes += size
        if self._head_bytes > HEADERS_BYTES_MAX and not self._closing:
            self._stop_with(431, f"a request's head may have {HEADERS_BYTES_MAX} bytes")

    def _expect(self, exchange: Exchange, value: bytes) -> None:
        """Ask for the body, or save the sender from sending it in vain."""
        if value.lower() != b"100-continue":
            self._stop_with(417, "only `Expect: 100-continue` is known here")
        elif exchange.refusal is not None:
            self._stop_with(*exchange.refusal)
        elif not exchange.old:
            self._owes_continue = True
            self._write_continue()

    def _write_continue(self) -> None:
        """Say `100 Continue` once the answers before it are out."""
        if self._owes_continue and not self.busy and self._transport is not None:
            self._owes_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _stop_with(self, status: int, error: str, headers: str = "") -> None:
        """Read nothing further, answer what is due and then this, and end the connection."""
        exchange = self._exchange or Exchange(b"", self._respond)
        self._exchange = None
        self._body.clear()
        exchange.refusal = (status, error, headers)
        exchange.keep_alive = False
        self._closing = True
        self._queue.append(exchange)
        self._serve_queue()

    def _serve_queue(self) -> None:
        """Serve requests in order until one needs time. Not recursive: answers may come at once."""
        if self._serving:
            return
        self._serving = True
        while self._queue and self._current is None and self._writable and not self._held:
            exchange = self._current = self._queue.popleft()
            if exchange.refusal is None:
                self._desk.serve(exchange)
            else:
                exchange.refuse(*exchange.refusal)
        self._serving = False
        if self._current is None and not self._queue and not self._held:
            self._write_continue()
            if self._paused and self._writable:
                self._resume()

    def _respond(self, exchange: Exchange, status: int, body: bytes, headers: str) -> None:
        """Write an answer; then the next request's turn comes."""
        self._desk.answered(exchange, status)
        self._current = None
        transport = self._transport
        if transport is None:
            return
        last = not exchange.keep_alive or self._desk.draining
        if self._closing and not self._queue:
            last = True
        if body is ONE_TAKEN and not last and not exchange.old:
            transport.write(ONE_TAKEN_RESPONSE)
        else:
            transport.write(response(exchange, status, body, headers, last=last))
        if last:
            self._finish(transport)
        else:
            self.changed_s = self._desk.swept_s
            full = status == 429 or self._desk.admission.turns
            if full and self._desk.holds(self, exchange):
                self._held = True
                self._pause()
            elif self._queue or self._paused or self._owes_continue:
                self._serve_queue()

    def _finish(self, transport: asyncio.Transport) -> None:
        """End the connection so that the last answer is read.

        Closing while the sender still sends would reset it, and the answer with it: so our side
        ends, and the rest of theirs is thrown away for a short time.
        """
        for exchange in self._queue:
            self._desk.admission.body_bytes -= exchange.body_bytes
        self._queue.clear()
        self._closing = True
        self._lingering = True
        self.changed_s = self._desk.swept_s
        if self._eof:
            transport.close()
            return
        transport.write_eof()
        if self._paused:
            self._resume()

    def _pause(self) -> None:
        if self._transport is not None and not self._paused and not self._lingering:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        self._paused = False
        if self._transport is not None:
            self._transport.resume_reading()


_TOO_LARGE: Final = f"a body may have {BODY_BYTES_MAX} bytes; send the events in several requests"
