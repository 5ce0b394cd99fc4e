"""What authors write as nodes. A node says what it is by the key it has: `wait:` is a WaitNode."""

from typing import Any, Final, Literal

from msgspec import Struct

from engine.language.clause import Condition, Number


class Node(Struct, kw_only=True, forbid_unknown_fields=True):
    """One element of a journey. It goes on to `then`, or to the node written after it."""

    id: str
    then: str | None = None


class DecideNode(Node, kw_only=True, rename={"if_": "if", "else_": "else"}):
    """Go on if the condition holds, else to the node `else`, or out of the journey."""

    if_: Condition
    else_: str | None = None


class Branch(Struct, kw_only=True, forbid_unknown_fields=True):
    """One way out of a split, for those for whom the condition holds."""

    when: Condition
    then: str


class SplitNode(Node, kw_only=True, rename={"else_": "else"}):
    """Take the first branch whose condition holds, else go to `else`, or out of the journey."""

    split: list[Branch]
    else_: str | None = None


class SwitchNode(Node, kw_only=True, rename={"else_": "else"}):
    """Take the branch of the value that a field has (`trigger.status`, `contact.tier`)."""

    switch: str
    cases: dict[str, str]
    """Value -> node. Numbers and true or false are written as texts."""
    else_: str | None = None


class Share(Struct, kw_only=True, forbid_unknown_fields=True):
    """One way out of a random split."""

    share: Number
    """Percentage; all together are 100, or what rounding leaves of it."""
    then: str | None = None
    """Without it, the visit ends there."""
    hold_out: bool = False
    """These get no message from here on, so that one can see what messages change."""


class RandomNode(Node, kw_only=True):
    """Split by chance; a contact always falls on the same side of one node."""

    random: list[Share]
    salt: str | None = None
    """Two nodes of one salt split alike; where not given, each node splits in its own way."""


class Until(Struct, kw_only=True, forbid_unknown_fields=True):
    """Until when to wait. Several together: the first moment, from the date on, at which all is so.

    Local times that clocks skip, or show twice, count as `engine.calendar.zone` says.
    """

    until: str | None = None
    """A date or moment: `2026-12-24`, `2026-12-24T09:00`."""
    attribute: str | None = None
    """An attribute of the contact that holds a date or moment; where it changes meanwhile, the wait
    does too."""
    field: str | None = None
    """A field of the event entered on that holds a date or moment."""
    offset: str | None = None
    """So much after that date (`3d`), or before it (`-3d`). Whole days are days of the calendar."""
    time: str | None = None
    """The next time that it is `09:00`, never right now; of that date, where one is given."""
    between: list[str] | None = None
    """Only inside this window of the day: `["09:00", "18:00"]`; inside it nothing is waited."""
    weekdays: list[str] | None = None
    """Only on these: `[mon, tue]`; where no time or window is given, from midnight on."""
    zone: str = "contact"
    """`contact` (the attribute `time_zone`, else that of the settings), `settings`, or a name."""


class WaitNode(Node, kw_only=True, rename={"else_": "else"}):
    """Stay for a span of time, or until a moment."""

    wait: str | Until
    else_: str | None = None
    """Where to go if the date is past, not known, or further than 400 days away. Without it the
    visit goes on where it is past, and ends where it is not known or so far."""


class Awaited(Struct, kw_only=True, forbid_unknown_fields=True):
    """An event that is waited for, and where it leads."""

    event: str
    when: Condition | None = None
    same: list[str] = []
    """Fields that must be as in the event that the visit was entered on: `order_id`."""
    then: str | None = None
    """The node after this one where not given."""
    again: bool = False
    """The event starts the wait again instead of ending it."""


class AwaitNode(Node, kw_only=True, rename={"else_": "else"}):
    """Stay until one of these events comes, or until the time is over.

    An event takes the first branch that it fits. What it carried stays with the visit
    (`visit: answers.NODE.FIELD`).
    """

    wait_for: list[Awaited]
    timeout: str
    else_: str | None = None
    """Where to go when the time is over; out of the journey where not given. Where each event
    starts the wait `again`, no other way is left: then it is the node after this one."""


class SendNode(Node, kw_only=True):
    """Send a message on a channel, if all rules allow it, and go on."""

    send: str
    template: str
    purpose: str = "marketing"
    on_cap: str = "drop"
    """Where a cap is reached: `drop` the message and go on, `wait` until it is free again, or the
    node to go to instead."""
    in_quiet_hours: Literal["delay", "drop"] | None = None
    """Instead of what the settings say for the channel."""
    needs: list[str] = []
    """What must be there, or the message is not sent: `contact.surname`, `trigger.product_id`."""


class SetNode(Node, kw_only=True):
    """Set attributes of the contact: to a value, or to what `{from: trigger.tier}` names.

    Null removes an attribute. Where nothing is found it stays, or gets the `default` given
    beside `from`.
    """

    set: dict[str, Any]


class ListNode(Node, kw_only=True):
    """Put the contact on a static list, or on an audience of the ads channel; or take it off.

    An audience asks for no consent and counts for no cap.
    """

    add_to: str | None = None
    remove_from: str | None = None
    audience: bool = False


class EmitNode(Node, kw_only=True):
    """Let an event happen, as if it had been sent; values as in a SetNode."""

    emit: str
    payload: dict[str, Any] = {}


class StartNode(Node, kw_only=True):
    """Let the contact enter another journey, on the event that this visit was entered on."""

    start: str


class EndNode(Node, kw_only=True):
    """End the contact's visits of a journey."""

    end: str


class WebhookNode(Node, kw_only=True, rename={"else_": "else"}):
    """Ask a server, and go on with what it answers (`visit: answers.NODE.body.FIELD`)."""

    webhook: str
    """Its URL; the operator must have allowed its host."""
    method: Literal["POST", "PUT", "GET"] = "POST"
    headers: dict[str, Any] = {}
    body: dict[str, Any] = {}
    """Values as in a SetNode, sent as JSON; those of a GET come into the URL's query."""
    timeout: str = "1h"
    else_: str | None = None
    """Where to go if it fails or nothing comes in time; out of the journey where not given."""


class ParticipationNode(Node, kw_only=True, rename={"else_": "else"}):
    """Go on if the contact has not gone on here for this span, else to `else` or out."""

    participation: str
    else_: str | None = None


class GoalNode(Node, kw_only=True):
    """Record that the visit reached what it is for, and go on."""

    goal: str


class ExitNode(Node, kw_only=True):
    """Leave the journey; the text says why."""

    exit: str


NODE_KINDS: Final[dict[str, type[Node]]] = {
    "if": DecideNode,
    "split": SplitNode,
    "switch": SwitchNode,
    "random": RandomNode,
    "participation": ParticipationNode,
    "wait": WaitNode,
    "wait_for": AwaitNode,
    "send": SendNode,
    "webhook": WebhookNode,
    "exit": ExitNode,
    "set": SetNode,
    "add_to": ListNode,
    "remove_from": ListNode,
    "emit": EmitNode,
    "start": StartNode,
    "end": EndNode,
    "goal": GoalNode,
}
