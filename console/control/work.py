"""Work: what the process of a job is to do, and what it says meanwhile."""

from pathlib import Path
from typing import Final

from msgspec import Struct

from actors.kept.kept import RedisPlace, StorePlace
from actors.settings import RedisSettings
from console.replay.against.comparison import Question, Variant
from console.replay.against.reign import States
from engine.limits import FAR_MS

SUMMARY: Final = "summary.json"
PAGE: Final = "page.html"
DIFFERENCES: Final = "differences.jsonl"
OUTCOMES: Final = "outcomes.jsonl"
EVENTS: Final = "events.jsonl"
"""Files in the folder that a job is told: what it leaves, the first always; and what it folds."""
RESULT_BYTES_MAX: Final = 64 << 20
"""Of each of them."""


class Place(Struct, kw_only=True):
    """Where a job reads and writes."""

    data: str
    key_file: str
    out: str
    """Folder for what it came to, and for all that it needs meanwhile."""
    redis: RedisSettings | None = None
    """Of a cluster's store; then only its key may be in `data`."""
    archive: str = ""

    @property
    def store(self) -> StorePlace:
        """Where the store is."""
        if self.redis is None:
            return self.folder
        return RedisPlace(redis=self.redis, archive=self.archive, data=self.folder)

    @property
    def folder(self) -> Path:
        """The store's folder."""
        return Path(self.data)

    @property
    def key(self) -> Path | None:
        """The file of the store's key, where it was named."""
        return Path(self.key_file) if self.key_file else None


class Comparing(Struct, kw_only=True, tag="replay"):
    """Drafts are to be compared with what went out."""

    place: Place
    variants: list[Variant]
    states: States
    from_ms: int
    until_ms: int
    within_ms: int
    bytes_max: int
    """Of the differences that are kept."""

    def question(self) -> Question:
        """Return what is to be compared; one process for it: the shards need the others."""
        return Question(
            data=self.place.store,
            key_file=self.place.key,
            variants=self.variants,
            states=self.states,
            from_ms=self.from_ms,
            until_ms=self.until_ms or FAR_MS,
            within_ms=self.within_ms,
            processes=1,
        )


class Reading(Struct, kw_only=True, tag="outcomes"):
    """What went out is to be read."""

    place: Place
    until_ms: int
    bytes_max: int
    """Of the outcomes that are kept."""


class Folding(Struct, kw_only=True, tag="events"):
    """EVENTS are to be folded in simulated time."""

    place: Place
    source: bytes
    """Of what is in force then."""
    consent_all: bool
    """Whether every contact opts in first."""
    bytes_max: int
    """Of the outcomes that are kept."""


class Verifying(Struct, kw_only=True, tag="verify"):
    """The store is to be verified."""

    place: Place


Work = Comparing | Reading | Folding | Verifying


class JobLine(Struct):
    """What the process of a job says, a line of JSON each."""

    share: float = 0.0
    refusal: str = ""
    kept: int | None = None
    """Of differences or outcomes, how many were written, where that is not all of them."""
