"""Options that several commands share, and how a command prints JSON."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import orjson
import typer

from actors.errors import OperatorError
from actors.kept.kept import RedisPlace, StorePlace
from actors.settings import ClusterSettings, RedisSettings

Consent = Literal["asked", "all"]

Journeys = Annotated[Path, typer.Option(help="Folder of journeys, templates and anlass.yaml.")]
Data = Annotated[Path, typer.Option(help="Folder of the store.")]
KeyFile = Annotated[
    Path | None, typer.Option(help="The store's key, if neither in its folder nor in the variable.")
]
Redis = Annotated[
    str,
    typer.Option(
        envvar="ANLASS_REDIS", help="Store of a cluster: redis://, rediss:// (TLS) or unix://."
    ),
]
RedisMode = Annotated[
    Literal["strict", "relaxed"],
    typer.Option(help="`relaxed`: a server that makes writes durable each second will do."),
]
RedisPrefix = Annotated[str, typer.Option(help="All keys in Redis begin with it.")]
RedisCa = Annotated[
    Path | None, typer.Option(help="Of who signed the server's certificate, if not known here.")
]
ArchiveUrl = Annotated[
    str,
    typer.Option(
        "--archive", help="Of a store in Redis: a folder or s3://...; else `archive` in --data."
    ),
]
Keys = Annotated[
    Path | None,
    typer.Option("--keys", help="Folder of this host's certificate; see `anlass keys`."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON instead of tables.")]
Format = Annotated[str, typer.Option(help="canonical, rees46, d2c, w1, or auto.")]
ConsentOption = Annotated[
    Consent, typer.Option(help="`all`: every contact counts as double opted in.")
]


def print_json(report: Any) -> None:
    """Print a Struct, or what is made of Structs, as a line of JSON."""
    sys.stdout.write(orjson.dumps(msgspec.to_builtins(report, str_keys=True)).decode() + "\n")


def redis_settings(
    url: str,
    prefix: str = "anlass",
    mode: Literal["strict", "relaxed"] = "strict",
    ca: Path | None = None,
    replicas: int = 0,
) -> RedisSettings:
    """Return the settings of a store in Redis, as options name it."""
    ca_file = str(ca.absolute()) if ca else ""
    return RedisSettings(url=url, prefix=prefix, mode=mode, ca_file=ca_file, replicas=replicas)


def store_place(
    data: Path,
    redis: str,
    prefix: str,
    ca: Path | None,
    archive: str,
    keys: Path | None = None,
) -> StorePlace:
    """Return where a store is, as options name it: in files unless there is a server."""
    if not redis:
        return data
    settings = redis_settings(redis, prefix, ca=ca)
    return RedisPlace(redis=settings, archive=archive_url(archive, data), data=data, keys=keys)


def archive_url(archive: str, data: Path) -> str:
    """Return where the archive of a store in Redis is, as options name it."""
    return archive or (data.absolute() / "archive").as_uri()


def cluster_settings(
    redis: RedisSettings, data: Path, archive: str, address: str, keys: Path | None
) -> ClusterSettings | None:
    """Return the settings of a cluster, as options name it; None without a server's URL.

    Raises OperatorError.
    """
    if not redis.url:
        if address:
            raise OperatorError("--address joins a cluster, whose store is in Redis; say --redis")
        return None
    if address.startswith("ray://"):
        text = f"--address {address} is of the Ray client, which is far too slow for this"
        raise OperatorError(f"{text}; run `ray start` on this machine too, and say HOST:PORT")
    if address and not archive:
        text = "machines of a cluster share the archive: say --archive"
        raise OperatorError(f"{text}, a folder that all see, or s3://...")
    return ClusterSettings(
        redis=redis,
        archive=archive_url(archive, data),
        keys=str(keys.absolute()) if keys else "",
    )
