"""Audit: looks over a contact's story, and whether what it says made a decision is so.

It counts and compares anew from what a scenario was given, in the plainest way, and shares nothing
with the engine but how a story is built.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec.structs import astuple

from console.contacts.story import InputTold, StoryEntry
from engine.decision import Outcome
from engine.fact import Fact
from engine.trace import EndNote, EntryNote, ExitNote, NodeNote, SessionNote, StopNote

HOUR: Final = 3_600_000
SPANS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": HOUR, "d": 24 * HOUR, "w": 168 * HOUR}
STRENGTH: Final = ["none", "opt_out", "opt_in", "double_opt_in"]


class Audit:
    """Of the stories of one folder of journeys."""

    def __init__(self, journeys: dict[str, dict[str, Any]], zone: str) -> None:
        self.journeys = journeys
        self.zone = ZoneInfo(zone)
        self.checked: dict[str, int] = {}
        """How often each kind of reason was looked over."""
        self._entries: list[StoryEntry] = []
        self._now = 0

    def look_over(self, entries: list[StoryEntry], decided: list[Outcome]) -> None:
        """Check a whole story against all that was decided."""
        told = [each.outcome for each in entries if isinstance(each.outcome, Outcome)]
        assert sorted(map(astuple, told)) == sorted(map(astuple, decided)), "each in one entry"
        for i, entry in enumerate(entries):
            self._entries, self._now = entries[:i], entry.at_ms
            note = entry.note
            for fact in getattr(note, "facts", ()):
                self._check_fact(fact, entry)
            if isinstance(note, EntryNote):
                self._check_entry(note)
            if isinstance(entry.outcome, Outcome):
                self._check_outcome(entry, entry.outcome)

    def _count(self, kind: str) -> None:
        self.checked[kind] = self.checked.get(kind, 0) + 1

    # Journeys that were not entered

    def _check_entry(self, note: EntryNote) -> None:
        self._count(note.why)
        rule = self.journeys[note.journey].get("reentry", "always")
        again = rule if isinstance(rule, str) else rule.get("again", "always")
        before = [each for each in self._entries_of(note.journey) if each.entered]
        failing = note.facts[-1] if note.facts else None
        match note.why:
            case "entered":
                assert failing is None or all(fact.holds for fact in note.facts)
            case "no_match":
                assert failing is note.facts[0]
            case "inside":
                assert failing is not None
                assert failing.since_ms in {each.at_ms for each in before}
            case "once":
                assert again == "once"
                assert before
            case "too_soon":
                assert failing is not None
                since_exit = isinstance(rule, dict) and rule.get("since") == "exit"
                moments = self._ends_of(note.journey) if since_exit else [e.at_ms for e in before]
                assert failing.since_ms == moments[-1]
                assert self._now - moments[-1] < span(again)
            case "grouped":
                self._check_turn(note, failing)
            case _:
                assert failing is not None

    def _check_turn(self, note: EntryNote, fact: Fact | None) -> None:
        assert fact is not None
        group = self.journeys[note.journey]["group"]
        taken = [
            each
            for each in self._notes(EntryNote)
            if each.entered and self.journeys[each.journey].get("group") == group
        ]
        assert fact.since_ms == taken[-1].at_ms
        assert taken[-1].journey in fact.found
        assert self._day(taken[-1].at_ms) == self._day(self._now)

    # Messages that were not sent, and visits that came to none

    def _check_outcome(self, entry: StoryEntry, outcome: Outcome) -> None:
        self._count(outcome.outcome)
        note = entry.note
        failing = [fact for fact in getattr(note, "facts", ()) if not fact.holds]
        match outcome.outcome:
            case "sent":
                assert isinstance(note, NodeNote)
                assert not failing
            case "converted":
                return
            case "capped":
                (fact,) = failing
                assert fact.what == f"cap of {outcome.reason}"
                self._check_cap(fact, outcome)
            case "no_consent" if isinstance(note, NodeNote):
                (fact,) = failing
                assert f"{fact.what.removeprefix('consent ')}: {fact.found}" in outcome.reason
            case "missing":
                (fact,) = failing
                assert outcome.reason == f"{fact.what} is missing"
            case "late" | "grouped" | "exited" if isinstance(note, EntryNote):
                assert len(failing) == 1
            case _:
                self._check_end(entry, outcome)

    def _check_end(self, entry: StoryEntry, outcome: Outcome) -> None:
        """A visit that ended says where; a decision or an exit before it is why."""
        note = entry.note
        if outcome.outcome == "failed":
            assert isinstance(entry.note, EndNote | StopNote) or "receipt" in self._inputs()
            return
        if isinstance(note, StopNote):
            assert note.stopped_at_ms <= self._now
            return
        assert isinstance(note, EndNote | NodeNote)
        assert note.visit == outcome.key.partition(".")[0]
        if outcome.outcome == "exited":
            exits = [each for each in self._notes(ExitNote) if each.journey == outcome.journey]
            assert exits[-1].ends
        elif outcome.outcome in {"declined", "no_consent"} and "did not hold" in outcome.reason:
            node = outcome.reason.partition(" ")[0]
            asked = [each for each in self._notes(NodeNote) if each.node == node]
            assert not asked[-1].facts[0].holds

    def _check_cap(self, fact: Fact, outcome: Outcome) -> None:
        text = outcome.reason
        sent = [
            each.outcome
            for each in self._entries
            if isinstance(each.outcome, Outcome) and each.outcome.outcome == "sent"
        ]
        of = text.removeprefix("journey ").partition(":")[0] if text.startswith("journey") else ""
        counted = [
            (each.key, each.at_ms)
            for each in sent
            if self._begin(text) < each.at_ms and of in ("", each.journey)
        ]
        marketing = [each for each in counted if "marketing" not in text or self._sells(each[0])]
        assert [(each.key, each.at_ms) for each in reversed(fact.messages)] == marketing

    def _begin(self, text: str) -> int:
        if text.endswith(" a week"):
            today = self._shown(self._now).replace(hour=0, minute=0, second=0, microsecond=0)
            monday = today - timedelta(days=today.weekday())
            return int(monday.timestamp() * 1_000) - 1
        return self._now - span(text.rpartition(" ")[2])

    def _sells(self, key: str) -> bool:
        _, node, _ = key.split(".")
        nodes = [each for journey in self.journeys.values() for each in journey["nodes"]]
        return any(
            each["id"] == node and each.get("purpose", "marketing") == "marketing" for each in nodes
        )

    # Facts

    def _check_fact(self, fact: Fact, entry: StoryEntry) -> None:
        for part in fact.parts:
            self._check_fact(part, entry)
        if fact.wanted.startswith(("leads to ", "starts the wait anew")):
            assert fact.holds is all(part.holds for part in fact.parts)
            self._count("heard")
        if fact.what in {"all of", "any of"}:
            held = [part.holds for part in fact.parts]
            assert fact.holds is (all(held) if fact.what == "all of" else any(held))
        elif fact.what == "not":
            assert fact.holds is not fact.parts[0].holds
        elif fact.parts and fact.what.startswith("segment "):
            assert fact.holds is fact.parts[0].holds
        elif fact.wanted and not fact.parts:
            verdict = self._is_as_wanted(fact)
            assert verdict in (None, fact.holds), fact
            self._count("compared" if verdict is not None else "not compared")
        if fact.what.startswith("counts."):
            self._check_session_count(fact)
        elif fact.events and not fact.what.startswith("consent "):
            self._check_events(fact)
        elif fact.what.startswith("consent ") and fact.events:
            self._check_consent(fact)

    def _is_as_wanted(self, fact: Fact) -> bool | None:
        """Say whether what was found is as wanted; None where that cannot be told from words."""
        ago = re.fullmatch(r"(?:at least (\d+\w+) ago|not in the last (\d+\w+))", fact.wanted)
        if ago is None:
            return meets(fact.found, fact.wanted)
        return fact.since_ms is None or self._now - fact.since_ms >= span(ago[1] or ago[2])

    def _check_session_count(self, fact: Fact) -> None:
        session = self._notes(SessionNote)[-1]
        name = fact.what.removeprefix("counts.")
        ids = [
            each.id
            for at_ms, each in self._events(name)
            if session.started_at_ms <= at_ms < session.at_ms
        ]
        assert fact.found == len(ids)
        assert [event.id for event in reversed(fact.events)] == ids
        self._count("session count")

    def _check_events(self, fact: Fact) -> None:
        """All that counted came, by their ids and moments; of plain counts none is left out."""
        known = {(each.name, each.id): each.at_ms for at_ms, each in self._all_events()}
        for event in fact.events:
            if (event.name, event.id) in known:
                assert known[event.name, event.id] == event.at_ms
            else:
                assert event.name not in {name for name, _ in known}, event
        names, _, span_text = fact.what.partition(" in the last ")
        if span_text in {"1h", "7d", "21d", "30d", "60d", "400d"} and " " not in names:
            ids = [
                each.id
                for at_ms, each in self._events(names)
                if each.at_ms is not None and each.at_ms > self._now - span(span_text)
            ]
            assert sorted(event.id for event in fact.events) == sorted(ids)
        self._count("events")

    def _check_consent(self, fact: Fact) -> None:
        channel, _, purpose = fact.what.removeprefix("consent ").partition(".")
        said = []
        for name in ("identify", "consent"):
            for _, each in self._events(name):
                consent = each.payload if name == "consent" else each.payload.get("consent", {})
                level = consent.get(channel)
                level = level.get(purpose or "marketing") if isinstance(level, dict) else level
                if level is not None and (not purpose or isinstance(consent[channel], dict)):
                    said.append((each.position, level, each.id))
        _, level, id = max(said)
        assert (fact.found, fact.events[0].id) == (level, id)
        self._count("consent")

    # What came before

    def _notes(self, kind: type[Any]) -> list[Any]:
        return [each.note for each in self._entries if isinstance(each.note, kind)]

    def _entries_of(self, journey: str) -> list[EntryNote]:
        return [each for each in self._notes(EntryNote) if each.journey == journey]

    def _ends_of(self, journey: str) -> list[int]:
        return [each.at_ms for each in self._notes(EndNote) if each.journey == journey]

    def _inputs(self) -> set[str]:
        return {each.input.what for each in self._entries if isinstance(each.input, InputTold)}

    def _all_events(self) -> list[tuple[int, InputTold]]:
        return [
            (each.at_ms, each.input)
            for each in self._entries
            if isinstance(each.input, InputTold)
            and (each.input.what, each.input.verdict) == ("event", "applied")
        ]

    def _events(self, name: str) -> list[tuple[int, InputTold]]:
        return [each for each in self._all_events() if each[1].name == name]

    def _shown(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(self.zone)

    def _day(self, at_ms: int) -> object:
        return self._shown(at_ms).date()


def span(text: str) -> int:
    """Read `24h`."""
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * SPANS[unit]


def meets(found: Any, wanted: str) -> bool | None:
    """Say whether a value is as wanted, in words; None where that cannot be told from them."""
    for verb, compares in VERBS.items():
        if wanted.startswith(verb):
            verdict: bool = compares(found, wanted.removeprefix(verb).removeprefix(" "))
            return verdict
    return None


def is_address(found: Any, _: str) -> bool:
    return isinstance(found, str) and bool(re.fullmatch(r"\S+@\S+\.\S+|\+\d{8,15}", found))


def is_one_of(found: Any, operand: str) -> bool:
    listed = json.loads(operand) if operand.startswith("[") else operand.split(", ")
    return found in listed


def is_within(found: Any, operand: str) -> bool:
    low, _, high, *_ = operand.split()
    return float(low) <= float(found) < float(high)


def is_at_most(found: Any, operand: str) -> bool:
    if isinstance(found, str):
        return span(found) <= span(operand)
    return bool(found <= float(operand))


def is_level(level: str) -> Callable[[Any, str], bool]:
    return lambda found, _: STRENGTH.index(found) >= STRENGTH.index(level)


VERBS: Final[dict[str, Callable[[Any, str], bool]]] = {
    "there": lambda found, _: found is not None,
    "not there": lambda found, _: found is None,
    "equals": lambda found, operand: bool(found == json.loads(operand)),
    "not equals": lambda found, operand: bool(found != json.loads(operand)),
    "as in what it was entered on:": lambda found, operand: bool(found == json.loads(operand)),
    "at least": lambda found, operand: found is not None and found >= float(operand),
    "at most": is_at_most,
    "fewer than": lambda found, operand: bool(found < float(operand)),
    "exactly": lambda found, operand: bool(found == float(operand)),
    "one of": is_one_of,
    "from": is_within,
    "a valid address": is_address,
    "opt_in": is_level("opt_in"),
    "double_opt_in": is_level("double_opt_in"),
}
