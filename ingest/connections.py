"""Connections: all those of a gateway, how many there may be, and when each ends."""

from ingest.desk import Connection
from ingest.files import connections_that_fit
from ingest.limits import LINGER_S, TURNED_AWAY_MAX
from ingest.settings import GatewaySettings


class Connections:
    """The open connections of a gateway."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._open: set[Connection] = set()
        self._most = settings.connections_max

    def __len__(self) -> int:
        return len(self._open)

    @property
    def busy(self) -> bool:
        """Whether any is owed an answer."""
        return any(connection.busy for connection in self._open)

    def fit(self) -> None:
        """Take no more of them than the limit on open files leaves room for."""
        self._most = connections_that_fit(self._settings.connections_max)

    def joined(self, connection: Connection, *, draining: bool) -> None:
        """Note a new one, and end it where there is no room."""
        self._open.add(connection)
        if draining or len(self._open) > self._most + TURNED_AWAY_MAX:
            connection.abort()
        elif len(self._open) > self._most:
            connection.turn_away()

    def left(self, connection: Connection) -> None:
        """Forget one."""
        self._open.discard(connection)

    def drain(self) -> None:
        """End each as soon as what came in whole is answered."""
        for connection in list(self._open):
            connection.drain()

    def abort(self) -> None:
        """Close all at once."""
        for connection in list(self._open):
            connection.abort()

    def sweep(self, now_s: float) -> None:
        """End those that receive too slowly, or nothing for long."""
        settings = self._settings
        for connection in list(self._open):
            if connection.lingering:
                limit_s = LINGER_S
            elif connection.busy or connection.held:
                continue
            else:
                limit_s = settings.receive_s if connection.receiving else settings.idle_s
            if now_s - connection.changed_s > limit_s:
                connection.time_out()
