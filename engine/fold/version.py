"""Version: what a publish makes of the visits that are in flight."""

from typing import Final

from engine.contacts.contact import Visit
from engine.contacts.identity import VISIT_ID_CHARS
from engine.decision import EXITED
from engine.limits import FAR_MS
from engine.moment import Moment
from engine.nodes.outbox import stop_pending
from engine.nodes.walk import end_visit, hold_timer
from engine.program import Program
from engine.trace import CarryNote, Trace

NODE_REMOVED: Final = "node_removed"
JOURNEY_ENDED: Final = "journey_ended"
"""Reasons why a publish ended a visit."""


class Passage:
    """How visits of older versions come over to the version `number`, if they do."""

    __slots__ = ("ends", "moved", "number", "stays")

    def __init__(self, number: int, moved: dict[str, str], *, stays: bool, ends: bool) -> None:
        self.number = number
        self.moved = moved
        """Node before -> node now, where it is another; empty: none."""
        self.stays = stays
        self.ends = ends


class Line:
    """A journey's line of versions: its state, and what leads from older ones to the one now."""

    __slots__ = ("ended", "kept", "number", "passages", "paused")

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.paused = False
        self.ended = False
        self.passages: list[Passage] = []
        """In order of their numbers."""
        self.kept: dict[int, Program] = {}


NO_LINE: Final = Line()


class Versions:
    """The lines of all journeys that have one; `program_of` finds a visit's own version."""

    __slots__ = ("by_journey", "lines")

    def __init__(self, by_journey: dict[str, Program], lines: dict[str, Line]) -> None:
        self.by_journey = by_journey
        self.lines = lines

    def program_of(self, visit: Visit) -> Program | None:
        """Return the program that a visit follows: that in force, or the one it stayed in."""
        line = self.lines.get(visit.journey)
        if line is not None and line.kept:
            kept = line.kept.get(visit.version)
            if kept is not None:
                return kept
        return self.by_journey.get(visit.journey)

    def is_ended(self, journey: str) -> bool:
        """Say whether a journey was ended for good: nobody enters it."""
        line = self.lines.get(journey)
        return line is not None and line.ended

    def carry_over(self, moment: Moment) -> None:
        """Bring the contact's visits to where the publication in force wants them, as of now.

        Passes are applied in order from the version that a visit is in: so it does not matter
        whether it was looked at after each publish. What was due before now is not put off.
        """
        contact = moment.contact
        for visit in contact.visits[:]:
            line = self.lines.get(visit.journey, NO_LINE)
            version, node = visit.version, visit.node
            if self._pass(moment, line, visit):
                self._hold_or_let_go(moment, line, visit)
            if visit.version != version and type(moment.decisions) is Trace:
                moment.decisions.note(
                    CarryNote(
                        at_ms=moment.now_ms,
                        journey=visit.journey,
                        visit=visit.id,
                        version=visit.version,
                        node=visit.node,
                        until_ms=visit.due_at_ms,
                        node_before=node,
                    )
                )
        for pending in contact.pending:
            if self.lines.get(pending.journey, NO_LINE).ended:
                stop_pending(pending, moment.now_ms, EXITED, JOURNEY_ENDED)

    def _pass(self, moment: Moment, line: Line, visit: Visit) -> bool:
        """Take a visit through the passages; False where its timer is none to be put off."""
        version, node = visit.version, visit.node
        for passage in line.passages:
            if passage.number <= version or passage.stays:
                continue
            if passage.ends:
                _end(moment, visit, JOURNEY_ENDED)
                return False
            version, node = passage.number, passage.moved.get(node, node)
        held = is_held(visit)
        if held:
            visit.due_at_ms = visit.was_due_ms
        to_come = held or visit.due_at_ms >= moment.now_ms
        if version == visit.version:
            return to_come
        program = line.kept.get(version) or self.by_journey.get(visit.journey)
        if program is not None and node not in program.places:
            _end(moment, visit, NODE_REMOVED)
            return False
        visit.version, visit.carried = version, True
        if node != visit.node:
            moment.counts.append((visit.journey, visit.node, node, "", moment.now_ms, 1))
            visit.node, visit.held_since_ms = node, 0
        if program is not None and to_come and not visit.enters:
            _plan_again(moment, program, visit)
        return to_come

    def _hold_or_let_go(self, moment: Moment, line: Line, visit: Visit) -> None:
        if line.paused:
            hold_timer(visit)
        elif visit.due_at_ms < moment.now_ms:
            visit.was_due_ms, visit.due_at_ms = visit.due_at_ms, moment.now_ms
        else:
            visit.was_due_ms = 0


def is_held(visit: Visit) -> bool:
    """Say whether a visit's timer is put off, as its journey is paused."""
    return visit.due_at_ms == FAR_MS and visit.was_due_ms != 0


def _plan_again(moment: Moment, program: Program, visit: Visit) -> None:
    moment.visit, moment.trigger = visit, visit.trigger
    due_at_ms = program.places[visit.node].due_again_ms(moment, visit)
    visit.enters = due_at_ms is None
    visit.due_at_ms = moment.now_ms if due_at_ms is None else due_at_ms


def _end(moment: Moment, visit: Visit, reason: str) -> None:
    """End a visit, and stop its messages that no courier has yet."""
    end_visit(moment, visit, EXITED, reason)
    for pending in moment.contact.pending:
        if pending.key[:VISIT_ID_CHARS] == visit.id:
            stop_pending(pending, moment.now_ms, EXITED, reason)
