"""Shifts the time of day of each Python process that is started with this folder on its path.

The shift in milliseconds is what the symbolic link named by CHAOS_CLOCK says: one call to read,
and a rename changes it at once in all processes. The product knows nothing of it.
"""

import os
import time

LINK = os.environ["CHAOS_CLOCK"]
_real_ns = time.time_ns


def shifted_ns() -> int:
    shift_ms = int(os.readlink(LINK))  # noqa: PTH115 - a number, no path
    return _real_ns() + shift_ms * 1_000_000


time.time_ns = shifted_ns
