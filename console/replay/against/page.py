"""Page: a comparison as one HTML file that needs nothing beside it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import Any, Final
from zoneinfo import ZoneInfo

from console.replay.against.pairing import MOVED, ONLY_DRAFT, ONLY_REAL
from console.replay.against.plot import Bar, Hours, bars, course, heat
from console.replay.against.style import STYLE
from console.replay.against.table import KIND_WORDS, reason_words

BARS_MAX: Final = 14
COURSES_MAX: Final = 24
"""Journeys that are drawn one by one: those with the most messages; of the others, the table."""
SAMPLE_MAX: Final = 20
KIND_CLASSES: Final = {ONLY_DRAFT: "is-more", ONLY_REAL: "is-fewer", MOVED: "is-moved"}
COLUMNS: Final = ("real", "draft", "same", "moved", "only_draft", "only_real")

Told = dict[str, Any]


def page_of(summary: Told) -> str:
    """Return the page of what `console.replay.against.summary.summary_of` tells."""
    variants = summary["variants"]
    title = "What the draft would have sent"
    parts = [f"<h1>{title}</h1>", _head(summary)]
    parts += [f'<p class="note">{escape(note)}</p>' for note in summary["notes"]]
    if len(variants) > 1:
        parts.append(_overview(variants))
    for number, variant in enumerate(variants):
        parts.append(_section(summary, variant, number))
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(summary: Told) -> str:
    changed = ", ".join(f"<code>{escape(name)}</code>" for name in summary["changed"])
    files = (
        f"It differs from what is in force in {changed}."
        if changed
        else ("Its files are as they are in force.")
    )
    span = f"{_moment(summary, summary['from_ms'])} to {_moment(summary, summary['until_ms'])}"
    return (
        f'<p class="soft">{summary["events"]:,} events of {span} ({escape(summary["zone"])}), '
        f"folded again in simulated time. {files}</p>"
    )


def _overview(variants: list[Told]) -> str:
    head = _row("th", ["draft", "sends", "change", "same", "moved", "more", "not sent"])
    rows = []
    for number, each in enumerate(variants):
        total = each["total"]
        link = f'<a href="#v{number}">{escape(each["variant"])}</a>'
        cells = [f"{total['draft']:,}", _change(total["draft"] - total["real"])]
        cells += [f"{total[name]:,}" for name in COLUMNS[2:]]
        rows.append(_row("td", [link, *cells]))
    rows_drawn = [Bar("what went out", "real", variants[0]["total"]["real"])]
    rows_drawn += [Bar(each["variant"], "draft", each["total"]["draft"]) for each in variants]
    table = f"<table>{head}{''.join(rows)}</table>"
    drawn = f"<h3>Messages, all journeys</h3>{bars(rows_drawn)}"
    return f'<div class="card">{drawn}</div><div class="card">{table}</div>'


def _section(summary: Told, variant: Told, number: int) -> str:
    """Return all about one variant."""
    name = variant["variant"]
    parts = [f'<h2 id="v{number}">{escape(name)}</h2>', _tiles(variant)]
    if not variant["differences"]:
        parts.append("<p>Nothing would have been different.</p>")
    parts += [_journeys(variant), _courses(summary, variant)]
    if variant["differences"]:
        parts += [_reasons(variant), _heats(summary, variant), _sample(summary, variant)]
    return "\n".join(parts)


def _tiles(variant: Told) -> str:
    total, contacts = variant["total"], variant["contacts"]
    change = total["draft"] - total["real"]
    tiles = [
        (f"{total['real']:,}", "messages went out"),
        (f"{total['draft']:,}", "the draft sends"),
        (_change(change), "change"),
        (f"{total['moved']:,}", "at another moment"),
        (f"{contacts.get('more', 0):,}", "contacts get more"),
        (f"{contacts.get('fewer', 0):,}", "contacts get fewer"),
    ]
    inner = "".join(
        f'<div class="tile"><b>{count}</b><span>{name}</span></div>' for count, name in tiles
    )
    return f'<div class="tiles">{inner}</div>'


def _journeys(variant: Told) -> str:
    names = [
        "journey",
        "went out",
        "draft",
        "change",
        "same",
        "moved",
        "more",
        "not sent",
        "waiting",
    ]
    rows = [_row("th", names)]
    for journey, counts in variant["journeys"].items():
        cells = [f"{counts.get(name, 0):,}" for name in COLUMNS]
        cells.insert(2, _change(counts.get("draft", 0) - counts.get("real", 0)))
        waiting = f"{counts.get('waiting_real', 0):,} → {counts.get('waiting_draft', 0):,}"
        rows.append(_row("td", [escape(journey), *cells, waiting]))
    return f'<div class="card"><table>{"".join(rows)}</table></div>'


def _courses(summary: Told, variant: Told) -> str:
    """Return the messages over time of the journeys with most of them."""
    zone = ZoneInfo(summary["zone"])
    hours: dict[str, Hours] = variant["hours"]
    ranked = sorted(hours, key=lambda name: (-sum(a + b for _, a, b in hours[name]), name))
    legend = (
        '<p class="legend"><i style="background:var(--real)"></i>went out'
        '<i style="background:var(--draft)"></i>the draft sends</p>'
    )
    parts = []
    for journey in ranked[:COURSES_MAX]:
        drawn = course(hours[journey], summary["from_ms"], _end_ms(summary, hours), zone)
        parts.append(f'<div class="card"><h3>{escape(journey)}</h3>{legend}{drawn}</div>')
    return "".join(parts)


def _end_ms(summary: Told, hours: dict[str, Hours]) -> int:
    """Return the last moment to be drawn: a message may be later than the last event."""
    ends: list[int] = [each[-1][0] for each in hours.values() if each]
    return max([*ends, int(summary["until_ms"])])


def _reasons(variant: Told) -> str:
    rows = [
        Bar(
            f"{each['journey']} · {reason_words(each['why'], each['reason'])}",
            KIND_CLASSES[each["kind"]],
            each["count"],
        )
        for each in variant["reasons"][:BARS_MAX]
    ]
    left = len(variant["reasons"]) - len(rows)
    more = f'<p class="soft">and {left:,} reasons more, see --json</p>' if left > 0 else ""
    legend = "".join(
        f'<i style="background:var(--{colour})"></i>{KIND_WORDS[kind]}'
        for kind, colour in ((ONLY_DRAFT, "more"), (ONLY_REAL, "fewer"), (MOVED, "moved"))
    )
    return (
        f'<div class="card"><h3>Why they differ</h3><p class="legend">{legend}</p>'
        f"{bars(rows)}{more}</div>"
    )


def _heats(summary: Told, variant: Told) -> str:
    zone = ZoneInfo(summary["zone"])
    hours = [hour for journey in variant["hours"].values() for hour in journey]
    legend = (
        '<p class="legend"><i style="background:var(--more)"></i>the draft sends more'
        '<i style="background:var(--fewer)"></i>fewer</p>'
    )
    return (
        f'<div class="card"><h3>Change by hour</h3>{legend}{heat(hours, zone, change=True)}</div>'
        f'<div class="card"><h3>When messages went out</h3>{heat(hours, zone, change=False)}</div>'
    )


def _sample(summary: Told, variant: Told) -> str:
    rows = [_row("th", ["contact", "difference", "went out", "the draft sends", "why", "more"])]
    for each in sorted(variant["sample"], key=lambda each: _rank(variant, each))[:SAMPLE_MAX]:
        contact, journey = each["contact"], each["journey"]
        moments = [
            "" if each[name] is None else _moment(summary, each[name])
            for name in ("real_at_ms", "draft_at_ms")
        ]
        why = f'<span class="why">{escape(reason_words(each["why"], each["reason"]))}</span>'
        explain = f"<code>anlass explain {escape(contact)} --journey {escape(journey)}</code>"
        rows.append(_row("td", [escape(contact), KIND_WORDS[each["kind"]], *moments, why, explain]))
    return f'<div class="card"><h3>Some of them</h3><table>{"".join(rows)}</table></div>'


def _rank(variant: Told, difference: Told) -> int:
    """Return where the reason of a difference stands among all, the most frequent first."""
    names = ("kind", "journey", "why", "reason")
    for rank, reason in enumerate(variant["reasons"]):
        if all(reason[name] == difference[name] for name in names):
            return rank
    return len(variant["reasons"])


def _row(kind: str, cells: Iterable[str]) -> str:
    first, *rest = cells
    inner = f'<{kind} class="name">{first}</{kind}>' + "".join(
        f"<{kind}>{cell}</{kind}>" for cell in rest
    )
    return f"<tr>{inner}</tr>"


def _change(count: int) -> str:
    if not count:
        return "0"
    return f'<span class="{"more" if count > 0 else "fewer"}">{count:+,}</span>'


def _moment(summary: Told, ms: int) -> str:
    at = datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(summary["zone"]))
    return f"{at:%Y-%m-%d %H:%M}"
