"""Network: sockets of simulated processes: streams that come late, in pieces, or break off."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.simulation.loop import Call, Process, Scheduler


class Server:
    """See asyncio.Server."""

    def __init__(
        self, network: "Network", address: str, process: Process, factory: Callable[[], Any]
    ) -> None:
        self._network = network
        self._address = address
        self._served = process, factory
        self.sockets: list[Any] = []

    async def start_serving(self) -> None:
        """See asyncio.Server."""
        self.serve()

    def serve(self) -> None:
        """Listen."""
        self._network.listening[self._address] = self._served

    def close(self) -> None:
        """Listen no longer."""
        if self._network.listening.get(self._address) == self._served:
            del self._network.listening[self._address]

    async def wait_closed(self) -> None:
        """See asyncio.Server."""


class End(asyncio.Transport):
    """One end of a connection; what is written lies in `way` until the other end has it."""

    peer: "End"

    def __init__(self, network: "Network", process: Process, protocol: Any, name: str) -> None:
        super().__init__()
        self.network = network
        self.process = process
        self.protocol = protocol
        self.name = name
        self.way = bytearray()
        self.made = False
        self.closing = False
        """Whether it takes no more to write: closed by its process, or lost."""
        self.lost = False
        """Whether its protocol knows that it is over."""
        self.paused = False
        self._coming = False

    def write(self, data: Any) -> None:
        """See asyncio."""
        if not self.closing and self.process.alive:
            self.way += data
            self.peer.expect()

    def close(self) -> None:
        """See asyncio: what was written still goes, then the other end learns of it."""
        if self.closing or not self.process.alive:
            return
        self.closing = True
        self.process.call_soon(self.lose, None)
        self.peer.expect()

    abort = close

    def is_closing(self) -> bool:
        """See asyncio."""
        return self.closing

    def pause_reading(self) -> None:
        """See asyncio."""
        self.paused = True

    def resume_reading(self) -> None:
        """See asyncio."""
        self.paused = False
        self.expect()

    def is_reading(self) -> bool:
        """See asyncio."""
        return not self.paused

    def get_write_buffer_size(self) -> int:
        """See asyncio."""
        return len(self.way)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See asyncio."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio."""
        return default

    def make(self) -> None:
        """Tell the protocol that it is connected."""
        self.made = True
        self.protocol.connection_made(self)
        self.expect()

    def expect(self) -> None:
        """Let what the other end has written come after a while, in the order it was written."""
        if not self._coming and not self.lost and self.process.alive:
            self._coming = True
            self.network.later(self.process, self._come)

    def lose(self, error: Exception | None) -> None:
        """Tell the protocol that it is over."""
        if self.lost:
            return
        self.lost = self.closing = True
        self.network.ends.pop(self, None)
        if self.made:
            self.protocol.connection_lost(error)

    def _come(self) -> None:
        self._coming = False
        if self.closing or self.paused or not self.made:
            return
        way = self.peer.way
        if way:
            count = len(way)
            if self.network.scheduler.random.random() < self.network.splitting:
                count = self.network.scheduler.random.randint(1, count)
            data = bytes(way[:count])
            del way[:count]
            self.protocol.data_received(data)
        if way and not self.is_closing():
            self.expect()
        if way or self.is_closing():
            return
        over = self.peer.closing or not self.peer.process.alive
        if over and not self.protocol.eof_received():
            self.closing = True
            self.lose(None)


class Network:
    """All connections between simulated processes."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.listening: dict[str, tuple[Process, Callable[[], Any]]] = {}
        self.ends: dict[End, None] = {}
        """The ends whose protocols are not told that it is over, in the order they were made."""
        self.splitting = 0.1
        """How often what is on its way comes in pieces."""
        self.slowness = 0.02
        """How often something takes much longer than usual."""
        self.connections: Counter[str] = Counter()
        """How often one process connected to another, by their names."""

    def process(self, name: str) -> Process:
        """Begin a process that is on this network."""
        process = self.scheduler.process(name)
        process.network = self
        return process

    def later(self, process: Process, callback: Callable[..., Any], *args: Any) -> None:
        """Let a process do something after a delay of the network."""
        random = self.scheduler.random.random
        delay = random() * 0.0005
        if random() < self.slowness:
            delay += random() * 0.3
        self.scheduler.at(
            self.scheduler.now + delay, Call(process, 0.0, callback, args, process.context)
        )

    def listen(
        self, process: Process, factory: Callable[[], Any], address: str, *, at_once: bool = True
    ) -> Server:
        """See asyncio.loop.create_unix_server."""
        server = Server(self, address, process, factory)
        if at_once:
            server.serve()
        return server

    async def connect(
        self, process: Process, factory: Callable[[], Any], address: str
    ) -> tuple[End, Any]:
        """See asyncio.loop.create_unix_connection: the kernel takes it for a busy server, too."""
        served, server_factory = self.listening.get(address, (None, None))
        if served is None or server_factory is None or not served.alive:
            raise ConnectionRefusedError(f"nobody listens at {address}")
        protocol = factory()
        mine = End(self, process, protocol, f"{process.name}>{served.name}")
        other = End(self, served, None, f"{served.name}>{process.name}")
        mine.peer, other.peer = other, mine
        self.ends[mine] = self.ends[other] = None
        self.connections[mine.name] += 1

        def accept() -> None:
            other.protocol = server_factory()
            other.make()

        self.later(served, accept)
        made = process.create_future()
        self.later(process, lambda: None if made.done() else made.set_result(None))
        await made
        if not mine.lost:
            mine.make()
        return mine, protocol

    def kill(self, process: Process) -> None:
        """End a process: the kernel closes what it had open, and what it wrote still comes."""
        self.scheduler.kill(process)
        for address, (served, _) in list(self.listening.items()):
            if served is process:
                del self.listening[address]
        for end in [each for each in self.ends if each.process is process]:
            del self.ends[end]
            end.closing = end.lost = True
            end.peer.expect()

    def cut(self, end: End) -> None:
        """Break a connection: of what is on its way, each side gets a part, and then an error."""
        random = self.scheduler.random
        for each in (end, end.peer):
            del each.way[random.randint(0, len(each.way)) :]
        for each in (end, end.peer):
            if not each.lost and each.process.alive:
                each.network.later(each.process, self._break, each)

    def _break(self, end: End) -> None:
        way = end.peer.way
        if way and not end.closing and end.made:
            end.protocol.data_received(bytes(way))
            way.clear()
        end.closing = True
        end.lose(ConnectionResetError("the link was cut"))
