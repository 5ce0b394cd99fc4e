"""Bounds of a shard, its pace, and what it says where one is hit."""

from typing import Final

SLICE_INPUTS_MAX: Final = 128
SLICE_NS_MAX: Final = 1_000_000
"""A slice ends after so many inputs or 1 ms, so that the commit thread gets its turn."""

FRAMES_UNCOMMITTED_MAX: Final = 4
INBOX_REQUESTS_MAX: Final = 16_384
"""Of all links together: a gateway has two in flight, a courier at most one for each message that
it tries again (10,000): none of them ever meets this bound."""

LINKS_MAX: Final = 256
HANDSHAKES_MAX: Final = 64
"""Connections by TCP that prove at the same time who they are."""

FULL: Final = "the shard's inbox is full; try again later"
TICK_S: Final = 0.01
"""How often timers are looked after: what is due waits 10 ms at most."""

INBOX_SHORT: Final = 1
"""With more requests waiting than this, a capture for a snapshot waits too, for a while."""

SETTLE_S: Final = 2.0
"""How long a shard that is drained waits for receipts of what couriers have."""

STOPPING: Final = "the shard stops"
