"""Caps as written -> caps that know which journeys they count."""

from collections.abc import Mapping
from typing import Final

from engine.language.author import Reader, nearest
from engine.language.journey import Cap
from engine.language.rules import MARKETING, TRANSACTIONAL, Rules
from engine.language.rules import Cap as CompiledCap
from engine.limits import CAP_MESSAGES_MAX, CAP_SPAN_MS_MAX, CAPS_MAX, DAY_MS
from engine.program import Program

PERIODS: Final = {"day": 2 * DAY_MS, "week": 9 * DAY_MS, "month": 33 * DAY_MS}
"""Calendar periods, and a span that each is shorter than, whatever clocks and dates skip."""


Members = Mapping[str, frozenset[str]]
"""Group -> its journeys."""


def compile_caps(
    caps: list[Cap], of: str, members: Members, purposes: list[str], reader: Reader
) -> list[CompiledCap]:
    """Return caps that count messages `of` whom a reason says; mistakes are noted.

    Without a group they count those of all journeys: a journey's own are given it after.
    """
    if len(caps) > CAPS_MAX:
        reader.add("$.caps", f"{len(caps)} caps", f"{CAPS_MAX} at most")
    return [
        _compile_cap(cap, f"$.caps[{i}]", of, members, purposes, reader)
        for i, cap in enumerate(caps)
    ]


def _compile_cap(
    cap: Cap, path: str, of: str, members: Members, purposes: list[str], reader: Reader
) -> CompiledCap:
    if not 1 <= cap.messages <= CAP_MESSAGES_MAX:
        problem = f"{cap.messages} is out of range"
        reader.add(f"{path}.messages", problem, f"write 1 to {CAP_MESSAGES_MAX}")
    per_ms = PERIODS.get(cap.per) or _span_of(cap.per, f"{path}.per", reader)
    counted = " ".join(each for each in (cap.purpose, cap.channel) if each)
    whose = f"group {cap.group}" if cap.group else of
    when = f"a {cap.per}" if cap.per in PERIODS else f"in {cap.per}"
    text = " ".join(f"{whose}: {cap.messages} {counted} {when}".split())
    compiled = CompiledCap(cap.messages, per_ms, text)
    compiled.period = cap.per if cap.per in PERIODS else ""
    compiled.channel = cap.channel or ""
    compiled.purpose = cap.purpose or ""
    known = [MARKETING, TRANSACTIONAL, *purposes]
    if cap.purpose is not None and cap.purpose not in known:
        problem = f"there is no purpose {cap.purpose!r}"
        reader.add(f"{path}.purpose", problem, nearest(cap.purpose, known))
    if cap.group is not None:
        compiled.journeys = members.get(cap.group)
        if compiled.journeys is None:
            fix = f"name it in `groups` of the settings: `{cap.group}: {{per: day}}`"
            reader.add(f"{path}.group", f"there is no group {cap.group!r}", fix)
    return compiled


def _span_of(per: str, path: str, reader: Reader) -> int:
    before = len(reader.mistakes)
    span = reader.read_span(per, path, CAP_SPAN_MS_MAX)
    if len(reader.mistakes) > before and not any(each.isdigit() for each in per):
        del reader.mistakes[before:]
        fix = f"write {', '.join(PERIODS)}, or a span such as 24h or 7d"
        reader.add(path, f"there is no period {per!r}", fix)
    return span


def compile_own_caps(
    caps: list[Cap], program: Program, members: Members, purposes: list[str], reader: Reader
) -> None:
    """Give a journey its caps: they count its messages, or those of its group."""
    own = compile_caps(caps, f"journey {program.journey}", members, purposes, reader)
    for i, cap in enumerate(own):
        if caps[i].group is None:
            cap.journeys = frozenset((program.journey,))
        elif cap.journeys is not None and caps[i].group != program.group:
            fix = "count its own group, or write this cap into the settings"
            reader.add(f"$.caps[{i}].group", f"this journey is not in {caps[i].group!r}", fix)
    program.caps = own


def note_caps(programs: list[Program], rules: Rules) -> None:
    """Let the rules know which journeys' caps count a journey's messages, equal ones once."""
    known: set[tuple[object, ...]] = set()
    for program in programs:
        for cap in program.caps:
            same = (cap.messages, cap.span_ms, cap.period, cap.purpose, cap.channel, cap.journeys)
            if same not in known:
                known.add(same)
                for journey in cap.journeys or ():
                    rules.caps_counting.setdefault(journey, []).append(cap)
