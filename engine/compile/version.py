"""Versions as published -> Lines: what leads visits of older versions to the one in force."""

from typing import Final

import msgspec

from engine.compile.journey import compile_journey
from engine.compile.known import Known
from engine.fold.version import Line, Passage
from engine.language.author import NOTHING, Reader
from engine.language.journey import Journey, Publication, Version
from engine.language.rules import Rules
from engine.limits import KEPT_VERSIONS_MAX, PASSAGES_MAX
from engine.program import Program

FILE: Final = "versions"
"""In place of a file's name, in mistakes: no author writes them."""


def compile_versions(
    publication: Publication,
    programs: list[Program],
    rules: Rules,
    known: Known,
    readers: dict[str, Reader],
) -> dict[str, Line]:
    """Return the line of each journey that has one, and let its program know of it."""
    versions = publication.versions
    if versions is msgspec.UNSET or not versions:
        return {}
    reader = readers[FILE] = Reader(FILE)
    by_journey = {program.journey: program for program in programs}
    lines = {}
    for journey, version in sorted(versions.items()):
        line = lines[journey] = _line_of(journey, version, reader)
        program = by_journey.get(journey)
        if program is not None:
            program.number, program.paused = line.number, line.paused
            _check_map(journey, version, program, reader)
            if line.ended:
                program.ways, program.occasions = [], []
        for name, document in sorted(version.kept.items()):
            if not name.isdecimal():
                reader.add(f"$.{journey}.kept.{name}", "this is no number", "name a version")
                continue
            number = int(name)
            file = f"{journey}, version {number}"
            own = readers[file] = Reader(file)
            kept = own.read(Journey, document)
            if kept is not NOTHING:
                line.kept[number] = _compile_kept(kept, rules, known, own)
                line.kept[number].number, line.kept[number].paused = number, line.paused
    return lines


def _line_of(journey: str, version: Version, reader: Reader) -> Line:
    line = Line(version.number)
    line.paused, line.ended = version.state == "paused", version.state == "ended"
    if version.number < 1:
        reader.add(f"$.{journey}.number", f"{version.number} is no number", "count from 1")
    for what, count, most in (
        ("passages", len(version.passages), PASSAGES_MAX),
        ("kept", len(version.kept), KEPT_VERSIONS_MAX),
    ):
        if count > most:
            reader.add(f"$.{journey}.{what}", f"{count} versions", f"{most} at most")
    for said in sorted(version.passages, key=lambda each: each.number):
        stays, ends = said.in_flight == "stay", said.in_flight == "end"
        line.passages.append(Passage(said.number, said.map, stays=stays, ends=ends))
    return line


def _check_map(journey: str, version: Version, program: Program, reader: Reader) -> None:
    """Find nodes that visits are to go to now and that are not there."""
    for i, passage in enumerate(version.passages):
        for before, now in sorted(passage.map.items()) if passage.number == version.number else ():
            if now and now not in program.places:
                path = f"$.{journey}.passages[{i}].map.{before}"
                reader.add(path, f"there is no node {now!r}", "name a node of the new version")


def _compile_kept(journey: Journey, rules: Rules, known: Known, reader: Reader) -> Program:
    """Compile an older version: it may name its own nodes, else only what is there now."""
    now = known.nodes_of
    known.nodes = [node.id for node in journey.nodes]
    known.nodes_of = now | {journey.journey: [*known.nodes, *now.get(journey.journey, [])]}
    try:
        return compile_journey(journey, rules, known, reader)
    finally:
        known.nodes_of = now
