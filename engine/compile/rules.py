"""Settings -> Rules: what holds over all journeys."""

from typing import Final
from zoneinfo import ZoneInfo

from engine.calendar.clock_text import TIME_FORM, time_of_day
from engine.calendar.zone import zone_names, zone_of
from engine.compile.caps import Members, compile_caps
from engine.language.author import Reader, nearest
from engine.language.journey import QuietHours, Settings
from engine.language.rules import MARKETING, TRANSACTIONAL, UTC, Rules
from engine.language.rules import QuietHours as CompiledQuietHours
from engine.limits import CONSENT_PURPOSES_MAX, DAY_MS, TEST_CONTACTS_MAX

SESSION_GAP_MS_MAX: Final = DAY_MS


def compile_rules(settings: Settings, members: Members, reader: Reader) -> Rules:
    """Return the rules that settings mean; mistakes are noted. `members` are those of groups."""
    rules = Rules()
    rules.session_gap_ms = reader.read_span(
        settings.session_gap, "$.session_gap", SESSION_GAP_MS_MAX
    )
    rules.no_session = settings.no_session
    rules.consent = dict(settings.consent)
    _compile_purposes(settings, rules, reader)
    rules.caps = compile_caps(settings.caps, "all journeys", members, list(rules.purposes), reader)
    for channel, attribute in settings.addresses.items():
        rules.addresses[channel] = attribute
        if not all(attribute.split(".")):
            fix = "name an attribute, such as `email`"
            reader.add(f"$.addresses.{channel}", f"{attribute!r} is no path", fix)
    for channel, hours in settings.quiet_hours.items():
        path = f"$.quiet_hours.{channel}"
        rules.quiet_hours[channel] = _compile_quiet_hours(hours, path, reader)
    if not 0 <= settings.hold_out < 100:
        fix = "write 0 to 99 (percent)"
        reader.add("$.hold_out", f"{settings.hold_out} is out of range", fix)
    rules.hold_out = settings.hold_out
    rules.test_contacts = compile_test_contacts(settings.test_contacts, "$.test_contacts", reader)
    rules.zone = _compile_zone(settings.time_zone, reader)
    rules.groups = {name: group.per for name, group in settings.groups.items()}
    return rules


def compile_test_contacts(contacts: list[str], path: str, reader: Reader) -> frozenset[str]:
    """Return the keys of test contacts; mistakes are noted."""
    if len(contacts) > TEST_CONTACTS_MAX:
        reader.add(path, f"{len(contacts)} contacts", f"{TEST_CONTACTS_MAX:,} at most")
    for i, contact in enumerate(contacts):
        if not contact or contact != contact.strip():
            fix = "write the id as events have it, such as `c-1`"
            reader.add(f"{path}[{i}]", f"{contact!r} is no contact's id", fix)
    return frozenset(contacts)


def _compile_purposes(settings: Settings, rules: Rules, reader: Reader) -> None:
    if len(settings.purposes) > CONSENT_PURPOSES_MAX:
        problem = f"{len(settings.purposes)} purposes"
        reader.add("$.purposes", problem, f"{CONSENT_PURPOSES_MAX} at most")
    for name, rule in settings.purposes.items():
        path = f"$.purposes.{name}"
        reader.check_name(name, path)
        if name in (MARKETING, TRANSACTIONAL):
            fix = "`consent` says what marketing needs" if name == MARKETING else "it needs none"
            reader.add(path, f"{name} is there already", f"take it out: {fix}")
        rules.purposes[name] = "" if rule.consent == "none" else rule.consent


def _compile_zone(name: str, reader: Reader) -> ZoneInfo:
    zone = zone_of(name)
    if zone is not None:
        return zone
    fix = nearest(name, sorted(zone_names()))
    if not fix.startswith("did you mean"):
        fix = "use a name such as `Europe/Berlin`"
    reader.add("$.time_zone", f"there is no time zone {name!r}", fix)
    return UTC


def _compile_quiet_hours(hours: QuietHours, path: str, reader: Reader) -> CompiledQuietHours:
    times = []
    for name, text in (("from", hours.from_), ("to", hours.to)):
        time = time_of_day(text)
        if time is None:
            reader.add(f"{path}.{name}", f"cannot read {text!r}", f"write {TIME_FORM}")
        times.append(time or 0)
    if hours.from_ == hours.to or (times[0] == times[1] and len(reader.mistakes) == 0):
        reader.add(path, "from and to are the same", "leave a time in which messages go out")
    return CompiledQuietHours(times[0], times[1], drops=hours.then == "drop")
