"""The command `anlass failed`: the inputs that could not be applied, with the reason."""

from pathlib import Path

from console.control_client import Control, ControlClient, ControlKeyOption
from console.logbook import FailedInput, failed_inputs
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


def failed(  # noqa: PLR0913, PLR0917 - the options of a command
    data: Data = Path("data"),
    key_file: KeyFile = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """List the inputs that could not be applied, with the reason."""
    if control:
        client = ControlClient(control, control_key)
        found = client.ask("GET", "/v1/failed", list[FailedInput])
    else:
        place = store_place(data, redis, redis_prefix, redis_ca, archive)
        found = failed_inputs(place, key_file)
    if json:
        for each in found:
            print_json(each)
    else:
        show_failed(found)
