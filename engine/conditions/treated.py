"""Treated: how we treated the contact before: which messages it had, and what became of them."""

from typing import Final

from engine.calendar.span import span_text
from engine.conditions.condition import Test, range_text
from engine.contacts.contact import Sent
from engine.fact import Fact, PastMessage
from engine.limits import FAR_MS, MESSAGES_KEPT_MAX
from engine.moment import Moment

AT_MS: Final = {
    "sent": "at_ms",
    "not_sent": "at_ms",
    "delivered": "delivered_at_ms",
    "opened": "opened_at_ms",
    "clicked": "clicked_at_ms",
    "bounced": "bounced_at_ms",
}
"""What happened to a message -> the field of Sent that says when."""


class Messages:
    """Which messages are meant; empty fields mean any."""

    __slots__ = ("channel", "journey", "node", "purpose")

    def __init__(self, journey: str, node: str, channel: str, purpose: str) -> None:
        self.journey = journey
        self.node = node
        self.channel = channel
        self.purpose = purpose

    def include(self, sent: Sent) -> bool:
        """Say whether this one is meant."""
        return (
            (not self.journey or sent.journey == self.journey)
            and (not self.node or sent.node == self.node)
            and (not self.channel or sent.channel == self.channel)
            and (not self.purpose or sent.purpose == self.purpose)
        )

    def text(self) -> str:
        """Return in words which are meant."""
        named = ("journey", "node", "channel", "purpose")
        said = [f"{name} {getattr(self, name)}" for name in named if getattr(self, name)]
        return f" ({', '.join(said)})" if said else ""


class Treated(Test):
    """It happened to so many messages in (now - span, now], or since the visit was entered."""

    __slots__ = ("at_least", "at_most", "field", "in_visit", "messages", "span_ms", "what")

    def __init__(self, what: str, messages: Messages, at_least: int, at_most: int) -> None:
        self.what = what
        self.field = AT_MS[what]
        self.messages = messages
        self.at_least = at_least
        self.at_most = at_most
        self.span_ms = FAR_MS
        self.in_visit = False

    def _after_ms(self, moment: Moment) -> int:
        if self.in_visit:
            return FAR_MS if moment.visit is None else moment.visit.entered_at_ms - 1
        return max(moment.now_ms - self.span_ms, 0)

    def _moments(self, moment: Moment) -> list[int]:
        """Return when it happened to each of the messages that are meant, since the begin."""
        after_ms, with_dry = self._after_ms(moment), _is_dry(moment)
        happened = [
            getattr(sent, self.field)
            for sent in moment.contact.messages
            if self.messages.include(sent) and (with_dry or not sent.dry)
        ]
        return [at_ms for at_ms in happened if at_ms > after_ms]

    def holds(self, moment: Moment) -> bool:
        """See Test."""
        return self.at_least <= len(self._moments(moment)) <= self.at_most

    def explain(self, moment: Moment) -> Fact:
        """See Test."""
        after_ms, with_dry = self._after_ms(moment), _is_dry(moment)
        meant = [
            PastMessage(sent.key, at_ms)
            for sent in reversed(moment.contact.messages)
            if self.messages.include(sent)
            and (with_dry or not sent.dry)
            and (at_ms := getattr(sent, self.field)) > after_ms
        ]
        happened = "sent" if self.what == "not_sent" else self.what
        return Fact(
            what=f"messages {happened}{self.messages.text()}{self._window_text()}",
            holds=self.holds(moment),
            wanted=range_text(self.at_least, self.at_most, MESSAGES_KEPT_MAX),
            found=len(meant),
            messages=meant,
            since_ms=after_ms if 0 < after_ms < FAR_MS else None,
        )

    def _window_text(self) -> str:
        if self.in_visit:
            return " in the visit"
        return "" if self.span_ms == FAR_MS else f" in the last {span_text(self.span_ms)}"

    def changes_at_ms(self, moment: Moment) -> int:
        """See Test: where the first falls out of the window."""
        if self.in_visit:
            return FAR_MS
        return min(min(self._moments(moment), default=FAR_MS) + self.span_ms, FAR_MS)


def _is_dry(moment: Moment) -> bool:
    """Say whether a dry visit asks: for it alone, what was decided in test mode was sent."""
    return moment.visit is not None and moment.visit.dry
