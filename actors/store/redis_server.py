"""The Redis server of a store: one connection, calls by script, and what its errors mean to us."""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar, cast

import structlog
from msgspec import Struct
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as LostConnectionError
from redis.exceptions import TimeoutError as LateAnswerError
from redis.retry import Retry

from actors.errors import OperatorError
from actors.settings import (
    REDIS_PASSWORD_VARIABLE,
    RedisSettings,
    redis_password_of_environment,
)
from actors.store.port import StoreFullError, StoreLostError, StoreStalledError
from actors.store.redis_replicas import ASKS_OF_DISKS, check_waits, waits_of

CONNECT_S: Final = 2.0
TRY_S: Final = 2.0
"""For so long a call is tried again where the connection is lost: a restart of the server mostly
takes less, and nobody need be told of it."""
WAIT_S_MIN: Final = 0.02
WAIT_S_MAX: Final = 0.5

FULL_CODE: Final = "OOM"
ELSEWHERE_CODES: Final = ("READONLY", "LOADING", "MASTERDOWN")
"""This server is not, or not yet, the one to write to: by another connection it may be."""
STALLED_CODES: Final = ("MISCONF", "NOREPLICAS", "NOPERM", "NOAUTH", "WRONGPASS", "BUSY")
"""Someone has to change something there; the same may be tried again then."""

CODE: Final = re.compile(r"\b(" + "|".join((FULL_CODE, *ELSEWHERE_CODES, *STALLED_CODES)) + r")\b")
CODE_OF_KIND: Final = {
    MasterDownError: "MASTERDOWN",
    NoPermissionError: "NOPERM",
    OutOfMemoryError: FULL_CODE,
    ReadOnlyError: "READONLY",
}
"""The library takes these off the error's text."""

LOST: Final = (LostConnectionError, LateAnswerError, OSError)

Result = TypeVar("Result")
Command = Sequence[str | bytes | int]

log = structlog.get_logger()


class Connection(Protocol):
    """What is used here of the library's connections, which say nothing of types."""

    def connect(self) -> None:
        """Connect, and say who it is."""
        ...

    def disconnect(self) -> None:
        """Close it."""
        ...

    def pack_commands(self, commands: Sequence[Command]) -> list[bytes]:
        """Return commands as they are sent."""
        ...

    def send_packed_command(self, command: list[bytes]) -> None:
        """Send commands."""
        ...

    def read_response(self) -> Any:
        """Read the answer of one command. Raises what it says."""
        ...


class Script(Struct, frozen=True):
    """A script that runs in the server, as one step that is done wholly or not at all.

    It must bear being run twice: an answer may be lost on its way.
    """

    text: str
    digest: str


def script(text: str) -> Script:
    """Return a script.

    A server without memory refuses commands that may need some, unless the script has written
    already. What must be possible all the same, to take a slot over or to make room, removes a
    field first that there never is: `HDEL key ''`.
    """
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class RedisServer:
    """One connection to the server, made anew where it is lost. From any thread, by turns."""

    def __init__(self, settings: RedisSettings) -> None:
        """Connects with the first call. Raises OperatorError for a URL that is none."""
        self.settings = settings
        self.name = redacted(settings.url)
        self.met_another: Callable[[], None] = _nothing
        """Called on a new connection, before anything else is sent there, where the server is
        another one than before, or the same after a restart: it may have less than it had."""
        self._pool = _pool_of(settings)
        self._connection: Connection | None = None
        self._identity = ""
        self._disks = False
        """Whether this server can be asked for what is on its replicas' disks."""
        self._turn = threading.RLock()

    def key(self, *parts: str | int) -> str:
        """Return the name of a key: `{anlass}:slot:3`."""
        return ":".join(("{" + self.settings.prefix + "}", *map(str, parts)))

    def run(self, *command: str | bytes | int) -> Any:
        """Run a command that may be run twice; see `again`."""
        return self.again(lambda: self.send([command])[0])

    def run_all(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands that may be run twice, sent together; see `again`."""
        return self.again(lambda: self.send(commands))

    def call(self, code: Script, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
        """Run a script; see `again`."""
        return self.again(lambda: self.send_script(code, keys, arguments)[0])

    def again(self, do: Callable[[], Result], within_s: float = TRY_S) -> Result:
        """Do this, and where the connection is lost do it again for `within_s`.

        Raises StoreLostError then, and where the server takes nothing just now; StoreFullError
        where it has no memory left; OperatorError where it knows no such user or command.
        """
        end_s = time.monotonic() + within_s
        wait_s = WAIT_S_MIN
        while True:
            try:
                return do()
            except (AuthenticationError, AuthorizationError) as error:
                raise self._stalled(str(error)) from error
            except LOST as error:
                lost: Exception = error
            except ResponseError as error:
                lost = error
                if code_of(error) not in ELSEWHERE_CODES:
                    raise self._meant(error) from error
            self.drop()
            if time.monotonic() + wait_s > end_s:
                raise self._stalled(f"cannot be reached ({lost})") from lost
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, WAIT_S_MAX)

    def send(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together, once, and return what they answer; the first error is raised."""
        with self._turn:
            connection = self._connected()
            answers: list[Any] = []
            try:
                connection.send_packed_command(connection.pack_commands(commands))
                for _ in commands:
                    try:
                        answers.append(connection.read_response())
                    except ResponseError as error:
                        answers.append(error)
            except BaseException:
                self.drop()  # Whoever comes next must not read what was meant for this.
                raise
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise answer
        return answers

    def send_script(
        self,
        code: Script,
        keys: Sequence[str],
        arguments: Sequence[str | bytes | int],
        *more: Command,
    ) -> list[Any]:
        """Send a script, and `more` behind it, once. A server that forgot the script gets it."""
        rest = (len(keys), *keys, *arguments)
        try:
            return self.send([("EVALSHA", code.digest, *rest), *more])
        except NoScriptError:
            return self.send([("EVAL", code.text, *rest), *more])

    def send_written(
        self, code: Script, keys: Sequence[str], arguments: Sequence[str | bytes | int]
    ) -> list[bytes]:
        """Send a script once, and wait until as many replicas as are asked for have what it wrote.

        The script must write, also where it is run again, or say neither OK nor AGAIN: a connection
        that has written nothing waits for nothing. Raises StoreLostError where fewer have it in
        time: it may be there or not.
        """
        with self._turn:
            self._connected()  # By now it is known what the server can be asked.
            waits = waits_of(self.settings, disks=self._disks)
            said, *answers = self.send_script(code, keys, arguments, *waits)
        if said[0] in {b"OK", b"AGAIN"}:
            check_waits(self.name, self.settings, answers)
        return cast(list[bytes], said)

    def asks_of_disks(self) -> bool:
        """Say whether the server can be asked for what is on its replicas' disks."""
        self.run("PING")
        return self._disks

    def drop(self) -> None:
        """Close the connection; the next call makes another."""
        with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.disconnect()

    close = drop

    def info(self, *sections: str) -> dict[str, str]:
        """Return what INFO says, by field."""
        lines: list[str] = []
        for text in self.run_all([("INFO", section) for section in sections]):
            lines += cast(bytes, text).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = cast(Connection, self._pool.make_connection())
            try:
                connection.connect()
                identity = _identity_of(connection)
                self._disks = self.settings.replicas > 0 and _answers(connection, ASKS_OF_DISKS)
            except BaseException:
                connection.disconnect()
                raise
            self._connection = connection
            before, self._identity = self._identity, identity
            if before not in {"", identity}:
                log.warning("the store's server is another one, or was restarted", server=self.name)
                try:
                    self.met_another()
                except BaseException:
                    self._identity = before  # It was not looked into: the next connection does it.
                    self.drop()
                    raise
        assert self._connection is not None
        return self._connection

    def _meant(self, error: ResponseError) -> Exception:
        code = code_of(error)
        if code == FULL_CODE:
            text = f"{self.name} has no memory left (maxmemory); give it more"
            return StoreFullError(text)
        if code in STALLED_CODES:
            return self._stalled(f"takes nothing ({error})")
        return OperatorError(f"{self.name} refuses what Anlass needs: {error}")

    def _stalled(self, why: str) -> StoreStalledError:
        return StoreLostError(f"the store's server {self.name} {why}")


def code_of(error: ResponseError) -> str:
    """Return the code of an error that we know, also of one from within a script; or nothing."""
    for kind, code in CODE_OF_KIND.items():
        if isinstance(error, kind):
            return code
    match = CODE.search(str(error))
    return match[1] if match else ""


def redacted(url: str) -> str:
    """Return a URL without its password."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def _pool_of(settings: RedisSettings) -> ConnectionPool:
    options: dict[str, Any] = {
        "protocol": 2,
        "socket_timeout": settings.timeout_s,
        "socket_connect_timeout": CONNECT_S,
        "retry": Retry(NoBackoff(), 0),  # It is done here, and with care for what was sent.
    }
    if not settings.url.startswith("unix:"):
        options["socket_keepalive"] = True
    if settings.ca_file:
        options["ssl_ca_certs"] = settings.ca_file
    password = redis_password_of_environment()
    if password:
        options["password"] = password
    try:
        pool = ConnectionPool.from_url(settings.url, **options)
    except (ValueError, RedisError) as error:
        text = f"--redis {redacted(settings.url)} is no URL of a Redis server: {error}"
        raise OperatorError(f"{text}; write redis://USER@HOST:6379, or rediss:// for TLS") from None
    if settings.ca_file and not settings.url.startswith("rediss:"):
        text = f"--redis {redacted(settings.url)} is without TLS, and uses no CA file"
        raise OperatorError(f"{text}; write rediss://, or leave the file out")
    if password and pool.connection_kwargs.get("password") not in {None, password}:
        text = f"--redis has a password, and {REDIS_PASSWORD_VARIABLE} another"
        raise OperatorError(f"{text}; leave one out")
    return pool


def _identity_of(connection: Connection) -> str:
    """Return what tells a run of a server, and a history of its data, from others.

    Where it may not be asked, each connection counts as one to another server.
    """
    said: dict[str, str] = {}
    for section in ("server", "replication"):
        connection.send_packed_command(connection.pack_commands([("INFO", section)]))
        try:
            text = cast(bytes, connection.read_response()).decode()
        except ResponseError:
            return f"unknown {id(connection)} {time.monotonic_ns()}"
        said |= dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return f"{said.get('run_id')} {said.get('master_replid')}"


def _answers(connection: Connection, command: Command) -> bool:
    """Say whether a command gets an answer that is no error."""
    connection.send_packed_command(connection.pack_commands([command]))
    try:
        connection.read_response()
    except ResponseError:
        return False
    return True


def _nothing() -> None:
    """Do nothing."""
