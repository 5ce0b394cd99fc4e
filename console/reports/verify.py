"""The command `anlass verify`: reads all that a store holds, and says what is wrong with it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from actors.settings import RedisSettings
from actors.store.redis_server import redacted
from actors.verify.files import bytes_to_read
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
from console.remote.client import Control, ControlClient, ControlKeyOption
from console.remote.job import done_there
from console.reports.verified import Verified, said_of, verified_of
from console.screen import console, errors, size_words


def verify(  # noqa: PLR0913, PLR0917 - the options of a command
    data: Annotated[
        Path | None,
        typer.Argument(help="Folder of the store, or of this machine's part.", metavar="[DIR]"),
    ] = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    key_file: KeyFile = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Read all of a store, check it, fold it again and compare; exit 1 where it is not as written.

    Nothing is written. The system may run meanwhile. With --control and no DIR: the system's there.
    """
    folder = data or Path("data")
    if redis:
        settings = redis_settings(redis, redis_prefix, ca=redis_ca)
        verified = _verified_redis(
            settings, archive_url(archive, folder), folder, key_file, json=json
        )
    elif control and data is None:
        job = done_there(ControlClient(control, control_key), "/v1/verifications")
        verified = msgspec.convert(job.summary, Verified)
        for finding in () if json else verified.findings:
            errors.print(_line(finding), soft_wrap=True, highlight=False)
    else:
        verified = _verified_files(folder, key_file, json=json)
    if json:
        print_json(verified)
    else:
        show_verified(verified)
    if not verified.equal:
        raise typer.Exit(1)


def _verified_files(data: Path, key_file: Path | None, *, json: bool) -> Verified:
    total = bytes_to_read(data)
    with _bar() as bar:
        task = bar.add_task("verify", total=total)

        def found(finding: Finding) -> None:
            if not json:
                bar.console.print(_line(finding), soft_wrap=True, highlight=False)

        return verified_of(data, key_file, lambda size: bar.advance(task, size), found)


def _verified_redis(
    settings: RedisSettings, archive: str, data: Path, key_file: Path | None, *, json: bool
) -> Verified:
    counts, findings = Counts(), []
    with _bar() as bar:
        bar.add_task("verify", total=None)
        for finding in verify_redis(settings, archive, data, key_file, counts):
            findings.append(finding)
            if not json:
                bar.console.print(_line(finding), soft_wrap=True, highlight=False)
    return said_of(redacted(settings.url), counts, findings)


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
