"""Verify of partitions that moved between slots: each must go on in one where it left another."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from msgspec.structs import replace

from actors.errors import LogCorruptError
from actors.kept.joined import moved_here
from actors.kept.stays import Stays
from actors.relocation.chronicle import Chronicle, earlier_chronicles
from actors.relocation.files import BEGIN
from actors.store.archive import ARCHIVE_FOLDER, archive_bytes, archive_files
from actors.store.earlier import EARLIER
from actors.store.manifest import shard_folder
from actors.verify.finding import Counts, Finding


def read_stays(histories: Iterable[Chronicle], stays: Stays, counts: Counts) -> Iterator[Finding]:
    """Read all histories; `stays` gets, by partition, where its records are."""
    for history in histories:
        follows: int | None = None
        try:
            for frame in history.frames():
                if follows is not None and frame.position != follows:
                    text = f"the log goes on at position {frame.position}, not {follows}"
                    yield Finding(text=text, shard=history.slot)
                follows = frame.position + len(frame.records)
                counts.frames += 1
                counts.records += len(frame.records)
                stays.note(history.slot, frame)
        except LogCorruptError as error:
            yield Finding(text=str(error), shard=history.slot)


def check_stays(stays: Stays) -> Iterator[Finding]:
    """Say where a partition does not go on in one slot where it left another.

    Not where something is missing between, and some slot's oldest records went by their age.
    """
    stays.sort()
    pruned = any(first > BEGIN for first in stays.firsts.values())
    for number, found in enumerate(stays.found):
        for before, after in pairwise(found):
            if after.first == before.last + 1 and after.opened:
                continue
            if pruned and after.first > before.last + 1:
                continue
            text = f"input {after.first} in slot {after.slot} follows input {before.last} in slot"
            yield Finding(text=f"{text} {before.slot}", shard=after.slot, partition=number)


def verify_earlier(
    data: Path, shards: int, key: bytes | None, counts: Counts, progress: Callable[[int], None]
) -> Iterator[Finding]:
    """Verify what a store in files keeps of its time in Redis, and that its logs go on there.

    `progress` is told bytes, as many as there are.
    """
    chronicles = earlier_chronicles(data, key)
    stays = Stays()
    broken = False
    for each in chronicles:
        for finding in read_stays([each], stays, counts):
            broken = True
            place = f"{EARLIER}/shard-{each.slot}"
            yield replace(finding, text=f"{place}: {finding.text}", shard=None)
        archive = each.folder / ARCHIVE_FOLDER
        size = archive_bytes(archive)
        counts.files += len(archive_files(archive))
        counts.bytes += size
        progress(size)
    if broken or not chronicles:
        return
    behind = chronicles[-1].slot + 1
    for slot in range(shards):
        if (begin := moved_here(shard_folder(data, slot), key)) is not None:
            stays.note(behind + slot, begin)
    for finding in check_stays(stays):
        text = f"{EARLIER}/: {finding.text}, where slots from {behind} on are the shards of now"
        yield replace(finding, text=text, shard=None)
