"""Opens what a store keeps, by where it is."""

from contextlib import closing
from pathlib import Path

from actors.kept.files import KeptFiles
from actors.kept.kept import Kept, StorePlace
from actors.kept.redis import KeptRedis
from actors.publications import Publications
from actors.store.key import store_key
from actors.store.keyfile import find_key
from actors.store.manifest import Store, read_store
from actors.store.published import PublishedFiles
from actors.store.redis_published import PublishedRedis
from actors.store.redis_server import RedisServer
from actors.store.redis_store import check_key, read_redis_store


def store_of(place: StorePlace) -> Store:
    """Return what a store was made with. Raises OperatorError where there is none."""
    if isinstance(place, Path):
        return read_store(place)
    with closing(RedisServer(place.redis)) as server:
        return read_redis_store(server)


def key_of(place: StorePlace, key_file: Path | None = None) -> bytes | None:
    """Return the key of a store, None where it is not sealed. Raises OperatorError."""
    if isinstance(place, Path):
        return store_key(place, key_file)
    store = store_of(place)
    key = find_key(place.data, key_file) if store.encrypted else None
    with closing(RedisServer(place.redis)) as server:
        check_key(server, store, key)
    return key


def publications_of(place: StorePlace, key_file: Path | None = None) -> Publications:
    """Return what was ever published. Raises OperatorError where there is no store."""
    key = key_of(place, key_file)
    if isinstance(place, Path):
        return PublishedFiles(place, key)
    return PublishedRedis(RedisServer(place.redis), key)


def open_kept(place: StorePlace, key_file: Path | None = None) -> Kept:
    """Return what a store keeps. Raises OperatorError where there is none, or it lacks its key."""
    if isinstance(place, Path):
        return KeptFiles(place, key_file)
    return KeptRedis(place, key_file)
