"""Desk: what a connection asks of its gateway, and what the gateway asks of its connections."""

from typing import Protocol

from ingest.admission import Admission, Refusal
from ingest.exchange import Exchange
from ingest.heads import KnownHeads


class Connection(Protocol):
    """What the gateway asks of a connection, and tells it."""

    changed_s: float
    """When it last became idle, or began to receive or to linger."""

    @property
    def busy(self) -> bool:
        """Whether an answer is due that the sender need not do anything for."""

    @property
    def receiving(self) -> bool:
        """Whether a request has come in part."""

    @property
    def held(self) -> bool:
        """Whether it is not read until its `release`."""

    @property
    def lingering(self) -> bool:
        """Whether all is said, and only the sender's end is waited for."""

    def drain(self) -> None:
        """End the connection as soon as what came in whole is answered."""

    def time_out(self) -> None:
        """End a connection that received a request too slowly, or none."""

    def turn_away(self) -> None:
        """End a new connection for which there is no room."""

    def abort(self) -> None:
        """Close at once."""

    def release(self) -> None:
        """Read on, where the desk held it and it has not ended since."""


class Desk(Protocol):
    """What a connection asks of its gateway."""

    admission: Admission
    draining: bool
    heads: KnownHeads
    swept_s: float
    """The moment of the last sweep: close enough to now for timeouts, and costs no call."""

    def joined(self, connection: Connection) -> None:
        """Note a new connection."""

    def left(self, connection: Connection) -> None:
        """Forget a connection."""

    def refusal(self, path: bytes, method: bytes, headers: dict[bytes, bytes]) -> Refusal | None:
        """Say why a request of this head is not served."""

    def serve(self, exchange: Exchange) -> None:
        """Serve a whole request; its `answer` may be called at once or later."""

    def answered(self, exchange: Exchange, status: int) -> None:
        """Count an answer; what it held is free again."""

    def holds(self, connection: Connection, exchange: Exchange) -> bool:
        """Say whether one just answered is to wait, unread, for its `release`."""
