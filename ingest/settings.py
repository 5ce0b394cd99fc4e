"""Settings of the gateway: read once, checked, passed down."""

from ipaddress import ip_address

from msgspec import Struct

from ingest.memory import memory_max_bytes


class GatewaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a gateway listens and what it takes."""

    host: str = "127.0.0.1"
    """Address to listen on. Others than the loopback need `keys`."""

    port: int = 8080
    """Port to listen on; 0 picks a free one."""

    keys: list[str] = []
    """Write keys that senders show. On the loopback none is asked for; one shown must be right."""

    deadline_s: float = 30.0
    """A request of events has its answer by then, or a 503."""

    receive_s: float = 30.0
    """Longest time in which a request may come in, its body included."""

    idle_s: float = 75.0
    """Longest time a connection may stay open without a request."""

    connections_max: int = 10_000
    """Connections at once; more are answered with 503 and closed."""

    events_in_flight_max: int = 100_000
    """Events taken in and not answered yet, before 429."""

    lane_events_max: int = 50_000
    """The same for each shard, so that a slow one leaves room for the others."""

    lane_bytes_max: int = 64 << 20
    """Memory for the events that wait on one shard, before 429."""

    queue_delay_s: float = 0.5
    """What waits on a shard should be answered within this, at its pace; beyond it 429."""

    memory_max: int | str = "80%"
    """Resident memory of gateway and shards together, before 429: bytes, or a percentage of the
    control group's limit or the machine's memory."""

    body_bytes_max: int = 256 << 20
    """Memory for all bodies that arrive or wait for their answer, before 429."""

    def __post_init__(self) -> None:
        """Raise ValueError where the settings cannot be meant."""
        if not self.keys and not self.on_loopback:
            raise ValueError(
                f"a gateway on {self.host!r} can be reached by others and has no write keys: "
                "set `keys`, or listen on 127.0.0.1"
            )
        if not all(self.keys):
            raise ValueError("a write key may not be empty")
        bounds = (self.connections_max, self.events_in_flight_max, self.lane_events_max)
        spans = (self.deadline_s, self.receive_s, self.idle_s, self.queue_delay_s)
        if min(*bounds, self.body_bytes_max, self.lane_bytes_max) < 1 or min(spans) <= 0:
            raise ValueError("every bound and span of the gateway must be above 0")
        memory_max_bytes(self.memory_max)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the gateway."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False
