"""Trace: what led to each decision, and why there was none, taken down while somebody wants it.

The list that a Partition puts its decisions into may be a Trace. Then the fold adds notes to it,
each before the decision that it explains; where a fault takes decisions back, it takes their notes
back, too. With any other list nothing of all this is made: the fold asks for it only where a visit
moves or an entry is considered, and neither states nor decisions are any other.
"""

from typing import Any, Final, TypeVar

from msgspec import Struct

from engine.decision import Decision
from engine.fact import Fact


class Note(Struct, kw_only=True, omit_defaults=True, tag_field="kind"):
    """Something that the fold did, or looked at, at a moment."""

    at_ms: int


class TimerNote(Note, tag="timer"):
    """A timer of the contact goes off; what follows comes of it."""

    what: str
    """`session`, `visit`, `occasion`, or `watch` where conditions are looked at again."""
    journey: str = ""
    node: str = ""
    id: str = ""
    """Of the visit, or of the occasion."""


class TimersOverNote(Note, tag="timers_over"):
    """No more timers are due: what follows comes of the input itself."""


class SessionNote(Note, tag="session"):
    """A session is over."""

    started_at_ms: int
    counts: dict[str, int]
    """By event name."""


class EntryNote(Note, tag="entry"):
    """A journey was considered: the contact entered it, or why not."""

    journey: str
    event: str
    """Name of the event, or id of the occasion, that could have let it in."""
    event_id: str
    why: str
    """One of WHYS."""
    visit: str
    """The id that its visit has, or would have had."""
    key: str = ""
    """Of the outcome that says why not, where there is one."""
    held_out: bool = False
    """Whether its visit walks without messages."""
    facts: list[Fact] = []
    """What was looked at, in this order; where it did not enter, the last one stood in the way."""

    @property
    def entered(self) -> bool:
        """Whether the contact entered."""
        return self.why == ENTERED


ENTERED: Final = "entered"
NO_MATCH: Final = "no_match"
NO_KEY: Final = "no_key"
INSIDE: Final = "inside"
ONCE: Final = "once"
TOO_SOON: Final = "too_soon"
TOO_LATE: Final = "late"
PAUSED: Final = "paused"
BACKLOG_FULL: Final = "backlog_full"
LEAVES_AT_ONCE: Final = "exited"
CROWDED: Final = "crowded"
TURN_TAKEN: Final = "grouped"

WHYS: Final = {
    ENTERED: "entered",
    NO_MATCH: "its condition did not hold",
    NO_KEY: "the event has no value for the re-entry key",
    INSIDE: "a visit is there already",
    ONCE: "it may be entered once only",
    TOO_SOON: "it may not be entered again so soon",
    TOO_LATE: "the event came too late",
    PAUSED: "the journey is paused: the entry waits until it is resumed",
    BACKLOG_FULL: "the journey is paused, and too many entries wait already",
    LEAVES_AT_ONCE: "its condition to leave held already",
    CROWDED: "there were as many visits as may be at a time",
    TURN_TAKEN: "another journey of its group had this turn",
}
"""Why a journey that was considered was entered, or not."""
RECORDED: Final = (TOO_LATE, BACKLOG_FULL, LEAVES_AT_ONCE, CROWDED, TURN_TAKEN)
"""Those that an outcome says as well; of the others nothing is recorded."""


class NodeNote(Note, tag="node"):
    """A visit came to a node, went on from there, or an event came to where it waits."""

    journey: str
    visit: str
    node: str
    how: str
    """`comes`; `time` where a wait is over; `event` where one came that is waited for."""
    key: str
    """That an outcome of the visit has at this node."""
    facts: list[Fact] = []
    goes_to: str | None = None
    """Where the visit goes on, empty at the journey's end; None: it stays."""
    until_ms: int | None = None
    """Until when it stays, if nothing comes before."""


COMES: Final = "comes"
TIME: Final = "time"
EVENT: Final = "event"


class EndNote(Note, tag="end"):
    """A visit ended."""

    journey: str
    visit: str
    node: str
    outcome: str
    reason: str
    """Why it has no message; of one that had some, how it came here last."""
    cause: str
    """The event, visit or occasion at work."""
    key: str
    """That an outcome of it has, where it says so by one."""


class ExitNote(Note, tag="exit"):
    """An event that may end visits of a journey came, or a condition held: it ends them, or not."""

    journey: str
    event: str
    """Empty where a condition came to hold."""
    event_id: str
    ends: bool
    facts: list[Fact] = []


class GoalNote(Note, tag="goal"):
    """The event of a journey's goal came to one who may still reach it."""

    journey: str
    visit: str
    event: str
    event_id: str
    reached: bool
    key: str
    facts: list[Fact] = []


class CarryNote(Note, tag="carry"):
    """A publish brought a visit into another version of its journey."""

    journey: str
    visit: str
    version: int
    node: str
    """Where it stays there."""
    until_ms: int
    node_before: str = ""
    """Where it stayed before; another one where a map leads it elsewhere."""


class SegmentNote(Note, tag="segment"):
    """The contact came into a watched segment, or left it."""

    segment: str
    inside: bool
    facts: list[Fact]


class FollowNote(Note, tag="follows"):
    """An event follows from what happened: a node emitted it, or a segment was entered."""

    event: str
    event_id: str
    payload: dict[str, Any] = {}


class StopNote(Note, tag="stop"):
    """A message that no courier had yet was ended before: its handover finds that."""

    key: str
    stopped_at_ms: int
    outcome: str
    reason: str


AnyNote = TypeVar("AnyNote", bound=Note)


class Trace(list[Decision]):
    """A list of decisions, with the notes that explain them in between."""

    __slots__ = ()

    def note(self, note: AnyNote) -> AnyNote:
        """Take down a note, and return it: what it leads to may be filled in later."""
        self.append(note)  # type: ignore[arg-type]  # Who folds with a Trace reads both.
        return note
