"""Certificates for tests: a cluster's authority in a folder, and what it has issued."""

from pathlib import Path

from actors.clock import WallClock
from actors.links.authority import Authority
from actors.links.certificate import ROLES
from actors.links.credentials import Credentials
from engine.limits import DAY_MS


def authority(folder: Path, days_ago: int = 0) -> Authority:
    """Return the authority of a folder, made if there is none, as of so many days ago."""
    now_ms = WallClock().read() - days_ago * DAY_MS
    if (folder / "ca.pem").exists():
        return Authority(folder, None, now_ms)
    return Authority.make(folder, None, now_ms)


def credentials(
    folder: Path, name: str = "cluster", *roles: str, hosts: tuple[str, ...] = (), days: int = 30
) -> Credentials:
    """Return credentials of a folder's authority; of all roles, unless some are said."""
    return Credentials(authority(folder).issue(name, roles or ROLES, hosts, days))


def ended_credentials(folder: Path, name: str = "ended", *roles: str) -> Credentials:
    """Return credentials that held until yesterday."""
    return Credentials(authority(folder, days_ago=31).issue(name, roles or ROLES, (), 30))
