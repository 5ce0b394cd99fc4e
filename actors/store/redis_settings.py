"""What a Redis server must be set to before a store is trusted to it, checked at the start."""

from typing import Final

from actors.errors import OperatorError
from actors.settings import RedisSettings
from actors.store.port import StoreLostError
from actors.store.redis_server import RedisServer

VERSION_MIN: Final = (6, 2)
SYNCS: Final = {"strict": ("always",), "relaxed": ("always", "everysec")}
ASKED: Final = ("appendfsync", "no-appendfsync-on-rewrite")

RELAXED: Final = (
    "--redis-mode relaxed: a crash of the server may lose what was acknowledged in the last second"
)
IN_MEMORY: Final = (
    "what --redis-replicas waits for is in the replicas' memory, perhaps not on their disks: that"
    " takes Redis 7.2, and a user who may WAITAOF"
)
BOUNDLESS: Final = (
    "maxmemory of the server is 0: the machine's memory is its bound, and a server that meets it is"
    " killed; set maxmemory"
)
OPEN: Final = "the link to the server is without TLS; write rediss:// where the network is not safe"


def check_redis_settings(server: RedisServer) -> list[str]:
    """Return what an operator should know of the server's settings, a line each.

    Raises OperatorError for those with which an acknowledged event could be lost, with setting,
    value and fix; and where the server cannot be reached.
    """
    settings = server.settings
    try:
        said = server.info("server", "replication", "persistence", "memory", "cluster")
        syncs = _asked(server)
    except StoreLostError as error:
        text = f"{error}; look whether it runs, whether --redis names it, and its user and password"
        raise OperatorError(text) from None
    _check_kind(server.name, said)
    _check(server.name, "maxmemory-policy", said.get("maxmemory_policy", ""), ("noeviction",))
    appends = "yes" if said.get("aof_enabled") == "1" else "no"
    _check(server.name, "appendonly", appends, ("yes",))
    notes = [RELAXED] if settings.mode == "relaxed" else []
    notes += _check_syncs(server.name, settings, syncs)
    _check_replicas(server.name, settings.replicas, int(said.get("connected_slaves", "0")))
    if settings.replicas and settings.mode == "strict" and not server.asks_of_disks():
        notes.append(IN_MEMORY)
    if said.get("maxmemory") == "0":
        notes.append(BOUNDLESS)
    if settings.url.startswith("redis:"):
        notes.append(OPEN)
    return notes


def _asked(server: RedisServer) -> dict[str, str] | None:
    """Return what CONFIG GET says; None where it may not be asked."""
    try:
        answers = server.run_all([("CONFIG", "GET", name) for name in ASKED])
    except (OperatorError, StoreLostError):
        return None
    return {pair[0].decode(): pair[1].decode() for pair in answers if pair}


def _check_kind(name: str, said: dict[str, str]) -> None:
    version = said.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2]) < VERSION_MIN:
        raise OperatorError(f"{name} is Redis {version}; use 6.2 or later")
    if said.get("cluster_enabled") == "1":
        text = f"{name} is a node of a Redis Cluster, which would keep the whole store on one node"
        raise OperatorError(f"{text}; name a server of its own, with replicas")
    if said.get("role") != "master":
        text = f"{name} is a replica; name its primary {said.get('master_host')}"
        raise OperatorError(f"{text}:{said.get('master_port')}, or promote it (REPLICAOF NO ONE)")


def _check(name: str, setting: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        text = f"{name} has {setting} {value}; with that it can lose what was acknowledged"
        raise OperatorError(f"{text}: set {setting} {allowed[0]} there, in redis.conf too")


def _check_syncs(name: str, settings: RedisSettings, syncs: dict[str, str] | None) -> list[str]:
    allowed = SYNCS[settings.mode]
    if syncs is None:
        text = f"{name} lets its user not ask CONFIG: see for yourself that appendfsync is"
        text = f"{text} {' or '.join(allowed)}"
        return [text if settings.mode == "relaxed" else f"{text}, {ASKED[1]} no"]
    value = syncs.get("appendfsync", "")
    if settings.mode == "strict" and value == "everysec":
        text = f"{name} has appendfsync everysec, and can lose the last second"
        raise OperatorError(f"{text}: set appendfsync always, or take --redis-mode relaxed")
    _check(name, "appendfsync", value, allowed)
    if settings.mode == "strict":
        _check(name, ASKED[1], syncs.get(ASKED[1], "no"), ("no",))
    return []


def _check_replicas(name: str, wanted: int, connected: int) -> None:
    if connected < wanted:
        text = f"{name} has {connected} replicas, and --redis-replicas {wanted} waits for more"
        raise OperatorError(f"{text}: start them, or ask for fewer")
