"""Diff: what a draft changes, with numbers from live state: before it is published."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from actors.publications import journey_notes
from actors.publisher import Visits
from actors.shards.census import ENDS, FIRES, KEEPS, LATER, SOONER
from console.journeys.alteration import Alteration, Alterations, alterations_of
from engine.fold.succession import documents_of
from engine.language.journey import Publication

LIVE: Final = "live"
TEST: Final = "test"


class NodeLine(Struct, kw_only=True):
    """What becomes of the visits at one node."""

    node: str
    waiting: int
    keeps: int = 0
    """Their time here stays as it was planned."""
    later: int = 0
    sooner: int = 0
    fires: int = 0
    """Their time here is over with the publish."""
    ends: int = 0
    to: dict[str, int] = {}
    """Node -> how many go there."""


class JourneyLine(Struct, kw_only=True):
    """What the draft makes of one journey."""

    journey: str
    change: str
    """`new`, `changed`, `gone`, or the state it comes to."""
    number: int
    """Of the version that it comes to; 0: it has none."""
    in_flight: str = ""
    mode_was: str = ""
    """`live`, or `test`: only test contacts get messages; empty where the journey was not there."""
    mode: str = ""
    fields: list[Alteration] = []
    """What changes, at its path; of a journey that was there and is."""
    fields_left: int = 0
    """Further ones, which are not told."""
    nodes_new: list[str] = []
    nodes_gone: list[str] = []
    queued: int = 0
    """Entries that wait as it is paused."""
    visits: list[NodeLine] = []


class EntryLine(Struct, kw_only=True):
    """Who would have entered a journey as the draft has it, in the last days."""

    journey: str
    more: int
    """Who would have entered, and would not with what is in force."""
    fewer: int
    """Who would have with what is in force, and not with the draft."""


class Diff(Struct, kw_only=True):
    """What a draft changes."""

    journeys: list[JourneyLine]
    days: int = 0
    """How far back entries were looked at; 0: not at all."""
    entries: list[EntryLine] = []
    entries_note: str = ""
    """What these do not tell, and why."""
    documents: list[Alterations] = []
    """Which fields of the settings, and of segments that were there and are, change."""
    settings: list[str] = []
    templates: list[str] = []
    segments: list[str] = []

    @property
    def empty(self) -> bool:
        """Whether there is nothing to publish."""
        return not (self.journeys or self.settings or self.templates or self.segments)


def diff_of(
    before: Publication, after: Publication, visits: Visits, numbers: Mapping[str, int]
) -> Diff:
    """Say what a publication changes; `visits` were counted with `after` as the draft."""
    old, new = documents_of(before), documents_of(after)
    lines = []
    for note in journey_notes(before, after, numbers):
        was, now = old.get(note.journey), new.get(note.journey)
        there, then = _nodes_of(was), _nodes_of(now)
        altered = alterations_of(note.journey, was, now) if was and now else None
        lines.append(
            JourneyLine(
                journey=note.journey,
                change=note.change,
                number=note.number,
                in_flight=note.in_flight,
                mode_was=_mode_of(was),
                mode=_mode_of(now),
                fields=altered.fields if altered else [],
                fields_left=altered.left if altered else 0,
                nodes_new=[each for each in then if each not in there] if there else [],
                nodes_gone=[each for each in there if each not in then] if then else [],
                queued=visits.queued.get(note.journey, 0),
                visits=_node_lines(note.journey, visits, there),
            )
        )
    return Diff(
        journeys=lines,
        documents=[
            *_altered({"settings": before.settings}, {"settings": after.settings}),
            *_altered(before.segments, after.segments),
        ],
        settings=_changed(before.settings, after.settings),
        templates=_changed(before.templates, after.templates),
        segments=_changed(before.segments, after.segments),
    )


def unmapped(diff: Diff, maps: dict[str, dict[str, str]]) -> list[str]:
    """Say of each journey that migrates which nodes with visits have no place to go to."""
    return [
        f"{line.journey}: {node.ends:,} visits stand at {node.node}, which is gone; say where "
        f"they go: --map {line.journey}:{node.node}=NODE (nothing behind `=`: they end)"
        for line in diff.journeys
        if line.in_flight == "migrate"
        for node in line.visits
        if node.ends and node.node not in maps.get(line.journey, {})
    ]


def _node_lines(journey: str, visits: Visits, order: list[str]) -> list[NodeLine]:
    lines: dict[str, NodeLine] = {}
    fates = {KEEPS: "keeps", LATER: "later", SOONER: "sooner", FIRES: "fires", ENDS: "ends"}
    moved: dict[str, Counter[str]] = {}
    for each in visits.visits:
        if each.journey != journey:
            continue
        line = lines.setdefault(each.node, NodeLine(node=each.node, waiting=0))
        line.waiting += each.count
        field = fates[each.fate]
        setattr(line, field, getattr(line, field) + each.count)
        if each.fate != ENDS and each.to != each.node:
            moved.setdefault(each.node, Counter())[each.to] += each.count
    for node, counts in moved.items():
        lines[node].to = dict(counts)
    places = {node: i for i, node in enumerate(order)}
    return sorted(lines.values(), key=lambda each: (places.get(each.node, len(places)), each.node))


def _altered(before: dict[str, Any], after: dict[str, Any]) -> list[Alterations]:
    there = [name for name in _changed(before, after) if name in before and name in after]
    return [alterations_of(name, before[name], after[name]) for name in there]


def _mode_of(document: Any) -> str:
    return "" if document is None else TEST if document.get("test") is not None else LIVE


def _nodes_of(document: Any) -> list[str]:
    return [] if document is None else [each["id"] for each in document["nodes"]]


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
