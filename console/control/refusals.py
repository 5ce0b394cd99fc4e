"""Refusals: who was not let in, in the audit log: bounded, whatever is tried and however often.

The first one of an address is noted at once. Those that follow within a minute are counted, and the
same line says then how many. Nothing of the key that was shown is noted, nor whom it was about.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from msgspec import Struct

from actors.errors import OperatorError
from console.journeys.audit import Audit, AuditLine

WINDOW_S: Final = 60.0
ADDRESSES_MAX: Final = 8
"""Told apart at a time. Others are noted together: so at most 18 lines are written a minute, 5 MB
a day, and who tries from many addresses pushes no change out of the log."""
OTHERS: Final = "other addresses"
REFUSED: Final = "refused"
NOBODY: Final = "unknown"
"""In place of a key's name, where none of the keys was shown."""

log = structlog.get_logger()


class Refusal(Struct, frozen=True):
    """A request that was not let in."""

    address: str
    by: str
    """Name of the key that is not for this, or NOBODY."""
    status: int
    about: str
    """What was asked for: method and path, its parts that vary left open."""


class _Window:
    """Refusals of an address since the first one."""

    def __init__(self, first: Refusal, began_s: float) -> None:
        self.first = first
        self.began_s = began_s
        self.count = 1
        self.line: AuditLine | None = None
        self.noted = 0


class Refusals:
    """Notes refusals; used by several threads."""

    def __init__(self, audit: Audit, clock: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._clock = clock
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._windows: dict[tuple[str, str], _Window] = {}
        self._ended: list[_Window] = []

    def add(self, refusal: Refusal) -> bool:
        """Count one; say whether it is the first of its address, and `write` is to be called."""
        with self._lock:
            self._end_old()
            key = refusal.address, refusal.by
            if key not in self._windows and len(self._windows) >= ADDRESSES_MAX:
                key = OTHERS, NOBODY
            window = self._windows.get(key)
            if window is not None:
                window.count += 1
                return False
            address, by = key
            first = Refusal(address, by, refusal.status, refusal.about)
            self._windows[key] = _Window(first, self._clock())
            return True

    def write(self) -> None:
        """Note what is not yet. Waits for the disk; what cannot be noted is in the system's log."""
        with self._writing:
            with self._lock:
                self._end_old()
                windows = [*self._ended, *self._windows.values()]
                self._ended = []
            for window in windows:
                count = window.count
                if count == window.noted:
                    continue
                try:
                    self._note(window, count)
                except (OSError, OperatorError) as error:
                    log.warning("a refusal cannot be noted", error=str(error))

    def _note(self, window: _Window, count: int) -> None:
        first = window.first
        if window.line is None:
            about = f"{first.status} to {first.address}: {first.about}"
            window.line = self._audit.begin(first.by, REFUSED, about, outcome=_words(count))
        else:
            self._audit.end(window.line, _words(count))
        window.noted = count

    def _end_old(self) -> None:
        """Take out the windows that are over, while the lock is held."""
        now_s = self._clock()
        for key, window in list(self._windows.items()):
            if now_s - window.began_s >= WINDOW_S:
                self._ended.append(self._windows.pop(key))


def _words(count: int) -> str:
    return REFUSED if count == 1 else f"{REFUSED} {count:,} times within a minute"
