"""The command `anlass move-store`: brings a stopped store from files to Redis, or back."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from actors.errors import OperatorError
from actors.relocation.relocation import STEPS, Places, Relocated, move_to_files, move_to_redis
from actors.settings import SHARDS_MAX
from console.options import (
    ArchiveUrl,
    AsJson,
    Data,
    KeyFile,
    Redis,
    RedisCa,
    RedisMode,
    RedisPrefix,
    archive_url,
    print_json,
    redis_settings,
)
from console.screen import console, progress_bar

Target = Annotated[Literal["redis", "files"], typer.Option("--to", help="Where it is to be.")]
Shards = Annotated[
    int, typer.Option(min=0, max=SHARDS_MAX, help="In files; 0: as many as there are slots.")
]
Dead = Annotated[
    bool, typer.Option("--dead", help="Its processes ended without `anlass stop`; none lives.")
]


def move_store(  # noqa: PLR0913, PLR0917 - the options of a command
    to: Target,
    data: Data = Path("data"),
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    redis_mode: RedisMode = "strict",
    archive: ArchiveUrl = "",
    shards: Shards = 0,
    dead: Dead = False,  # noqa: FBT002
    key_file: KeyFile = None,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Bring a stopped store from files to Redis, or from Redis to files, and compare the two.

    Where it was it counts no more, but nothing of it is removed. After a crash, say it again.
    """
    if not redis:
        raise OperatorError("say where the store in Redis is, or is to be: --redis URL")
    if to == "redis" and (shards or dead):
        raise OperatorError("--shards and --dead are for --to files; leave them out")
    places = Places(
        data=data,
        redis=redis_settings(redis, redis_prefix, redis_mode, redis_ca),
        archive=archive_url(archive, data),
        key_file=key_file,
    )
    with progress_bar("partitions") as bar:
        task = bar.add_task(f"to {to}", total=STEPS, rate=0.0)

        def progress(count: int) -> None:
            bar.advance(task, count)

        if to == "redis":
            moved = move_to_redis(places, progress)
        else:
            moved = move_to_files(places, progress, shards=shards, dead=dead)
    if json:
        print_json(moved)
    else:
        console.print(_words(moved, to), highlight=False, soft_wrap=True)


def _words(moved: Relocated, to: str) -> str:
    text = (
        f"The store is in {to}: {moved.contacts:,} contacts in {moved.shards} shards, equal to what"
        f" was, and {moved.records:,} records of history."
    )
    if moved.same_logs:
        return text
    return f"{text} New logs begin; what was before is in `earlier/`, and told as well."
