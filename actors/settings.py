"""Settings of a running system, and the only reader of the environment."""

import contextlib
import os
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from actors.errors import OperatorError
from engine.limits import DAY_MS

ClockName = Literal["wall", "events"]
SHARDS_MAX: Final = 64
RedisMode = Literal["strict", "relaxed"]
KEYS_VARIABLE: Final = "ANLASS_KEYS"
CONTROL_KEYS_VARIABLE: Final = "ANLASS_CONTROL_KEYS"
REDIS_PASSWORD_VARIABLE: Final = "ANLASS_REDIS_PASSWORD"  # noqa: S105 - it names one
STORE_KEY_VARIABLE: Final = "ANLASS_STORE_KEY"


class SnapshotSettings(Struct, frozen=True, kw_only=True):
    """When a shard walks over its partitions and takes a snapshot of each."""

    log_bytes: int = 64 << 20
    """When its log has grown by so many bytes, and by as many as all snapshots have."""
    interval_s: float = 600.0
    """Or when the last walk began so long ago, and something came since."""


class RedisSettings(Struct, frozen=True, kw_only=True):
    """Where a store in Redis is, and what is asked of it."""

    url: str
    """`redis://`, `rediss://` (TLS) or `unix://`, with the ACL user, and with its password unless
    that is in ANLASS_REDIS_PASSWORD."""
    ca_file: str = ""
    """Of who signed the server's certificate, if the system does not know them."""
    prefix: str = "anlass"
    """All keys begin with it, in braces: a cluster would keep them together."""
    mode: RedisMode = "strict"
    """`relaxed` takes a server that makes writes durable only each second."""
    replicas: int = 0
    """So many replicas must have what is acknowledged."""
    log_bytes_max: int = 1 << 30
    """What the log of one slot may hold in the server's memory."""
    timeout_s: float = 5.0
    """How long an answer may take before the connection counts as lost."""


class ClusterSettings(Struct, frozen=True, kw_only=True):
    """What each process of a cluster needs to know; the store's key is never passed on."""

    redis: RedisSettings
    archive: str
    """URL of the archive: a folder that all machines see, or S3-like storage."""
    clock: ClockName = "wall"
    keep_ms: int = 90 * DAY_MS
    key_file: str = ""
    """Of the store's key, on each machine; else it is in the environment there."""
    keys: str = ""
    """Folder of the certificate for links between machines, on each; empty where there is one."""
    snapshots: SnapshotSettings = SnapshotSettings()
    namespace: str = ""
    """Of its actors in Ray: the store's own name, so that two stores never meet."""


class SystemSettings(Struct, frozen=True, kw_only=True):
    """What `anlass run` was told."""

    data: Path
    journeys: Path | None
    """The folder to put in force; None: what is in force goes on."""
    settings_file: Path | None = None
    """Where the operator's part is without a folder; None: it is at its default."""
    publish: bool = False
    """Put the folder in force also where that ends visits in flight."""
    shards: int = 2
    clock: ClockName = "wall"
    keep_ms: int = 90 * DAY_MS
    """How long the log's archive is kept."""
    snapshots: SnapshotSettings = SnapshotSettings()
    encrypted: bool | None = None
    """None means: as the store was made, and a new one is."""
    key_file: Path | None = None
    """Where the store's key is, if not in its folder or in the environment."""
    keys: Path | None = None
    """Folder of this host's certificate, for links to other hosts."""
    cluster: ClusterSettings | None = None
    """Where the store is in Redis; `data` holds only what is of this machine then."""
    address: str = ""
    """Of the Ray cluster to join; empty for one of its own."""


class ShardSettings(Struct, frozen=True, kw_only=True):
    """What one shard needs to know."""

    slot: int
    shards: int
    clock: ClockName
    folder: str
    socket: str
    lifeline: str
    keep_ms: int = 90 * DAY_MS
    snapshots: SnapshotSettings = SnapshotSettings()
    key_file: str = ""
    """As SystemSettings has it; the key itself is never passed on."""
    keys: str = ""
    """Folder of the certificate it shows; empty where no link leaves the host."""


class CourierSettings(Struct, frozen=True, kw_only=True):
    """What the courier needs to know."""

    sockets: list[str]
    lifeline: str
    folder: str
    channels: bytes
    """JSON of channels.settings.ChannelSettings."""
    keys: str = ""


class RoundsSettings(Struct, frozen=True, kw_only=True):
    """What a courier of a cluster needs to know."""

    cluster: ClusterSettings
    lifeline: str
    folder: str
    channels: bytes
    """JSON of channels.settings.ChannelSettings."""


def keys_of_environment() -> list[str]:
    """Return the write keys that ANLASS_KEYS names, separated by commas."""
    return [key.strip() for key in os.environ.get(KEYS_VARIABLE, "").split(",") if key.strip()]


def control_keys_of_environment() -> list[str]:
    """Return what ANLASS_CONTROL_KEYS says of keys, separated by commas."""
    said = os.environ.get(CONTROL_KEYS_VARIABLE, "").split(",")
    return [each.strip() for each in said if each.strip()]


def store_key_of_environment() -> str:
    """Return the store's key as ANLASS_STORE_KEY says it; empty where it says none."""
    return os.environ.get(STORE_KEY_VARIABLE, "").strip()


def redis_password_of_environment() -> str:
    """Return the password for Redis as ANLASS_REDIS_PASSWORD says it; empty where it says none."""
    return os.environ.get(REDIS_PASSWORD_VARIABLE, "").strip()


def secret_of_environment(variable: str) -> str:
    """Return a secret that settings refer to by the name of its variable."""
    value = os.environ.get(variable)
    if not value:
        raise OperatorError(f"the environment variable {variable} is not set; set it to the secret")
    return value


def be_as_nice_as_a_driver() -> int:
    """Undo what Ray does to its workers, where the kernel lets us; return how nice this is."""
    if os.nice(0) > 0:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)
    return os.nice(0)


def set_ray_environment() -> None:
    """Set what Ray reads when it starts; what an operator has set stays.

    Workers at nice 15 would starve beside the gateway; the rest are its reporters, which nothing
    here reads, and its own memory killer and full collections, which would stop a shard.
    """
    for name, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


RAY_ENVIRONMENT: Final = {
    "RAY_worker_niceness": "0",
    "RAY_task_events_report_interval_ms": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_event_stats": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_start_python_gc_manager_thread": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}
