"""Scenario: what authors write to test journeys: what is given, in order, and what they expect.

A scene or expectation says what it is by the key it has: `event:` makes an EventScene, `message:`
a MessageExpectation. `console.scenarios.reader` reads them so, and names every mistake with
its path.
"""

from typing import Any, Final, Literal

from msgspec import Struct

from engine.language.journey import Level

START: Final = "2026-03-02T10:00"
"""When a scenario begins unless it says otherwise: a Monday without anything special."""
CONTACT: Final = "c-1"
NOTHING_MORE: Final = "nothing"
NOWHERE: Final = "nowhere"

ReceiptKind = Literal["delivered", "failed", "opened", "clicked", "bounced"]
Consents = dict[str, Level | dict[str, Level]]
"""By channel; a level, or one for each purpose."""


class Expectation(Struct, kw_only=True):
    """Something that must be so at its moment."""


class When(Struct, kw_only=True):
    """A moment to the minute, or more exactly where it is written so."""

    at: str = ""
    after_start: str = ""
    """The span since the scenario's start, `2h36m`, in place of `at`."""


class ExpectedMessage(When, kw_only=True):
    """What a message must be like, as its channel gets it; what is left out may be anything."""

    journey: str = ""
    node: str = ""
    channel: str = ""
    template: str = ""
    language: str = ""
    """Of the template it was rendered from."""
    to: str | None = None
    subject: str | None = None
    """The whole of it."""
    contains: str | list[str] = []
    """Texts, each in subject or body."""


class ExpectedNone(When, kw_only=True):
    """A visit, or a message of it, that came to nothing."""

    journey: str
    node: str = ""
    why: str = ""
    """A part of the outcome (`capped`, `no_consent`, `exited` ...) or of its reason."""


class ExpectedVisit(Struct, kw_only=True):
    """Where a contact's visit stands."""

    journey: str
    node: str = ""
    until: str = ""
    """The moment its wait is over."""


class MessageExpectation(Expectation, kw_only=True):
    """A message went out that no expectation before this one has taken."""

    message: ExpectedMessage


class NoneExpectation(Expectation, kw_only=True):
    """A message did not go out, and this is why."""

    none: ExpectedNone


class WaitingExpectation(Expectation, kw_only=True):
    """A visit waits there; `nowhere`: the contact is in no journey."""

    waiting: Literal["nowhere"] | ExpectedVisit


class AttributesExpectation(Expectation, kw_only=True):
    """The contact has these attributes; null stands for one that it has not."""

    attributes: dict[str, Any]


class SegmentsExpectation(Expectation, kw_only=True):
    """The contact is in these segments now, or on these lists (true), or it is not (false)."""

    segments: dict[str, bool]


class ExpectedGoal(When, kw_only=True):
    """A visit that came to a goal."""

    journey: str
    goal: str = ""
    """A part of what is recorded: the event's name, or the text of the node; and `held out`."""


class ConvertedExpectation(Expectation, kw_only=True):
    """A visit came to the goal of its journey, and no expectation before this one took that."""

    converted: ExpectedGoal


EXPECTATION_KINDS: Final[dict[str, type[Expectation]]] = {
    "message": MessageExpectation,
    "none": NoneExpectation,
    "waiting": WaitingExpectation,
    "attributes": AttributesExpectation,
    "segments": SegmentsExpectation,
    "converted": ConvertedExpectation,
}


class Scene(Struct, kw_only=True):
    """One entry under `given`. Time passes before it if it says so; else it is at once."""

    contact: str = ""
    """Whose it is; empty: the scenario's."""
    after: str = ""
    """The span that passes before."""
    until: str = ""
    """The moment up to which time passes before, in place of `after`."""


class PauseScene(Scene, kw_only=True):
    """Only time passes."""


class Identity(Struct, kw_only=True):
    """What an event `identify` says of its contact."""

    attributes: dict[str, Any] = {}
    consent: Consents = {}
    lists: dict[str, bool] = {}
    """Those it is put on, or taken off."""


class IdentifyScene(Scene, kw_only=True):
    """The contact tells its attributes, consents and lists."""

    identify: Identity


class ConsentScene(Scene, kw_only=True):
    """The contact gives or withdraws consent."""

    consent: Consents


class EventScene(Scene, kw_only=True):
    """An event happens, once or several times."""

    event: str
    payload: dict[str, Any] = {}
    times: int = 1
    every: str = ""
    """The span between two of them; left out, they are at the same moment."""
    late: str = ""
    """The span since it happened: it comes only now."""
    id: str = ""
    """Of the event; the same id again is a repeat. Each has its own unless this is given."""


class SaidReceipt(Struct, kw_only=True):
    """What a channel says of a message."""

    message: str
    """The node that sent it: the first such message that has no receipt yet."""
    kind: ReceiptKind
    journey: str = ""
    reason: str = ""
    answer: dict[str, Any] | None = None
    """What a webhook's server answered: `status` and `body`."""


class ReceiptScene(Scene, kw_only=True):
    """A channel says what became of a message.

    Those of which none says whether they were delivered are so at once.
    """

    receipt: SaidReceipt


class ExpectScene(Scene, kw_only=True):
    """Something must be so now; `nothing`: no message that no expectation has taken."""

    expect: Literal["nothing"] | Expectation


SCENE_KINDS: Final[dict[str, type[Scene]]] = {
    "identify": IdentifyScene,
    "consent": ConsentScene,
    "event": EventScene,
    "receipt": ReceiptScene,
    "expect": ExpectScene,
}


class Scenario(Struct, kw_only=True):
    """One test."""

    test: str
    """Its name: what is promised, in words."""
    given: list[Scene]
    start: str = START
    zone: str = ""
    """Of the moments in it; empty: the settings' zone."""
    contact: str = CONTACT


class Script(Struct, frozen=True):
    """A scenario without mistakes, and where it stands."""

    file: str
    path: str
    scenario: Scenario
