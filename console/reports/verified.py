"""Verified: what reading all of a store, and folding it again, came to."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from actors.store.key import store_key
from actors.verify.files import verify_store
from actors.verify.finding import Counts, Finding


class Verified(Struct, kw_only=True):
    """What a verification came to."""

    folder: str
    equal: bool
    """Whether nothing is damaged, and folding again gave what the snapshots hold."""
    counts: Counts
    findings: list[Finding]


def verified_of(
    data: Path,
    key_file: Path | None,
    progress: Callable[[int], None],
    found: Callable[[Finding], None] = lambda _: None,
) -> Verified:
    """Verify a store in files; `progress` is told bytes, `found` each finding as it comes.

    Raises OperatorError.
    """
    counts, findings = Counts(), []
    for finding in verify_store(data, store_key(data, key_file), counts, progress):
        findings.append(finding)
        found(finding)
    return said_of(str(data), counts, findings)


def said_of(where: str, counts: Counts, findings: list[Finding]) -> Verified:
    """Return what a verification came to."""
    equal = not any(finding.damage for finding in findings)
    return Verified(folder=where, equal=equal, counts=counts, findings=findings)
