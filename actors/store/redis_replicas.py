"""Replicas: how many must have what was written, and on their disks, before it is acknowledged."""

from typing import Any, Final

from actors.settings import RedisSettings
from actors.store.port import StoreLostError

ASKS_OF_DISKS: Final = ("WAITAOF", 0, 0, 0)
"""Waits for nothing: an error where the server does not know it (before 7.2), or the user may not.
"""

WAIT_SHARE: Final = 0.4
"""Of the time for an answer, each of two waits gets so much."""


def waits_of(settings: RedisSettings, *, disks: bool) -> list[tuple[str | int, ...]]:
    """Return the commands that wait behind a write; with `disks` the server can ask for these.

    Replicas are asked for what is on their disks once they have it in memory: asked with the write
    itself, they answer before they have synced it, and not again within a second (measured with
    Valkey 9.1: 1,000 ms for an append, and 0.4 ms so).
    """
    count, wait_ms = settings.replicas, int(settings.timeout_s * 1000 * WAIT_SHARE)
    if not count:
        return []
    waits: list[tuple[str | int, ...]] = [("WAIT", count, wait_ms)]
    if disks and settings.mode == "strict":
        waits.append(("WAITAOF", 1, count, wait_ms))
    return waits


def check_waits(name: str, settings: RedisSettings, answers: list[Any]) -> None:
    """Check what the waits answered. Raises StoreLostError where too few have what was written."""
    wanted = settings.replicas
    for answer in answers:
        if isinstance(answer, int):
            if answer < wanted:
                text = f"{answer} of {wanted} replicas have what was written to {name}"
                raise StoreLostError(f"{text}; look after the others")
            continue
        own, theirs = answer
        if own < 1 or theirs < wanted:
            text = f"{theirs} of {wanted} replicas have what was written to {name} on their disks"
            text = f"{text}, and {name} has{'' if own else ' not'}; all must have appendonly yes"
            raise StoreLostError(f"{text} and appendfsync always")
