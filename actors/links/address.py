"""Addresses of links: a Unix socket on the same host, TCP under mutual TLS between hosts."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar, cast

import msgspec
import structlog
from msgspec import Struct

from actors.errors import OperatorError
from actors.links.certificate import Role
from actors.links.credentials import Credentials, Peer, peer_of, refusal_words

CONNECT_S: Final = 5.0
"""From the first packet to the greeting: who is slower is not there."""

HANDSHAKE_S: Final = 4.0
"""Of it, for TLS; the side that serves waits as long for a handshake to end."""

SHUTDOWN_S: Final = 1.0
"""How long a side that closes waits for the other to say that it closes too."""

SILENT_MS: Final = 4_000
"""What was sent, or a probe of an idle link, is acknowledged by then, or the link is lost: a cut
cable or a host without power sends no RST."""

PROBE_S: Final = 1
"""How often the kernel probes a link on which nothing moves."""

GREETING_BYTES_MAX: Final = 4096
HEAD_BYTES: Final = 4

UNIX: Final = "unix:"
TCP: Final = "tcp://"

log = structlog.get_logger()


class Address(Struct, frozen=True):
    """Where a link is served: `unix:/path`, a bare path, or `tcp://host:port`."""

    path: str = ""
    """Of a Unix socket; empty for TCP."""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read an address as people write it. Raises OperatorError."""
        if not text.startswith(TCP):
            return cls(path=text.removeprefix(UNIX))
        host, _, port = text.removeprefix(TCP).rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
            raise OperatorError(f"{text!r} is no address; write tcp://HOST:PORT, or unix:/PATH")
        return cls(host=host, port=int(port))

    def __str__(self) -> str:
        """Return it as `parse` reads it."""
        if self.path:
            return f"{UNIX}{self.path}"
        return f"{TCP}[{self.host}]:{self.port}" if ":" in self.host else f"{TCP}{self.endpoint}"

    @property
    def endpoint(self) -> str:
        """Host and port of TCP."""
        return f"{self.host}:{self.port}"


class Greeting(Struct, array_like=True, tag="greeting", gc=False):
    """The first frame on a link by TCP, from the side that serves; none is sent to it before.

    Under TLS 1.3 a client's handshake is over before its certificate was looked at: only this says
    that it may come in.
    """

    version: int = 1
    refusal: str = ""
    """Why the other side may not come in; then the link is closed."""


class RefusedConnectionError(ConnectionError):
    """The other side is there, and one of both does not trust the other; the text says why."""


def note_refusal(error: OSError | None, said: str) -> str:
    """Log why one side does not trust the other, unless it was `said` last; return what was said.

    Where nobody serves there is nothing to log: the other side starts, and is tried again.
    """
    if not isinstance(error, RefusedConnectionError):
        return said if error is not None else ""
    if str(error) != said:
        log.warning("a link cannot be made, and is tried again", why=str(error))
    return str(error)


class Wired(Protocol):
    """A protocol that can be told who is at its other end."""

    peer: Peer | None


WiredT = TypeVar("WiredT", bound=Wired)


async def connect(
    address: str,
    make: Callable[[], WiredT],
    credentials: Credentials | None,
    expected: Role = "shard",
) -> WiredT:
    """Connect to an address, where somebody of the role `expected` serves.

    Raises OSError where nobody does, as its kind RefusedConnectionError where one side does not
    trust the other, and OperatorError where there are no credentials for TCP.
    """
    there = Address.parse(address)
    loop = asyncio.get_running_loop()
    if there.path:
        _, link = await loop.create_unix_connection(cast(Any, make), there.path)
        return cast(WiredT, link)
    if credentials is None:
        raise OperatorError(f"{address} is reached by TLS; say with --keys where the keys are")
    if refusal := credentials.refusal():
        raise RefusedConnectionError(f"{address}: {refusal}")
    greeted: asyncio.Future[WiredT] = loop.create_future()
    try:
        async with asyncio.timeout(CONNECT_S):
            transport, _ = await loop.create_connection(
                lambda: _Knock(there, expected, make, greeted),
                there.host,
                there.port,
                ssl=credentials.client_context(),
                server_hostname=there.host,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
            try:
                return await greeted
            except BaseException:
                transport.abort()
                raise
    except ssl.SSLError as error:
        raise RefusedConnectionError(f"{address}: {refusal_words(error)}") from None
    except (ConnectionResetError, ConnectionAbortedError) as error:
        why = str(error) or "closed amid the handshake; its log says why"
        raise RefusedConnectionError(f"{address}: {why}") from None
    except TimeoutError:
        raise TimeoutError(f"{address}: no greeting within {CONNECT_S:.0f} s") from None
    finally:
        greeted.cancel()


class _Knock(asyncio.Protocol):
    """Looks at who serves, and waits for the greeting; then the link takes its place."""

    def __init__(
        self,
        there: Address,
        expected: Role,
        make: Callable[[], Any],
        greeted: "asyncio.Future[Any]",
    ) -> None:
        self._there = there
        self._expected = expected
        self._make = make
        self._greeted = greeted
        self._buffer = b""
        self._peer: Peer | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tune(transport.get_extra_info("socket"))
        self._peer = peer_of(transport.get_extra_info("peercert") or {})
        refusal = self._peer.refusal_as(self._expected) or self._peer.refusal_at(self._there.host)
        if refusal:
            self._fail(RefusedConnectionError(f"{self._there}: {refusal}"))

    def data_received(self, data: bytes) -> None:
        if self._greeted.done():
            return
        self._buffer += data
        size = int.from_bytes(self._buffer[:HEAD_BYTES], "big")
        if len(self._buffer) >= HEAD_BYTES and size > GREETING_BYTES_MAX:
            self._fail(RefusedConnectionError(f"{self._there}: no greeting; another program?"))
            return
        if len(self._buffer) < HEAD_BYTES + size or not size:
            return
        rest = self._buffer[HEAD_BYTES + size :]
        try:
            greeting = decode_greeting(self._buffer[HEAD_BYTES : HEAD_BYTES + size])
        except msgspec.MsgspecError as error:
            self._fail(RefusedConnectionError(f"{self._there}: no greeting: {error}"))
            return
        if greeting.refusal:
            self._fail(RefusedConnectionError(f"{self._there} refused: {greeting.refusal}"))
            return
        assert self._transport is not None
        link = self._make()
        link.peer = self._peer
        self._transport.set_protocol(link)
        link.connection_made(self._transport)
        self._greeted.set_result(link)
        if rest:
            link.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, ssl.SSLError):
            exc = RefusedConnectionError(f"{self._there}: {refusal_words(exc)}")
        text = f"{self._there}: closed without a greeting; its log says why"
        self._fail(exc or RefusedConnectionError(text))

    def _fail(self, error: Exception) -> None:
        if not self._greeted.done():
            self._greeted.set_exception(error)


encode_greeting: Final = msgspec.msgpack.Encoder().encode
decode_greeting: Final = msgspec.msgpack.Decoder(Greeting).decode


def tune(sock: Any) -> None:
    """Let small frames go out at once, and the kernel notice in seconds that nobody is there."""
    with contextlib.suppress(OSError):  # It may be gone already; then so is the link.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KERNEL_OPTIONS.items():
            if hasattr(socket, name):  # Not every system has them all.
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


KERNEL_OPTIONS: Final = {
    "TCP_KEEPIDLE": PROBE_S,
    "TCP_KEEPINTVL": PROBE_S,
    "TCP_KEEPCNT": SILENT_MS // 1000,
    "TCP_USER_TIMEOUT": SILENT_MS,
}
