"""The shard's view of its outbox: which messages wait for a courier, and which one has them."""

from collections import deque
from collections.abc import Callable

from actors.links.link import Link
from engine.decision import SENT, Outcome


class Outbox:
    """Keys of messages decided and not settled, by channel, in the order they were decided.

    Derived from the fold and never stored: recovery builds it again.
    """

    def __init__(self) -> None:
        self._ready: dict[str, deque[Outcome]] = {}
        self._handed: dict[Link, dict[str, Outcome]] = {}
        self._unsettled: set[str] = set()

    def put(self, outcome: Outcome) -> None:
        """Take in a decided message, or that one ended another way before its handover."""
        if outcome.outcome != SENT:
            self._unsettled.discard(outcome.key)
        elif outcome.key not in self._unsettled:
            self._unsettled.add(outcome.key)
            self._ready.setdefault(outcome.channel, deque()).append(outcome)

    def take(self, channel: str, limit: int) -> list[Outcome]:
        """Take messages of a channel that no courier has, the oldest first."""
        ready = self._ready.get(channel)
        taken: list[Outcome] = []
        while ready and len(taken) < limit:
            outcome = ready.popleft()
            if outcome.key in self._unsettled:
                taken.append(outcome)
        return taken

    def hand(self, link: Link, outcomes: list[Outcome]) -> None:
        """Note that the courier at the other end of `link` has these now."""
        self._handed.setdefault(link, {}).update((each.key, each) for each in outcomes)

    def knows(self, link: Link) -> bool:
        """Say whether a courier at the other end of `link` was ever given something."""
        return link in self._handed

    def settle(self, link: Link | None, key: str) -> None:
        """Note that a message is settled; `link` is the one it was handed over, if any."""
        self._unsettled.discard(key)
        if link is not None:
            self._handed.get(link, {}).pop(key, None)

    def lose(self, link: Link) -> None:
        """Take back what the courier at the end of a lost link had: with it, all is unknown."""
        for outcome in reversed(self._handed.pop(link, {}).values()):
            if outcome.key in self._unsettled:
                self._ready.setdefault(outcome.channel, deque()).appendleft(outcome)

    def forget(self, is_erased: Callable[[str], bool]) -> None:
        """Drop the messages of contacts of which `is_erased` says so, whoever has them."""
        for channel, ready in self._ready.items():
            gone = {each.key for each in ready if is_erased(each.contact)}
            if gone:
                self._unsettled -= gone
                self._ready[channel] = deque(each for each in ready if each.key not in gone)
        for handed in self._handed.values():
            for key in [key for key, each in handed.items() if is_erased(each.contact)]:
                self._unsettled.discard(key)
                del handed[key]

    def withdraw(self, is_moved: Callable[[str], bool]) -> list[Outcome]:
        """Take out the messages of contacts of which `is_moved` says so, whoever has them."""
        ready = [each for outcomes in self._ready.values() for each in outcomes]
        handed = [each for outcomes in self._handed.values() for each in outcomes.values()]
        found = [
            each for each in [*handed, *ready] if is_moved(each.contact) and self.holds(each.key)
        ]
        self.forget(is_moved)
        return found

    def holds(self, key: str) -> bool:
        """Say whether a message is not settled."""
        return key in self._unsettled

    def waiting(self, channel: str) -> bool:
        """Say whether a courier for this channel would get something."""
        return bool(self._ready.get(channel))

    @property
    def handed(self) -> int:
        """How many messages couriers have now."""
        return sum(len(each) for each in self._handed.values())

    @property
    def depth(self) -> int:
        """How many messages are not settled."""
        return len(self._unsettled)
