"""Settings -> Rules, and caps, which journeys have as well."""

from typing import Final

from engine.author import Reader
from engine.journey import Cap, Settings
from engine.limits import CAP_MESSAGES_MAX, CAP_SPAN_MS_MAX, DAY_MS
from engine.rules import Cap as CompiledCap
from engine.rules import Rules

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
    rules.groups = {name: group.per for name, group in settings.groups.items()}
    return rules


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
