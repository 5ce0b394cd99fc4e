"""Door: where links come in; by TCP nobody does whose certificate does not say who it is."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import structlog

from actors.errors import OperatorError
from actors.limits import HANDSHAKES_MAX, LINKS_MAX, TICK_S
from actors.links.address import (
    HANDSHAKE_S,
    HEAD_BYTES,
    SHUTDOWN_S,
    Address,
    Greeting,
    encode_greeting,
    tune,
)
from actors.links.certificate import ROLES, Role
from actors.links.credentials import Credentials, peer_of, refusal_words
from actors.links.link import Accept, AskMap, AskStatus, Link, OpenPartition, Pull, Request, Settle

SAID_S: Final = 60.0
"""The same refusal is logged again after so long."""

SAID_MAX: Final = 100
ACCEPT_AGAIN_S: Final = 1.0

log = structlog.get_logger()


ASKED_BY: Final[dict[type, tuple[Role, ...]]] = {
    Accept: ("gateway",),
    Pull: ("courier",),
    Settle: ("courier",),
    OpenPartition: ("shard", "operator"),
    AskMap: ROLES,
    AskStatus: ROLES,
}
"""Who may ask for what by TCP; all else the operator, which `anlass run` is too."""


def forbidden(link: Link, request: Request) -> str:
    """Say why who is at the other end may not ask for this; empty where it may."""
    if link.peer is None:
        return ""
    return link.peer.refusal_as(*ASKED_BY.get(type(request), ("operator",)))


class Door:
    """Serves links on any number of addresses, and knows which are open."""

    def __init__(
        self, received: Callable[[Link, bytes], None], lost: Callable[[Link], None]
    ) -> None:
        """Links call `received` and `lost` as `Link` says."""
        self.links: set[Link] = set()
        self.addresses: list[str] = []
        """Where it serves, as others connect there: with the port that was free."""
        self._received = received
        self._on_lost = lost
        self._servers: list[asyncio.Server] = []
        self._listening: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._said: dict[str, float] = {}

    async def open(self, address: str, credentials: Credentials | None = None) -> str:
        """Serve on one more address, and return it; with port 0 a free one is taken.

        Raises OSError where it cannot be had, OperatorError where TCP has no credentials.
        """
        loop = asyncio.get_running_loop()
        here = Address.parse(address)
        if here.path:
            Path(here.path).unlink(missing_ok=True)  # noqa: ASYNC240 - nothing is served yet
            self._servers.append(await loop.create_unix_server(self._new_link, here.path))
        elif credentials is None:
            raise OperatorError(f"{address} is served by TLS; say with --keys where the keys are")
        else:
            listening = await _listen(here)
            address = str(Address(host=here.host, port=listening.getsockname()[1]))
            self._listening.append(listening)
            self._keep(self._accept(listening, credentials))
        self.addresses.append(address)
        return address

    def close(self) -> None:
        """Let nobody in any more; the links that are open stay."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        for listening in self._listening:
            asyncio.get_running_loop().call_soon(listening.close)  # When its task lets go of it.

    def close_links(self) -> None:
        """Close all links."""
        for link in list(self.links):
            link.close()

    def _new_link(self) -> Link:
        link = Link(self._received, self._lost)
        self.links.add(link)
        if len(self.links) > LINKS_MAX:
            log.warning("too many links to a shard; the new one is closed", links=LINKS_MAX)
            # It is not made yet.
            asyncio.get_running_loop().call_later(TICK_S, link.close)
        return link

    def _lost(self, link: Link) -> None:
        self.links.discard(link)
        self._on_lost(link)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket, credentials: Credentials) -> None:
        """Take connections by TCP; each proves in a task of its own who it is."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, name = await loop.sock_accept(listening)
            except OSError as error:  # No file is left to open: some will be closed.
                self._say("", str(error))
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            if len(self._tasks) > HANDSHAKES_MAX:
                self._say(name[0], f"more than {HANDSHAKES_MAX} come in at once")
                sock.close()
                continue
            self._keep(self._admit(sock, name[0], credentials))

    async def _admit(self, sock: socket.socket, host: str, credentials: Credentials) -> None:
        """Let somebody in, if it proves who it is."""
        # By create_server(ssl=...) and by uvloop's start_tls nobody would learn why a handshake
        # fails; the latter also waits for ever here.
        tune(sock)
        threshold = _Threshold()
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: threshold,
                sock,
                ssl=credentials.server_context(),
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except ssl.SSLError as error:
            self._say(host, refusal_words(error))
        except OSError as error:
            self._say(host, str(error) or "it went away amid the handshake")
        else:
            self._greet(host, threshold, transport)

    def _greet(self, host: str, threshold: "_Threshold", transport: asyncio.Transport) -> None:
        peer = peer_of(transport.get_extra_info("peercert") or {})
        refusal = peer.refusal_as(*ROLES)
        if threshold.spoke:
            refusal = "it spoke before it was greeted"
        elif len(self.links) >= LINKS_MAX:
            refusal = f"a shard has at most {LINKS_MAX} links"
        data = encode_greeting(Greeting(refusal=refusal))
        transport.write(len(data).to_bytes(HEAD_BYTES, "big") + data)
        if refusal:
            self._say(host, refusal)
            transport.close()
            return
        if threshold.lost:
            return
        link = Link(self._received, self._lost)
        link.peer = peer
        self.links.add(link)
        transport.set_protocol(link)
        link.connection_made(transport)

    def _say(self, host: str, why: str) -> None:
        """Log a refusal, unless it was said of the same host a while ago."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._said.get(host + why, -SAID_S) < SAID_S:
            return
        if len(self._said) >= SAID_MAX:
            self._said.clear()
        self._said[host + why] = now_s
        log.warning("a link was refused", host=host, why=why)


class _Threshold(asyncio.Protocol):
    """A connection by TCP until it may come in; what it says before is not listened to."""

    def __init__(self) -> None:
        self.spoke = False
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.spoke = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


async def _listen(here: Address) -> socket.socket:
    """Listen on an address. Raises OSError with what is in the way."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(here.host, here.port, type=socket.SOCK_STREAM)
        family, _, _, _, name = found[0]
        listening = socket.create_server(name[:2], family=family, backlog=LINKS_MAX)
    except OSError as error:
        text = f"cannot serve links on {here.endpoint}: {error.strerror or error}"
        raise OSError(f"{text}; stop what listens there, or name another address") from None
    listening.settimeout(0)
    return listening
