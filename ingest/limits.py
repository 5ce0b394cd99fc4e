"""Every bound of the gateway, and how the bounds relate."""

from typing import Final

BODY_BYTES_MAX: Final = 5 << 20
HEADERS_BYTES_MAX: Final = 32 << 10
EVENTS_PER_REQUEST_MAX: Final = 10_000

KEY_CHARS_MAX: Final = 256
"""Of an event's id, `contact` and `anonymous`."""

NAME_CHARS_MAX: Final = 128
PAYLOAD_BYTES_MAX: Final = 32 << 10
PAYLOAD_DEPTH_MAX: Final = 32
"""A shard decodes with a call per level; far below its recursion limit nothing can surprise it."""

LISTS_PER_EVENT_MAX: Final = 100
"""Static lists that one `identify` may put its contact on or take it off."""

AT_MS_MIN: Final = 946_684_800_000
AT_MS_MAX: Final = 4_102_444_800_000
"""2000-01-01 to 2100-01-01: seconds sent as milliseconds, or microseconds, fall outside."""

FRAMES_IN_FLIGHT_MAX: Final = 2
SECOND_FRAME_EVENTS_MIN: Final = 64
BUSY_FRAME_EVENTS: Final = 8
FRAME_EVENTS_MAX: Final = 512
FRAME_BYTES_MAX: Final = 1 << 20
EVENT_HEAD_BYTES: Final = 128
"""What an event is taken to weigh in a frame beside its payload."""

LANE_EVENTS_MIN: Final = FRAMES_IN_FLIGHT_MAX * FRAME_EVENTS_MAX
"""A lane takes this many events however slow its shard is: it keeps full frames in flight, and a
hiccup of the disk makes nobody come back."""

DETOUR_EVENTS_MAX: Final = 1_024
"""Events held of one partition that moves: that takes less than a tenth of a second, as a rule."""

PACE_MEMORY_S: Final = 0.25
"""How fast the pace of a shard follows what it does now."""

PIPELINED_BYTES: Final = 512
"""What a request weighs that waits behind another one of its connection, beside its body."""

TURNED_AWAY_MAX: Final = 256
"""Connections over the bound that are told so at a time; more are closed without a word."""

FILES_SPARE: Final = 512
"""Open files beside connections: those turned away, links, logs, Ray's own."""

MEMORY_FREE_RATIO: Final = 0.95
"""Once its memory was full, the gateway takes events again below this part of the watermark."""

HELD_S: Final = 3.0
"""A connection is held for so long where no room comes before: with the time on a lane less than
the 5 s after which impatient senders give up."""

HELD_TURN_S: Final = 0.005
"""How often it is looked whether there is room again for those held."""

HELD_AT_ONCE: Final = 64
"""So many go on at a time, at most: thousands are spread."""

RECONNECT_S_MIN: Final = 0.01
RECONNECT_S_MAX: Final = 1.0
RETRY_AFTER_S_MAX: Final = 30
LINGER_S: Final = 2.0
"""A refused sender has this long to read why; meanwhile what it still sends is thrown away."""

assert TURNED_AWAY_MAX < FILES_SPARE
assert PAYLOAD_BYTES_MAX + EVENT_HEAD_BYTES < FRAME_BYTES_MAX < BODY_BYTES_MAX
