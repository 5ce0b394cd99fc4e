"""Post: a channel that remembers every try, and fails, puts off or dawdles as the seed says."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from channels.channel import Result
from channels.message import Message
from tests.simulation.loop import Scheduler


class Try:
    """One try to deliver one message."""

    __slots__ = ("answered", "key", "links", "result")

    def __init__(self, key: str, links: int) -> None:
        self.key = key
        self.links = links
        """How many links the courier had had to the message's shard by then."""
        self.result = ""
        """Empty where the courier ended before it was told."""
        self.answered = False


class Post:
    """What lies outside, and survives all crashes: the tries of each key, in order."""

    def __init__(self, scheduler: Scheduler, links: Callable[[str], int]) -> None:
        self._scheduler = scheduler
        self._links = links
        self.tries: dict[str, list[Try]] = {}
        self.contacts: dict[str, str] = {}
        """Whose message each key is."""
        self.begun: Counter[str] = Counter()
        """Tries of each key but for those that its courier put off."""
        self.handovers: Counter[str] = Counter()
        """How often each key's handover was made durable."""
        self.put_off = 0.1
        self.bounces = 0.1

    async def deliver(self, messages: Sequence[Message]) -> list[Result]:
        """See channels.channel.Channel."""
        random = self._scheduler.random
        tried = [self._begin(message) for message in messages]
        await asyncio.sleep(random.random() * (0.1 if random.random() < 0.2 else 0.002))
        results = []
        for each in tried:
            chance = random.random()
            if chance < self.put_off:
                each.result = "retry"
            elif chance < self.put_off + self.bounces:
                each.result = "failed"
            else:
                each.result = "delivered"
            reason = "" if each.result == "delivered" else "bounced"
            results.append(Result(each.key, each.result, reason))  # type: ignore[arg-type]
            self._scheduler.note("post", f"{each.key} {each.result}")
        await asyncio.sleep(random.random() * 0.002)
        return results

    async def close(self) -> None:
        """See channels.channel.Channel."""

    def _begin(self, message: Message) -> Try:
        key = message.key
        mine = Try(key, self._links(message.contact))
        self.contacts[key] = message.contact
        before = self.tries.setdefault(key, [])
        put_off = bool(before) and before[-1].result == "retry"
        again = put_off and before[-1].links == mine.links
        """Whether it is the same handover, tried again by its courier."""
        if not again:
            self.begun[key] += 1
            if before and before[-1].links == mine.links:
                self._fault(f"{key} is tried again though nothing was lost")
            if self.handovers[key] < self.begun[key]:
                self._fault(f"{key} is tried before its handover is durable")
        before.append(mine)
        self._scheduler.note("post", f"{key} of {message.contact}, try {len(before)}")
        return mine

    def _fault(self, what: str) -> None:
        self._scheduler.fault("post", what)
