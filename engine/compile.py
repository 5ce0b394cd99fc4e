"""Publication -> Programs: every check that an author can fail happens here, all at once."""

from functools import lru_cache
from typing import Any, Final

import msgspec

from engine.author import NOTHING, Reader
from engine.compile_condition import compile_condition
from engine.compile_node import compile_nodes
from engine.errors import AuthorError, Mistake
from engine.journey import Cap, ExitRule, Journey, Publication, Settings
from engine.limits import (
    CAP_MESSAGES_MAX,
    CAP_SPAN_MS_MAX,
    DAY_MS,
    JOURNEYS_MAX,
    WAIT_MS_MAX,
)
from engine.program import REENTRY_ALWAYS, REENTRY_ONCE, Program, Programs
from engine.program import Cap as CompiledCap
from engine.span import SPAN_FORM, span_ms

SESSION_GAP_MS_MAX: Final = DAY_MS


@lru_cache(maxsize=8)
def programs_of(source: bytes) -> Programs:
    """Compile the source of a Publish. Pure, so remembered: 256 partitions ask for the same one.

    Raises AuthorError with every mistake found.
    """
    programs, mistakes = compile_publication(msgspec.json.decode(source, type=Publication))
    if programs is None:
        raise AuthorError(mistakes)
    return programs


def compile_publication(publication: Publication) -> tuple[Programs | None, list[Mistake]]:
    """Return the programs, or None and all mistakes of all files."""
    mistakes: list[Mistake] = []
    settings_reader = Reader(publication.settings_file)
    settings = settings_reader.read(Settings, publication.settings)
    caps, gap_ms = _compile_settings(settings, settings_reader)
    mistakes += settings_reader.mistakes
    if settings is NOTHING:
        settings = Settings()
    templates = {name.rpartition(".")[0] for name in publication.templates}
    programs: list[Program] = []
    files: dict[str, str] = {}
    for file, data in sorted(publication.journeys.items()):
        reader = Reader(file)
        journey = reader.read(Journey, data)
        if journey is not NOTHING:
            if journey.journey in files:
                reader.add(
                    "$.journey",
                    f"{journey.journey!r} is the journey of {files[journey.journey]} already",
                    "give it another id",
                )
            files[journey.journey] = file
            programs.append(_compile_journey(journey, settings, templates, reader))
        mistakes += reader.mistakes
    if len(publication.journeys) > JOURNEYS_MAX:
        fix = f"{JOURNEYS_MAX} at most"
        mistakes.append(Mistake(".", "$", f"{len(publication.journeys)} journeys", fix))
    if mistakes:
        return None, sorted(mistakes)
    return Programs(programs, caps, gap_ms, settings.no_session), []


def _compile_settings(settings: Any, reader: Reader) -> tuple[list[CompiledCap], int]:
    if settings is NOTHING:
        return [], 0
    gap_ms = reader.read_span(settings.session_gap, "$.session_gap", SESSION_GAP_MS_MAX)
    return _compile_caps(settings.caps, "all journeys", reader), gap_ms


def _compile_journey(
    journey: Journey, settings: Settings, templates: set[str], reader: Reader
) -> Program:
    reader.check_name(journey.journey, "$.journey")
    program = Program(journey.journey, journey.priority)
    program.entry_event = journey.entry.event
    if journey.entry.when is not None:
        program.entry_test = compile_condition(journey.entry.when, "$.entry.when", reader)
    for i, rule in enumerate(journey.exit_on):
        exit_rule = ExitRule(event=rule) if isinstance(rule, str) else rule
        test = None
        if exit_rule.when is not None:
            test = compile_condition(exit_rule.when, f"$.exit_on[{i}].when", reader)
        program.exit_on.setdefault(exit_rule.event, []).append(test)
    program.reentry_ms = _compile_reentry(journey.reentry, reader)
    program.caps = _compile_caps(journey.caps, f"journey {journey.journey}", reader)
    program.places, program.first = compile_nodes(journey.nodes, settings, templates, reader)
    return program


def _compile_reentry(reentry: str, reader: Reader) -> int:
    if reentry == "always":
        return REENTRY_ALWAYS
    if reentry == "once":
        return REENTRY_ONCE
    after_ms = span_ms(reentry)
    if after_ms is None or not 0 < after_ms <= WAIT_MS_MAX:
        reader.add("$.reentry", f"cannot read {reentry!r}", f"write always, once or {SPAN_FORM}")
        return REENTRY_ALWAYS
    return after_ms


def _compile_caps(caps: list[Cap], of: str, reader: Reader) -> list[CompiledCap]:
    compiled = []
    for i, cap in enumerate(caps):
        per_ms = reader.read_span(cap.per, f"$.caps[{i}].per", CAP_SPAN_MS_MAX)
        if not 1 <= cap.messages <= CAP_MESSAGES_MAX:
            reader.add(
                f"$.caps[{i}].messages",
                f"{cap.messages} is out of range",
                f"write 1 to {CAP_MESSAGES_MAX}",
            )
        counted = f"{cap.purpose} " if cap.purpose else ""
        text = f"{of}: {cap.messages} {counted}in {cap.per}"
        compiled.append(CompiledCap(cap.messages, per_ms, cap.purpose or "", text))
    return compiled
