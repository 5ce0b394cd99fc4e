"""The time of day of all processes of a world, which a test can let jump."""

import os
import time
from pathlib import Path

FOLDER = Path(__file__).parent / "shifted"


class ShiftedClock:
    """Says by how much the time of day is shifted, to processes started with `environment`."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self.shift_ms = 0
        self.latest_ms = 0
        """The latest time of day that any process can have seen before the last jump."""
        os.symlink("0", link)  # noqa: PTH211 - the text is a number, no path

    @property
    def environment(self) -> dict[str, str]:
        paths = [str(FOLDER), os.environ.get("PYTHONPATH", "")]
        return {
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "CHAOS_CLOCK": str(self._link),
        }

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.shift_ms

    def jump(self, by_ms: int) -> None:
        """Let all processes' time of day jump forward, or back."""
        new = self._link.with_suffix(".new")
        os.symlink(str(self.shift_ms + by_ms), new)  # noqa: PTH211
        new.rename(self._link)
        self.latest_ms = max(self.latest_ms, self.now_ms())
        self.shift_ms += by_ms
