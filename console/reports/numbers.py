"""Numbers: how many visits and messages a system has, by journey and node, with conversions."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Final

from msgspec import Struct

from actors.clock import WallClock
from actors.kept.kept import StorePlace
from actors.kept.opening import open_kept, store_of
from actors.kept.served import served_store
from actors.links.counted import AskNumbers, NumbersAre
from actors.links.credentials import Credentials
from actors.links.link import LinkClient, LinkError
from console.reports.standing import Standing
from console.reports.status import ask_all
from engine.compile.publication import programs_of
from engine.contacts.course import SPANS_MS
from engine.count_table import (
    ENTERED,
    CountTable,
    Line,
    Outline,
    Window,
    merged,
    outlines_of,
    table_of,
    window_from,
)
from engine.decision import CONVERTED
from engine.limits import COURSE_DAYS_MS, COURSE_HOURS_MS, COURSE_MINUTES_MS, DAY_MS
from engine.notes import CONVERTED_DRY, CONVERTED_HELD_OUT, ENTERED_DRY, ENTERED_HELD_OUT
from engine.numbers import Numbers

ANSWER_S: Final = 10.0
"""How long a shard may take to answer before it counts as one that does not."""

MINUTE_MS, HOUR_MS, _ = SPANS_MS
BY_MS: Final = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}
REACH_MS: Final = {
    MINUTE_MS: COURSE_MINUTES_MS,
    HOUR_MS: COURSE_HOURS_MS,
    DAY_MS: COURSE_DAYS_MS,
}
SHOWN_MS: Final = {MINUTE_MS: 60 * MINUTE_MS, HOUR_MS: 24 * HOUR_MS, DAY_MS: 30 * DAY_MS}
"""How far back a course goes where it is not said from when on."""


class Asked(Struct, frozen=True, kw_only=True):
    """What somebody wants to know."""

    journey: str = ""
    """Empty: all."""
    since_ms: int | None = None
    """A moment; or where `is_span` says so, how long ago. None: all there was."""
    is_span: bool = False
    by: str = ""
    """Of BY_MS; empty: as fits."""


class Conversion(Struct, kw_only=True):
    """What became of a journey's visits: their goal, with messages and without."""

    goal: str
    within_ms: int
    entered: int
    """Visits that entered, and walk with messages; those of a dry run do not count here."""
    converted: int
    """Times such came to the goal. Of visits that entered before, too."""
    rate: float | None = None
    """None where none entered."""
    held_out: int = 0
    held_out_converted: int = 0
    held_out_rate: float | None = None
    lift: float | None = None
    """How much higher the rate is than that of visits held out: 0.5 is half as much again. None
    where no such visit converted."""


class JourneyNumbers(Standing, kw_only=True):
    """The numbers of one journey, and how it is. What of it waits is as of now."""

    in_force: bool
    """Whether it is among the journeys published last."""
    total: Line
    """Of the journey as a whole; who waits is at its nodes."""
    conversion: Conversion | None
    nodes: list[Line]
    """In the order in which visits come to them; those that are no longer there last."""


class NumbersReport(Struct, kw_only=True):
    """Numbers of a system. Moments are epoch milliseconds, UTC."""

    running: bool
    now_ms: int
    since_ms: int
    """When counting began; 0: with the store."""
    from_ms: int
    """From when on it is counted here, a whole minute, hour or day; 0: from `since_ms` on."""
    by: str
    """In what spans `course` of each line is."""
    course_from_ms: int
    journeys: list[JourneyNumbers]
    faults: list[str] = []
    """What could not be had, and why: it is missing in the numbers."""


async def numbers_of(data: StorePlace, asked: Asked, key_file: Path | None = None) -> NumbersReport:
    """Ask the running shards; else look into the last snapshots of the store.

    Raises OperatorError where there is no store, or the key is missing.
    """
    store = await asyncio.to_thread(store_of, data)
    served = await asyncio.to_thread(served_store, data)
    if served is None:
        return await asyncio.to_thread(_of_kept, data, asked, key_file)
    addresses, here = list(served.addresses.values()), served.credentials
    now_ms = WallClock().read()
    if store.clock == "events":
        answers = await ask_all(addresses, here)
        now_ms = max(
            (each[1]["now_ms"] for each in answers if not isinstance(each, str)), default=0
        )
    window, by = window_of(asked, now_ms)
    found = list(await asyncio.gather(*[_ask(each, window, here) for each in addresses]))
    answers_of = [each for each in found if not isinstance(each, str)]
    outlines = next((each.outlines for each in answers_of if each.outlines), [])
    report = report_of(merged(each.table for each in answers_of), outlines, window, by)
    report.running, report.now_ms = True, now_ms
    report.faults = [
        f"shard {slot}: {each}"
        for slot, each in zip(served.addresses, found, strict=True)
        if isinstance(each, str)
    ]
    return report


def window_of(asked: Asked, now_ms: int) -> tuple[Window, str]:
    """Return what is to be asked of shards, and the word for the spans of its course."""
    since_ms = asked.since_ms or 0
    if asked.is_span:
        since_ms = now_ms - since_ms
    by_ms = BY_MS.get(asked.by, 0)
    if not by_ms:
        age_ms = now_ms - since_ms if asked.since_ms is not None else DAY_MS
        by_ms = next((each for each in SPANS_MS if age_ms <= SHOWN_MS[each]), DAY_MS)
    from_ms = 0 if asked.since_ms is None else max(window_from(since_ms, now_ms), 1)
    shown_ms = now_ms - SHOWN_MS[by_ms] if asked.since_ms is None else from_ms
    shown_ms = max(shown_ms, now_ms - REACH_MS[by_ms], 0)
    by = next(name for name, span_ms in BY_MS.items() if span_ms == by_ms)
    return Window(asked.journey, from_ms, by_ms, shown_ms - shown_ms % by_ms), by


def report_of(table: CountTable, outlines: list[Outline], window: Window, by: str) -> NumbersReport:
    """Put the numbers of each journey together, those in force first."""
    lines: dict[str, dict[str, Line]] = {}
    for line in table.lines:
        lines.setdefault(line.journey, {})[line.node] = line
    known = {each.journey: each for each in outlines}
    if window.journey:
        known = {name: each for name, each in known.items() if name == window.journey}
    names = [*sorted(known), *sorted(lines.keys() - known.keys())]
    journeys = [_journey(name, known.get(name), lines.get(name, {})) for name in names]
    if table.queued is not None:  # Snapshots taken before they were counted do not tell.
        for each in journeys:
            each.queued = table.queued.get(each.journey, 0)
    return NumbersReport(
        running=False,
        now_ms=0,
        since_ms=table.since_ms,
        from_ms=window.from_ms,
        by=by,
        course_from_ms=window.course_from_ms,
        journeys=journeys,
    )


def _journey(name: str, outline: Outline | None, lines: dict[str, Line]) -> JourneyNumbers:
    total = lines.get("", Line(journey=name, node=""))
    total.waiting = sum(line.waiting for line in lines.values())
    order = [] if outline is None else outline.nodes
    nodes = [*order, *sorted(node for node in lines if node and node not in order)]
    return JourneyNumbers(
        journey=name,
        in_force=outline is not None,
        in_test=outline is not None and outline.in_test,
        version=0 if outline is None else outline.version,
        state="ended" if outline is None else outline.state,
        queued=None,
        total=total,
        conversion=None if outline is None else _conversion(outline, total),
        nodes=[lines.get(node, Line(journey=name, node=node)) for node in nodes],
    )


def _conversion(outline: Outline, total: Line) -> Conversion | None:
    if not outline.goal:
        return None
    counts = total.counts
    held_out, lost = counts.get(ENTERED_HELD_OUT, 0), counts.get(CONVERTED_HELD_OUT, 0)
    entered = counts.get(ENTERED, 0) - held_out - counts.get(ENTERED_DRY, 0)
    converted = counts.get(CONVERTED, 0) - lost - counts.get(CONVERTED_DRY, 0)
    rate = converted / entered if entered else None
    other = lost / held_out if held_out else None
    return Conversion(
        goal=outline.goal,
        within_ms=outline.goal_within_ms,
        entered=entered,
        converted=converted,
        rate=rate,
        held_out=held_out,
        held_out_converted=lost,
        held_out_rate=other,
        lift=rate / other - 1 if rate is not None and other else None,
    )


def _of_kept(data: StorePlace, asked: Asked, key_file: Path | None) -> NumbersReport:
    """Read the last snapshots; what the log has behind them is not in it, and that is said."""
    with closing(open_kept(data, key_file)) as kept:
        heads = kept.latest_heads()
    now_ms = max((head.now_ms for head in heads), default=0)
    window, by = window_of(asked, now_ms)
    table = table_of((Numbers(head.now_ms, head.numbers) for head in heads), window)
    newest = max(heads, key=lambda head: head.serial, default=None)
    programs = programs_of(newest.published) if newest is not None and newest.published else None
    outlines = [] if programs is None else outlines_of(programs)
    report = report_of(table, outlines, window, by)
    report.now_ms = now_ms
    return report


async def _ask(socket: str, window: Window, here: Credentials | None) -> NumbersAre | str:
    try:
        async with asyncio.timeout(ANSWER_S):
            client = await LinkClient.connect(socket, here)
            try:
                reply = await client.ask(AskNumbers(0, window))
            finally:
                client.close()
    except TimeoutError:
        return f"no answer within {ANSWER_S:.0f} s"
    except (OSError, LinkError) as error:
        return f"no answer: {error}"
    assert isinstance(reply, NumbersAre)
    return reply
