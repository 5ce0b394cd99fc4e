"""Inbox: requests that come to inputs, in the order of arrival, folded slice by slice."""

from collections import deque

from actors.links.link import (
    Accept,
    Accepted,
    Done,
    EraseContact,
    Folded,
    Link,
    Refused,
    RunOut,
    Settle,
)
from actors.shards.answer import Answer
from actors.shards.eraser import Eraser
from actors.shards.mover import Mover
from actors.shards.outbox import Outbox
from actors.shards.pulls import Pulls
from actors.shards.shard import Shard
from engine.contacts.identity import partition_of
from engine.input import Verdict


class Inbox:
    """Requests that wait to be folded; `fold` takes the one in front, or a part of it."""

    def __init__(self, shard: Shard, outbox: Outbox, pulls: Pulls) -> None:
        self.eraser: Eraser | None = None
        self.mover: Mover | None = None
        self._shard = shard
        self._outbox = outbox
        self._pulls = pulls
        self._requests: deque[tuple[Link, Folded | None]] = deque()
        self._part: bytearray | None = None
        """Verdicts so far of the Accept in front, where a slice ended amid it."""

    def __len__(self) -> int:
        return len(self._requests)

    def put(self, link: Link, request: Folded | None) -> None:
        """Let a request wait; None says that the link was lost."""
        self._requests.append((link, request))

    def refuse_events(self, why: str) -> None:
        """Refuse events and erasures that wait, but for those of a request that is begun."""
        waiting = [self._requests.popleft() for _ in range(len(self._requests))]
        for index, (link, request) in enumerate(waiting):
            if (index or self._part is None) and isinstance(request, Accept | EraseContact):
                link.refuse(request, why)
            else:
                self._requests.append((link, request))

    def fold(self, inputs_left: int, end_ns: int, read_ms: int, answers: list[Answer]) -> int:
        """Fold the request in front, or a part of it; return how many inputs that were."""
        link, request = self._requests[0]
        if request is None:
            self._requests.popleft()
            self._outbox.lose(link)
            return 1
        if isinstance(request, Accept):
            return self._fold_events(link, request, inputs_left, end_ns, read_ms, answers)
        if isinstance(request, EraseContact):
            self._requests.popleft()
            assert self.eraser is not None, "refused before"
            answers.append(self.eraser.take(link, request, self._shard, self._outbox, read_ms))
            return inputs_left  # What tells of the contact stands before it, in this frame too.
        reply: Done | Refused = Done(request.seq)
        if isinstance(request, RunOut):
            if self._shard.advance(request.until_ms, read_ms):
                return 1
        elif isinstance(request, Settle):
            reply = self._settle(link, request, read_ms)
        else:
            reply = self._pulls.publish(request, read_ms)
        self._requests.popleft()
        answers.append(Answer(link, reply))
        return 1

    def _settle(self, link: Link, request: Settle, read_ms: int) -> Done:
        elsewhere = []
        for index, receipt in enumerate(request.receipts):
            number = partition_of(receipt.contact)
            if number in self._shard.partitions:
                self._shard.settle(number, receipt, read_ms)
                self._outbox.settle(link, receipt.key)
            else:
                elsewhere.append(index)
        return Done(request.seq, elsewhere)

    def _fold_events(
        self,
        link: Link,
        request: Accept,
        inputs_left: int,
        end_ns: int,
        read_ms: int,
        answers: list[Answer],
    ) -> int:
        verdicts = bytearray() if self._part is None else self._part
        events, begun = request.events, len(verdicts)
        apply_event = self._shard.apply_event
        for event in events[begun : begun + inputs_left]:
            if link.moved and link.moved.get(event.partition, -1) >= request.attempt:
                verdicts.append(Verdict.MOVED)  # Taken here after all, it would overtake.
                continue
            verdict = apply_event(event, read_ms)
            if verdict == Verdict.MOVED:
                link.moved[event.partition] = request.attempt
            verdicts.append(verdict)
            if self._shard.folded_at_ns >= end_ns:
                break
        folded = len(verdicts) - begun
        if len(verdicts) < len(events):
            self._part = verdicts
            return folded
        self._part = None
        self._requests.popleft()
        reply = Accepted(request.seq, bytes(verdicts))
        if Verdict.MOVED in verdicts:
            self._say_where(request, reply)
        answers.append(Answer(link, reply))
        return folded

    def _say_where(self, request: Accept, reply: Accepted) -> None:
        """Say where the partitions are whose events were not taken."""
        numbers = {
            event.partition
            for event, verdict in zip(request.events, reply.verdicts, strict=True)
            if verdict == Verdict.MOVED
        }
        if self.mover is not None:
            reply.moves = [self.mover.where(number) for number in sorted(numbers)]
