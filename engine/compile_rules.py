"""Settings -> Rules, and caps, which journeys have as well."""

from typing import Final
from zoneinfo import ZoneInfo

from engine.author import Reader, nearest
from engine.journey import Cap, Settings
from engine.limits import CAP_MESSAGES_MAX, CAP_SPAN_MS_MAX, DAY_MS
from engine.rules import UTC, Rules
from engine.rules import Cap as CompiledCap
from engine.zone import zone_names, zone_of

SESSION_GAP_MS_MAX: Final = DAY_MS


def compile_rules(settings: Settings, reader: Reader) -> Rules:
    """Return the rules that settings mean; mistakes are noted."""
    rules = Rules()
    rules.session_gap_ms = reader.read_span(
        settings.session_gap, "$.session_gap", SESSION_GAP_MS_MAX
    )
    rules.no_session = settings.no_session
    rules.caps = compile_caps(settings.caps, "all journeys", reader)
    rules.consent = dict(settings.consent)
    for name, rule in settings.purposes.items():
        reader.check_name(name, f"$.purposes.{name}")
        rules.purposes[name] = "" if rule.consent == "none" else rule.consent
    rules.zone = _compile_zone(settings.time_zone, reader)
    rules.groups = {name: group.per for name, group in settings.groups.items()}
    return rules


def _compile_zone(name: str, reader: Reader) -> ZoneInfo:
    zone = zone_of(name)
    if zone is not None:
        return zone
    fix = nearest(name, sorted(zone_names()))
    if not fix.startswith("did you mean"):
        fix = "use a name such as `Europe/Berlin`"
    reader.add("$.time_zone", f"there is no time zone {name!r}", fix)
    return UTC


def compile_caps(caps: list[Cap], of: str, reader: Reader) -> list[CompiledCap]:
    """Return the caps that count messages `of` a journey, or all; mistakes are noted."""
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
