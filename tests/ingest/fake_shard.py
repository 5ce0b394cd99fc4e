"""A shard that keeps what it is sent in memory: answers at once, later, or only when told.

`python -m tests.ingest.fake_shard SOCKET` runs one alone, for measuring the gateway by itself.
"""

import asyncio
import sys
from pathlib import Path

import uvloop

from actors.links.address import TCP
from actors.links.credentials import Credentials
from actors.links.door import Door
from actors.links.link import (
    Accept,
    Accepted,
    AskStatus,
    Link,
    LinkEvent,
    Refused,
    Reply,
    Status,
    decode_request,
)
from engine.input import Verdict


class FakeShard:
    """Answers Accept with REPEAT for (contact, id) seen before, FAILED for events named `poison`.

    And with ERASED for those of the contact `erased`.

    `held` collects frames instead of answering them while `hold` is set.
    """

    def __init__(self, path: Path, *, remember: bool = True) -> None:
        self.path = path
        self.hold = False
        self.deaf = False
        self.refuse = ""
        self.held: list[tuple[Link, Accept]] = []
        self.frames: list[list[LinkEvent]] = []
        self.attempts: list[int] = []
        self.status: dict[str, object] = {"contacts": 3, "lag.ms": 1.5, "name": "fake"}
        self.asked = 0
        """How many times it was asked how it is."""
        self._remember = remember
        self._seen: set[tuple[str, str]] = set()
        self.credentials: Credentials | None = None
        """Where they are set, it is reached by TCP, at a port that stays the same."""
        self.address = str(path)
        self._door = Door(self._received, lambda _: None)

    @property
    def events(self) -> list[LinkEvent]:
        """All events that came, in order, resent ones again."""
        return [event for frame in self.frames for event in frame]

    async def start(self) -> "FakeShard":
        if self.credentials is not None and not self.address.startswith(TCP):
            self.address = f"{TCP}127.0.0.1:0"
        self._door = Door(self._received, lambda _: None)
        self.address = await self._door.open(self.address, self.credentials)
        return self

    async def stop(self) -> None:
        """Go away: no answer to what is held, every link closed."""
        self._door.close()
        self.drop_links()
        self.held.clear()
        for _ in range(3):
            await asyncio.sleep(0)
        self.path.unlink(missing_ok=True)

    def drop_links(self) -> None:
        self._door.close_links()

    def answer_next(self) -> None:
        """Answer the oldest held frame."""
        link, accept = self.held.pop(0)
        link.send(self._accepted(accept))

    def release(self) -> None:
        """Answer all that is held, and what comes from now on."""
        self.hold = False
        while self.held:
            self.answer_next()

    def apply_unanswered(self) -> None:
        """Make what is held durable although its answer is never sent."""
        for _, accept in self.held:
            self._accepted(accept)
        self.held.clear()

    def _received(self, link: Link, data: bytes) -> None:
        request = decode_request(data)
        if isinstance(request, AskStatus):
            self.asked += 1
            if not self.deaf:
                link.send(Status(request.seq, self.status))
            return
        assert isinstance(request, Accept)
        if self._remember:
            self.frames.append(request.events)
            self.attempts.append(request.attempt)
        if self.hold:
            self.held.append((link, request))
        else:
            link.send(self._accepted(request))

    def _accepted(self, accept: Accept) -> Reply:
        if self.refuse:
            return Refused(accept.seq, self.refuse)
        if not self._remember:
            return Accepted(accept.seq, bytes(len(accept.events)))
        return Accepted(accept.seq, bytes(self._verdict(event) for event in accept.events))

    def _verdict(self, event: LinkEvent) -> int:
        if event.contact == "erased":
            return Verdict.ERASED
        key = (event.contact, event.id)
        if key in self._seen:
            return Verdict.REPEAT
        self._seen.add(key)
        return Verdict.FAILED if event.name == "poison" else Verdict.APPLIED


async def _serve_alone(path: Path) -> None:
    await FakeShard(path, remember=False).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve_alone(Path(sys.argv[1])))
