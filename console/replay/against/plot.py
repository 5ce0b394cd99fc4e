"""Plot: what a comparison comes to, drawn as SVG: courses in time, bars and heat."""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from html import escape
from math import log10
from typing import Final

from msgspec import Struct

from console.replay.against.sums import HOUR_MS

WIDTH: Final = 1000
SLOTS_MAX: Final = 120
SPANS_H: Final = (1, 2, 3, 6, 12, 24, 48, 7 * 24, 28 * 24)
"""Hours that one slot of a course may stand for."""
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LABEL_WIDTH: Final = 430
TICK_WIDTH: Final = 80

Hours = list[list[int]]
"""Each the moment an hour begins, in epoch milliseconds, and two counts: real, draft."""


class Bar(Struct, frozen=True):
    """One bar of a chart: what it stands for, its kind's class, how long it is."""

    label: str
    kind: str
    count: int


def course(hours: Hours, from_ms: int, until_ms: int, zone: tzinfo) -> str:
    """Draw messages over time: what went out as an area, what the draft sends as a line."""
    span = slot_ms(from_ms, until_ms)
    first = from_ms // span
    slots = max(1, until_ms // span - first + 1)
    real, draft = [0] * slots, [0] * slots
    for at_ms, its_real, its_draft in hours:
        slot = min(max(at_ms // span - first, 0), slots - 1)
        real[slot] += its_real
        draft[slot] += its_draft
    left, top, height = 52, 12, 150
    top_count = nice_top(max(*real, *draft, 1))
    width = (WIDTH - left - 8) / slots
    parts = []
    for share in (0, 0.5, 1):
        y = top + height * (1 - share)
        parts.append(f'<line class="rule" x1="{left}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        count = top_count * share
        label = f"{count:,.0f}" if count == int(count) else f"{count:,.1f}"
        parts.append(f'<text class="end" x="{left - 8}" y="{y + 4:.1f}">{label}</text>')
    for counts, kind in ((real, "real"), (draft, "draft")):
        points = _outline(counts, left, width, top + height, height / top_count)
        bottom = top + height
        line = (
            f"M{left},{bottom}" + "".join(points) + f"V{bottom}Z"
            if kind == "real"
            else ("M" + "".join(points)[1:])
        )
        parts.append(f'<path class="{kind}" d="{line}"/>')
    for slot in range(slots):
        moment = _moment((first + slot) * span, zone, span)
        said = f"{moment}: {real[slot]:,} went out, the draft sends {draft[slot]:,}"
        x = left + slot * width
        parts.append(
            f'<rect x="{x:.1f}" y="{top}" width="{width:.2f}" height="{height}" fill="transparent">'
            f"<title>{escape(said)}</title></rect>"
        )
    every = max(1, -(-slots // 8))
    for slot in range(0, slots, every):
        x = left + slot * width
        moment = _moment((first + slot) * span, zone, span)
        if x < WIDTH - TICK_WIDTH:
            parts.append(f'<text x="{x:.1f}" y="{top + height + 20}">{escape(moment)}</text>')
    return _svg(top + height + 30, parts, "messages over time")


def bars(rows: Iterable[Bar]) -> str:
    """Draw one bar a row, the label at its left, the count at its end."""
    rows = list(rows)
    most = max([abs(row.count) for row in rows] or [1])
    room = WIDTH - LABEL_WIDTH - 90
    parts = []
    for i, row in enumerate(rows):
        y = i * 28
        length = max(2.0, room * abs(row.count) / most) if row.count else 0
        words = escape(_cut(row.label, 62))
        parts.append(f'<text class="label" x="0" y="{y + 18}">{words}</text>')
        parts.append(
            f'<rect class="{row.kind}" x="{LABEL_WIDTH}" y="{y + 5}" width="{length:.1f}" '
            f'height="18" rx="4"><title>{escape(row.label)}: {row.count:,}</title></rect>'
        )
        parts.append(f'<text x="{LABEL_WIDTH + length + 8:.1f}" y="{y + 18}">{row.count:,}</text>')
    return _svg(len(rows) * 28 + 4, parts, "differences by reason")


def heat(hours: Iterable[list[int]], zone: tzinfo, *, change: bool) -> str:
    """Draw messages by weekday and hour: those that went out, or how many the draft has more."""
    counts = heat_of(hours, zone)
    values = [[draft - real if change else real for real, draft in row] for row in counts]
    most = max(abs(value) for row in values for value in row) or 1
    left, size, tall = 44, (WIDTH - 44) / 24, 24
    parts = []
    for day, row in enumerate(values):
        y = day * tall
        parts.append(f'<text class="end" x="{left - 8}" y="{y + 17}">{WEEKDAYS[day]}</text>')
        for hour, value in enumerate(row):
            kind = ("is-more" if value > 0 else "is-fewer") if change else "draft"
            shade = 0.15 + 0.85 * abs(value) / most
            look = f'{kind}" opacity="{shade:.2f}' if value else "nothing"
            number = f"{value:+,}" if change else f"{value:,}"
            said = f"{WEEKDAYS[day]} {hour:02}:00 to {hour + 1:02}:00: {number}"
            parts.append(
                f'<rect class="cell {look}" x="{left + hour * size:.1f}" y="{y}" '
                f'width="{size:.1f}" height="{tall}" rx="5"><title>{said}</title></rect>'
            )
    for hour in range(0, 24, 3):
        x = left + hour * size + 4
        parts.append(f'<text x="{x:.1f}" y="{7 * tall + 18}">{hour:02}</text>')
    return _svg(7 * tall + 26, parts, "messages by weekday and hour")


def heat_of(hours: Iterable[list[int]], zone: tzinfo) -> list[list[list[int]]]:
    """Return by weekday and hour how many messages went out, and how many the draft sends."""
    counts = [[[0, 0] for _ in range(24)] for _ in WEEKDAYS]
    for at_ms, real, draft in hours:
        at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
        cell = counts[at.weekday()][at.hour]
        cell[0] += real
        cell[1] += draft
    return counts


def slot_ms(from_ms: int, until_ms: int) -> int:
    """Return how much time one slot of a course stands for, so that there are not too many."""
    for span in SPANS_H:
        if (until_ms - from_ms) // (span * HOUR_MS) < SLOTS_MAX:
            return span * HOUR_MS
    days = -(-(until_ms - from_ms) // (SLOTS_MAX * 24 * HOUR_MS))
    return max(1, days) * 24 * HOUR_MS


def nice_top(count: int) -> int:
    """Return a round number that is not below `count`, and can be halved for people."""
    power = 10 ** int(log10(count))
    for step in (1, 2, 4, 6, 8, 10):
        if step * power >= count:
            return int(step * power)
    return count


def _outline(
    counts: list[int], left: float, width: float, bottom: float, scale: float
) -> list[str]:
    return [
        f"L{left + i * width:.1f},{bottom - count * scale:.1f}h{width:.2f}"
        for i, count in enumerate(counts)
    ]


def _moment(at_ms: int, zone: tzinfo, span_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    return f"{at:%d %b}" if span_ms >= 24 * HOUR_MS else f"{at:%d %b %H:%M}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _svg(height: float, parts: list[str], label: str) -> str:
    body = "".join(parts)
    box = f'viewBox="0 0 {WIDTH} {height:.0f}"'
    return f'<svg {box} role="img" aria-label="{label}">{body}</svg>'
