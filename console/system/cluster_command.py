"""`anlass scale`, `restart` and `stop`: what an operator wants of a cluster, written to its store.

None of them starts Ray: the Controller finds it in the store at its next look, a moment later, also
where it is being started again just now.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec import Struct

from actors.control.charter import Charter, stop_shards
from actors.control.roster import Roster
from actors.control.spread import partitions_to_move
from actors.errors import OperatorError
from actors.map import ClusterMap
from actors.running import running_system
from actors.settings import SHARDS_MAX
from console.options import (
    AsJson,
    Redis,
    RedisCa,
    RedisPrefix,
    print_json,
    redis_settings,
)
from console.screen import console, progress_bar

LOOK_S: Final = 0.1
PATIENCE_S: Final = 120.0
"""Without any progress for so long, a command says so and ends; the cluster goes on."""

DataOfOne = Annotated[
    Path | None, typer.Option(help="Folder of a store of one machine: those cannot grow.")
]
Rolling = Annotated[
    bool, typer.Option("--rolling", help="One shard after the other; nothing is refused.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until it is done.")]


class Done(Struct, kw_only=True):
    """What a command has brought about."""

    shards: int
    moved: int
    """Partitions that have another slot than before."""
    took_s: float


def scale(
    shards: Annotated[int, typer.Argument(min=1, max=SHARDS_MAX, help="How many there shall be.")],
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    data: DataOfOne = None,
    wait: Wait = True,  # noqa: FBT002
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Let a running cluster have more or fewer shards; partitions move one by one."""
    charter = _charter(redis, redis_prefix, redis_ca, data, "scale")

    def want(roster: Roster) -> None:
        roster.wanted = shards

    def left(roster: Roster, told: ClusterMap) -> int:
        """Of partitions, and of shards that are not there yet or still are."""
        away = sum(post.leaving for post in roster.posts.values())
        missing = max(0, shards - len(roster.live()))
        return partitions_to_move(told.owners, _homes(roster), shards) + away + missing

    _carry_out(charter, want, left, "partitions to move", wait=wait, json=json)


def restart(
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    data: DataOfOne = None,
    rolling: Rolling = False,  # noqa: FBT002
    wait: Wait = True,  # noqa: FBT002
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Replace all shards of a running cluster by fresh ones, with the code that is there now."""
    if not rolling:
        raise OperatorError("say --rolling; to end all at once, use `anlass stop`, and start again")
    charter = _charter(redis, redis_prefix, redis_ca, data, "restart")
    generation = charter.read()[0].generation + 1

    def want(roster: Roster) -> None:
        roster.generation = max(roster.generation, generation)

    def left(roster: Roster, _: ClusterMap) -> int:
        return sum(post.generation < generation for post in roster.posts.values()) + sum(
            post.leaving for post in roster.posts.values()
        )

    _carry_out(charter, want, left, "shards to replace", wait=wait, json=json)


def stop(
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """End a whole cluster in good order: gateways first, then shards, with snapshots of all."""
    charter = _charter(redis, redis_prefix, redis_ca, None, "stop")

    def left(roster: Roster, _: ClusterMap) -> int:
        return len(roster.posts)

    _carry_out(charter, None, left, "shards to stop", wait=True, json=json)


def _charter(url: str, prefix: str, ca: Path | None, data: Path | None, what: str) -> Charter:
    if data is not None:
        running = " that runs" if data.exists() and running_system(data) else ""
        text = f"the store {data}{running} is in files, and has the shards it was made with"
        raise OperatorError(f"{text}; `anlass move-store` brings it to Redis")
    if not url:
        raise OperatorError(f"`anlass {what}` is for a cluster; say where its store is: --redis")
    return Charter(redis_settings(url, prefix, ca=ca))


def _carry_out(
    charter: Charter,
    want: Callable[[Roster], None] | None,
    left: Callable[[Roster, ClusterMap], int],
    words: str,
    *,
    wait: bool,
    json: bool,
) -> None:
    roster, before = charter.read()
    if not roster.posts:
        raise OperatorError("no shard of this cluster runs; start it with `anlass run --redis`")
    began = time.monotonic()
    if want is None:
        stop_shards(charter)
    else:
        charter.change(want)
    told, roster = before, charter.read()[0]
    if wait:
        roster, told = _watched(charter, left, words)
    moved = sum(was != now for was, now in zip(before.owners, told.owners, strict=True))
    done = Done(shards=len(roster.posts), moved=moved, took_s=round(time.monotonic() - began, 2))
    if json:
        print_json(done)
    elif wait:
        text = f"{done.shards} shards, {done.moved} partitions moved, {done.took_s:.1f} s"
        console.print(text, highlight=False)
    else:
        console.print("It is written down; `anlass status` shows how far it is.")


def _watched(
    charter: Charter, left: Callable[[Roster, ClusterMap], int], words: str
) -> tuple[Roster, ClusterMap]:
    """Look until nothing is left to do. Raises OperatorError where nothing goes on."""
    roster, told = charter.read()
    most = count = left(roster, told)
    began = since = time.monotonic()
    with progress_bar(words.split(maxsplit=1)[0]) as bar:
        task = bar.add_task(words, total=most or None, rate=0.0)
        while count:
            time.sleep(LOOK_S)
            roster, told = charter.read()
            now, most = left(roster, told), max(most, left(roster, told))
            if now != count:
                since = time.monotonic()
            elif time.monotonic() - since > PATIENCE_S:
                text = f"{now} {words}, and none for {PATIENCE_S:.0f} s"
                raise OperatorError(f"{text}; `anlass status` says what is in the way")
            count = now
            rate = (most - count) / (time.monotonic() - began)
            bar.update(task, total=most, completed=most - count, rate=rate)
    return roster, told


def _homes(roster: Roster) -> list[int]:
    return [post.home for post in roster.live().values()]
