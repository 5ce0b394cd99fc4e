"""A way to a server that can be slow, lose answers, be cut, lead elsewhere, and speak TLS."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator


class Proxy:
    """Listens on a port, of loopback if not said, and passes on what comes there."""

    def __init__(
        self, port: int, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.target = port
        """Where new connections lead to; 0 refuses them."""
        self.lose = b""
        """The answer to the next request that holds this is lost, and its connection cut."""
        self.lost = 0
        self.delay_s = 0.0
        """What comes is passed on so much later, each way."""
        self._tls = tls
        self._listening = socket.create_server((host, 0))
        self.host = host
        self.port = int(self._listening.getsockname()[1])
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis{'s' if self._tls else ''}://{self.host}:{self.port}"

    def cut(self) -> None:
        """Cut all connections there are."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def lead_to(self, port: int) -> None:
        """Let all connections from now on lead to another server."""
        self.target = port
        self.cut()

    def close(self) -> None:
        self.target = 0
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self._tls is not None:
            client = self._tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        with contextlib.suppress(OSError), client:
            if isinstance(client, ssl.SSLSocket):
                client.do_handshake()
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                for each in (client, server):  # Or an answer in two parts waits 40 ms for an ACK.
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open |= {client, server}
                losing = threading.Event()
                back = threading.Thread(
                    target=self._pass_back, args=(client, server, losing), daemon=True
                )
                back.start()
                while data := client.recv(1 << 20):
                    if self.lose and self.lose in data:
                        self.lose = b""
                        losing.set()
                    time.sleep(self.delay_s)
                    server.sendall(data)
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_WR)
                back.join()
                self._open -= {client, server}

    def _pass_back(
        self, client: socket.socket, server: socket.socket, losing: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 20):
                if losing.is_set():
                    self.lost += 1
                    break
                time.sleep(self.delay_s)
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxying(
    port: int, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[Proxy]:
    proxy = Proxy(port, tls, host)
    try:
        yield proxy
    finally:
        proxy.close()
