"""Opens what a store keeps, by where it is."""

from pathlib import Path

from actors.kept.files import KeptFiles
from actors.kept.kept import Kept, StorePlace
from actors.kept.redis import KeptRedis


def open_kept(place: StorePlace, key_file: Path | None = None) -> Kept:
    """Return what a store keeps. Raises OperatorError where there is none, or it lacks its key."""
    if isinstance(place, Path):
        return KeptFiles(place, key_file)
    return KeptRedis(place, key_file)
