"""The command `anlass verify`: reads all that a store holds, and says what is wrong with it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from actors.store.key import store_key
from actors.store.redis_server import redacted
from actors.verify.files import bytes_to_read, verify_store
from actors.verify.finding import Counts, Finding
from actors.verify.redis import verify_redis
from console.options import (
    ArchiveUrl,
    AsJson,
    KeyFile,
    Redis,
    RedisCa,
    RedisPrefix,
    archive_url,
    print_json,
    redis_settings,
)
from console.screen import console, errors, size_words


class Verified(Struct, kw_only=True):
    """What a verification came to."""

    folder: str
    equal: bool
    """Whether nothing is damaged, and folding again gave what the snapshots hold."""
    counts: Counts
    findings: list[Finding]


def verify(
    data: Annotated[
        Path, typer.Argument(help="Folder of the store, or of this machine's part.", metavar="DIR")
    ] = Path("data"),
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    key_file: KeyFile = None,
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Read all of a store, check it, fold it again and compare; exit 1 where it is not as written.

    Nothing is written. The system may run meanwhile.
    """
    counts = Counts()
    findings = []
    total = None if redis else bytes_to_read(data)
    with _bar() as bar:
        task = bar.add_task("verify", total=total)

        def progress(size: int) -> None:
            bar.advance(task, size)

        if redis:
            settings = redis_settings(redis, redis_prefix, ca=redis_ca)
            found = verify_redis(settings, archive_url(archive, data), data, key_file, counts)
        else:
            found = verify_store(data, store_key(data, key_file), counts, progress)
        for finding in found:
            findings.append(finding)
            if not json:
                bar.console.print(_line(finding), soft_wrap=True, highlight=False)
    equal = not any(finding.damage for finding in findings)
    verified = Verified(
        folder=redacted(redis) or str(data), equal=equal, counts=counts, findings=findings
    )
    if json:
        print_json(verified)
    else:
        show_verified(verified)
    if not equal:
        raise typer.Exit(1)


def show_verified(verified: Verified) -> None:
    """Print what was read and compared, and how it ended; findings were shown as they came."""
    counts = verified.counts
    read = f"{counts.files:,} files, {size_words(counts.bytes)}, {counts.blocks:,} blocks"
    held = f"{counts.frames:,} frames of {counts.records:,} records"
    snapshots = f"{counts.snapshots:,} snapshots of {counts.rows:,} contacts"
    compared = f"{counts.contacts_compared:,} contacts of {counts.partitions_compared:,} partitions"
    for text in (
        f"read      {read}: {held}, {snapshots}",
        f"refolded  {counts.refolded:,} records; {compared} compared with their newest snapshots",
    ):
        console.print(text, highlight=False, soft_wrap=True)
    damaged = sum(finding.damage for finding in verified.findings)
    if damaged:
        console.print(f"[red]{damaged:,} places are not as they should be[/red]", highlight=False)
    elif counts.partitions_compared:
        console.print("[green]all of it is as it was written, and equal[/green]")
    else:
        console.print("all of it is as it was written; there was no snapshot to compare with")


def _line(finding: Finding) -> str:
    return f"[red]{escape(words(finding))}[/red]" if finding.damage else escape(words(finding))


def words(finding: Finding) -> str:
    """Return a finding in a line: where, then what."""
    named: Iterable[tuple[str, object]] = (
        ("", finding.file or None),
        ("byte ", finding.byte),
        ("shard ", None if finding.file else finding.shard),
        ("partition ", finding.partition),
        ("contact ", finding.contact),
    )
    where = ", ".join(f"{name}{value}" for name, value in named if value is not None)
    return f"{where}: {finding.text}"


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=errors,
        transient=True,
    )
