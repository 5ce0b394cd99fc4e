"""The command `anlass failed`: the inputs that could not be applied, with the reason."""

from pathlib import Path

from console.logbook import failed_inputs
from console.options import (
    ArchiveUrl,
    AsJson,
    Data,
    KeyFile,
    Redis,
    RedisCa,
    RedisPrefix,
    print_json,
    store_place,
)
from console.screen import show_failed


def failed(
    data: Data = Path("data"),
    key_file: KeyFile = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """List the inputs that could not be applied, with the reason."""
    found = failed_inputs(store_place(data, redis, redis_prefix, redis_ca, archive), key_file)
    if json:
        for each in found:
            print_json(each)
    else:
        show_failed(found)
