"""What a store in Redis was made with, and cannot change: `{P}:store`, as `store.json` has it."""

import msgspec

from actors.errors import OperatorError
from actors.settings import SHARDS_MAX, STORE_KEY_VARIABLE, ClockName
from actors.store.keyfile import fingerprint_of
from actors.store.manifest import MOVED, MOVING, STORE_VERSION, Store
from actors.store.redis_server import RedisServer
from engine.limits import PARTITIONS


def open_redis_store(
    server: RedisServer,
    shards: int,
    clock: ClockName,
    *,
    encrypted: bool | None,
    key: bytes | None,
) -> Store:
    """Read what the store was made with, or make it. Raises OperatorError if it does not fit.

    A new one is encrypted unless it is said not to be, and `shards` is for a new one only: their
    number changes while it runs. All machines must have the same key. Raises StoreStalledError.
    """
    name = server.key("store")
    data = server.run("GET", name)
    if data is None:
        _check_not_moved(server)
        if server.run("EXISTS", server.key("map"), server.key("owners"), server.key("slot", 0)):
            text = f"{server.name} holds a part of a store, but no {name}"
            raise OperatorError(f"{text}; restore it from a copy, or take another --redis-prefix")
        store = _new_store(server, shards, clock, encrypted=encrypted, key=key)
        server.run("SET", name, msgspec.json.encode(store), "NX")
    store = read_redis_store(server)
    where = f"the store {name} in {server.name}"
    if clock != store.clock:
        text = f"{where} runs on the clock `{store.clock}`; start with --clock {store.clock}"
        raise OperatorError(f"{text}, or take another --redis-prefix")
    if encrypted is not None and encrypted != store.encrypted:
        made = "on" if store.encrypted else "off"
        text = f"{where} was made with --encryption {made}; start with that"
        raise OperatorError(f"{text}, or take another --redis-prefix")
    check_key(server, store, key)
    return store


def read_redis_store(server: RedisServer) -> Store:
    """Read what a store was made with. Raises OperatorError, StoreStalledError."""
    name = server.key("store")
    data = server.run("GET", name)
    if data is None:
        _check_not_moved(server)
        text = f"{server.name} has no store {name}; look at --redis and --redis-prefix"
        raise OperatorError(text)
    try:
        store = msgspec.json.decode(data, type=Store)
    except msgspec.DecodeError as error:
        text = f"{name} in {server.name} cannot be read: {error}; restore it from a copy"
        raise OperatorError(text) from None
    if store.version != STORE_VERSION or store.partitions != PARTITIONS:
        text = f"{name} in {server.name} was made by another version of Anlass; use that one"
        raise OperatorError(text)
    return store


def check_key(server: RedisServer, store: Store, key: bytes | None) -> None:
    """Raise OperatorError where an encrypted store's key is missing, or is another."""
    if not store.encrypted:
        return
    where = f"the store {server.key('store')} in {server.name}"
    name_it = f"name that one with --key-file or {STORE_KEY_VARIABLE}, on each machine"
    if key is None:
        text = f"{where} is encrypted with a key of fingerprint {store.key_fingerprint}"
        raise OperatorError(f"{text}, and none is here; {name_it}")
    if fingerprint_of(key) != store.key_fingerprint:
        text = f"{where} was made with another key, of fingerprint {store.key_fingerprint}"
        raise OperatorError(f"{text}; {name_it}")


def _new_store(
    server: RedisServer, shards: int, clock: ClockName, *, encrypted: bool | None, key: bytes | None
) -> Store:
    if not 1 <= shards <= SHARDS_MAX:
        raise OperatorError(f"--shards {shards} is out of range; use 1 to {SHARDS_MAX}")
    if encrypted is False:
        return Store(shards=shards, clock=clock)
    if key is None:
        text = f"a new store in {server.name} needs a key; name one with --key-file or"
        raise OperatorError(f"{text} {STORE_KEY_VARIABLE}: 32 random bytes in base64")
    return Store(shards=shards, clock=clock, encrypted=True, key_fingerprint=fingerprint_of(key))


def _check_not_moved(server: RedisServer) -> None:
    if server.run("EXISTS", server.key("store", MOVING)):
        text = f"{server.name} holds the half of a store that was moved there"
        raise OperatorError(f"{text}; say `anlass move-store` as before: it begins anew")
    name = server.key("store", MOVED)
    if server.run("EXISTS", name):
        text = f"the store in {server.name} was moved to files; start without --redis"
        raise OperatorError(f"{text}, or to go back to what it was then, rename the key {name}")
