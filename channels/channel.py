"""Channel: the port to the ways of reaching a contact, and what it says became of a message."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from channels.message import Message

Kind = Literal["delivered", "failed", "retry"]


class Result(Struct, frozen=True, gc=False):
    """What became of one try to deliver one message.

    `delivered`: the channel has taken it. `failed`: it never will, another try is useless.
    `retry`: not now; the courier tries again later, with the same key.
    """

    key: str
    kind: Kind
    reason: str = ""
    """Why not; empty where delivered."""
    answer: dict[str, Any] | None = None
    """What a webhook's server said, as `engine.contacts.answer.web_answer` makes it."""


class ChannelError(Exception):
    """A channel cannot be opened; the text tells the operator what to mend, and where."""


class Channel(Protocol):
    """A way to reach contacts.

    The message's key is the idempotency key. A courier hands a key over again only if the
    outcome of the last try was `retry` or is unknown (a crash, a lost receipt). A channel that
    knows a key as delivered says `delivered` again and does nothing. What it cannot know, as
    after a connection that broke before the answer, it reports as `retry`, and makes sure that
    the second copy can be told to be one: the same key, the same bytes.
    """

    async def deliver(self, messages: Sequence[Message]) -> list[Result]:
        """Deliver a batch and return one Result per message, in order.

        Never raises for a message's sake, nor because the other side is down. Calls may overlap.
        """
        ...

    async def close(self) -> None:
        """Let go of files and connections, after the batch under way. May be called twice."""
        ...
