"""Publication -> Programs: every check that an author can fail happens here, all at once."""

from functools import lru_cache
from typing import Final
from zlib import crc32

import msgspec

from engine.compile.caps import note_caps
from engine.compile.journey import compile_journey
from engine.compile.known import Known
from engine.compile.rules import compile_rules
from engine.compile.segment import compile_segments
from engine.compile.send import compile_mentions
from engine.compile.version import compile_versions
from engine.errors import AuthorError, Mistake
from engine.fold.programs import Programs
from engine.language.author import NOTHING, Reader
from engine.language.journey import Journey, Publication, Settings
from engine.language.node import StartNode
from engine.language.rules import Rules
from engine.limits import HAPPENING_KEPT_MAX, JOURNEYS_MAX, SEGMENTS_MAX
from engine.program import Program

REMEMBERED: Final = 32
"""Publications whose programs are: more than a comparison has variants, which each partition asks
for in turn. With fewer than it asks for, all would be compiled anew each time."""


@lru_cache(maxsize=REMEMBERED)
def programs_of(source: bytes) -> Programs:
    """Compile the source of a Publish. Pure, so remembered: 256 partitions ask for the same one.

    Raises AuthorError with every mistake found.
    """
    publication = msgspec.json.decode(source, type=Publication)
    programs, mistakes = compile_publication(publication, crc32(source))
    if programs is None:
        raise AuthorError(mistakes)
    return programs


def compile_publication(
    publication: Publication, version: int = 1
) -> tuple[Programs | None, list[Mistake]]:
    """Return the programs, or None and all mistakes of all files."""
    settings_reader = Reader(publication.settings_file)
    settings = settings_reader.read(Settings, publication.settings)
    readers = {publication.settings_file: settings_reader}
    journeys = _read_journeys(publication, readers)
    rules, members = Rules(), {}
    if settings is not NOTHING:
        members = _members_of(settings, [journey for journey, _ in journeys])
        rules = compile_rules(settings, members, settings_reader)
    rules.mentions = compile_mentions(publication.templates, settings_reader)
    known = _known(publication, [journey for journey, _ in journeys])
    known.members = members
    known.zone = rules.zone
    segments = compile_segments(publication.segments, readers, known)
    known = known.with_segments(segments.get, sorted(segments))
    programs: list[Program] = []
    for journey, reader in journeys:
        known.nodes = [node.id for node in journey.nodes]
        programs.append(compile_journey(journey, rules, known, reader))
    lines = compile_versions(publication, programs, rules, known, readers)
    kept = [each for line in lines.values() for each in line.kept.values()]
    note_caps([*programs, *kept], rules)
    mistakes = [mistake for reader in readers.values() for mistake in reader.mistakes]
    for what, count, most in (
        ("journeys", len(publication.journeys), JOURNEYS_MAX),
        ("segments", len(publication.segments), SEGMENTS_MAX),
    ):
        if count > most:
            mistakes.append(Mistake(".", "$", f"{count} {what}", f"{most} at most"))
    if mistakes:
        return None, sorted(mistakes)
    compiled = Programs(programs, rules, segments, version, lines)
    mistakes = _check_kept(compiled)
    return (None, mistakes) if mistakes else (compiled, [])


def _check_kept(programs: Programs) -> list[Mistake]:
    """Return the mistake of looking back at more fields of one event than are kept."""
    return [
        Mistake(
            ".",
            "$",
            f"all journeys and segments look back at {len(route.keeps)} fields of {name!r}",
            f"{HAPPENING_KEPT_MAX} at most",
        )
        for name, route in sorted(programs.routes.items())
        if len(route.keeps) > HAPPENING_KEPT_MAX
    ]


def _known(publication: Publication, journeys: list[Journey]) -> Known:
    """Return what the files name, but for segments: those may name what is here."""
    known = Known(lambda _: None, [])
    known.journeys = [journey.journey for journey in journeys]
    known.nodes_of = {journey.journey: [node.id for node in journey.nodes] for journey in journeys}
    known.started = {
        node.start for journey in journeys for node in journey.nodes if isinstance(node, StartNode)
    }
    known.templates = {name.rpartition(".")[0] for name in publication.templates}
    return known


def _members_of(settings: Settings, journeys: list[Journey]) -> dict[str, frozenset[str]]:
    """Return which journeys are in each group of the settings."""
    return {
        name: frozenset(journey.journey for journey in journeys if journey.group == name)
        for name in settings.groups
    }


def _read_journeys(
    publication: Publication, readers: dict[str, Reader]
) -> list[tuple[Journey, Reader]]:
    """Return what can be read of the journeys' files; each file's reader notes its mistakes."""
    journeys: list[tuple[Journey, Reader]] = []
    files: dict[str, str] = {}
    for file, data in sorted(publication.journeys.items()):
        reader = readers[file] = Reader(file)
        journey = reader.read(Journey, data)
        if journey is NOTHING:
            continue
        if journey.journey in files:
            problem = f"{journey.journey!r} is the journey of {files[journey.journey]} already"
            reader.add("$.journey", problem, "give it another id")
        files[journey.journey] = file
        journeys.append((journey, reader))
    return journeys
