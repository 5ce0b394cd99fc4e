"""What others may put into a shard is bounded, and whoever hits a bound is told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.courier import PARKED_MESSAGES_MAX
from actors.limits import FULL, INBOX_REQUESTS_MAX
from actors.links.link import (
    UNREAD_BYTES_MAX,
    Accept,
    Accepted,
    AskStatus,
    Done,
    Link,
    LinkClient,
    LinkError,
    Pull,
    RefusedError,
    Status,
)
from tests.actors.shards.test_service import event, hold_disk, serving, verdicts


async def test_a_full_inbox_refuses_and_what_was_taken_before_is_applied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as (service, client):
        monkeypatch.setattr("actors.shards.service.INBOX_REQUESTS_MAX", 3)
        gate = hold_disk(monkeypatch)
        asked = []
        for i in range(20):  # The disk stands still, so after four frames nothing is folded.
            asked.append(client.ask(Accept(0, [event(str(i))])))
            await asyncio.sleep(0.005)
        gate.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        taken = [answer for answer in answers if isinstance(answer, Accepted)]
        refused = [answer for answer in answers if isinstance(answer, LinkError)]
        assert len(taken) + len(refused) == 20
        assert 4 <= len(taken) <= 8
        assert {str(each) for each in refused} == {FULL}
        assert service.shard.status()["events_applied"] == len(taken)
        again = await client.ask(Accept(0, [event("19")], 1))
        assert again == Accepted(21, b"\0")  # It was refused: nothing of it is there.


def test_no_courier_ever_fills_the_inbox() -> None:
    assert PARKED_MESSAGES_MAX < INBOX_REQUESTS_MAX


async def test_more_pulls_than_any_courier_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.shards.pulls.PULLS_MAX", 2)
    async with serving(tmp_path) as (_, client):
        pulls = [client.ask(Pull(0, "email", 10, 50)) for _ in range(3)]
        answers = await asyncio.gather(*pulls, return_exceptions=True)
        assert [isinstance(answer, LinkError) for answer in answers] == [False, False, True]
        await client.ask(Pull(0, "email", 10, 1))


async def test_more_links_than_a_system_has_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.links.door.LINKS_MAX", 2)
    async with serving(tmp_path) as (service, client):
        others = [await LinkClient.connect(str(tmp_path / "s.sock")) for _ in range(3)]
        async with asyncio.timeout(5):
            while sum(other.open for other in others) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert len(service.door.links) == 2
        assert await verdicts(client, event("a")) == [0]
        for other in others:
            other.close()


async def test_links_that_come_and_go_leave_nothing_behind_while_nothing_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk, where `anlass status` looks again and again."""
    async with serving(tmp_path) as (service, client):
        monkeypatch.setattr("actors.shards.service.FRAMES_UNCOMMITTED_MAX", 0)
        for _ in range(20):
            other = await LinkClient.connect(str(tmp_path / "s.sock"))
            assert isinstance(await other.ask(AskStatus(0)), Status)
            other.close()
        async with asyncio.timeout(5):
            while len(service.door.links) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert not service._inbox
        monkeypatch.undo()
        assert await verdicts(client, event("a")) == [0]


class Clogged:
    """A transport to someone who reads nothing."""

    def __init__(self) -> None:
        self.size = 0
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.size += len(data)

    def get_write_buffer_size(self) -> int:
        return self.size

    def abort(self) -> None:
        self.aborted = True


def test_a_link_whose_other_side_reads_nothing_is_closed() -> None:
    link = Link(lambda *_: None, lambda _: None)
    clogged: Any = Clogged()
    link.connection_made(clogged)
    link.pause_writing()
    clogged.size = UNREAD_BYTES_MAX - 100
    link.send(Done(1))
    assert not clogged.aborted
    clogged.size = UNREAD_BYTES_MAX
    link.send(Done(2))
    assert clogged.aborted


async def test_what_is_behind_a_refused_accept_is_refused_until_its_sender_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the end of a request in several frames is applied before its beginning."""
    async with serving(tmp_path) as (service, client):
        monkeypatch.setattr("actors.shards.service.INBOX_REQUESTS_MAX", 0)
        with pytest.raises(RefusedError, match="inbox is full"):
            await client.ask(Accept(0, [event("beginning")]))
        monkeypatch.undo()
        with pytest.raises(RefusedError, match="inbox is full"):
            await client.ask(Accept(0, [event("end")]))
        other = await LinkClient.connect(str(tmp_path / "s.sock"))
        assert await verdicts(other, event("of another link")) == [0]
        other.close()
        again = [event("beginning"), event("end")]
        assert await client.ask(Accept(0, again, 1)) == Accepted(3, b"\0\0")
        with pytest.raises(RefusedError, match="inbox is full"):
            await client.ask(Accept(0, [event("late")]))
        assert service.shard.status()["events_applied"] == 3
