"""How many connections there may be, and what those see that are too many."""

import asyncio
import resource
from pathlib import Path

import pytest

from ingest.files import connections_that_fit
from ingest.limits import FILES_SPARE
from tests.ingest.raw_http import event, post, until
from tests.ingest.serving import serving


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[int, int]]:
    """A limit on open files that can be set without changing this process's."""
    limits = {resource.RLIMIT_NOFILE: (1024, 4096)}
    monkeypatch.setattr("resource.getrlimit", limits.__getitem__)
    monkeypatch.setattr("resource.setrlimit", limits.__setitem__)
    return limits


def test_the_limit_on_open_files_is_raised_for_the_connections(
    limit: dict[int, tuple[int, int]],
) -> None:
    assert connections_that_fit(3000) == 3000
    assert limit[resource.RLIMIT_NOFILE] == (3000 + FILES_SPARE, 4096)


def test_where_it_cannot_be_raised_that_far_fewer_connections_are_taken(
    limit: dict[int, tuple[int, int]],
) -> None:
    assert connections_that_fit(10_000) == 4096 - FILES_SPARE
    assert limit[resource.RLIMIT_NOFILE] == (4096, 4096)


def test_a_limit_that_suffices_stays(limit: dict[int, tuple[int, int]]) -> None:
    assert connections_that_fit(10) == 10
    assert limit[resource.RLIMIT_NOFILE] == (1024, 4096)


async def test_connections_too_many_are_told_up_to_a_bound_and_then_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.connections.TURNED_AWAY_MAX", 1)
    async with serving(tmp_path, connections_max=1) as served, served.sender() as first:
        assert (await first.ask(post(event()))).status == 202
        async with served.sender() as second, served.sender() as third:
            assert (await second.answer()).status == 503
            assert await third.end() == b""
            assert (await first.ask(post(event()))).status == 202


async def test_who_sends_a_head_or_a_body_too_slowly_gives_its_place_back(tmp_path: Path) -> None:
    async with serving(tmp_path, receive_s=0.1, idle_s=0.2, connections_max=3) as served:
        async with served.sender() as head, served.sender() as body, served.sender() as idle:
            head.write(b"POST /v1/events HTTP/1.1\r\nX-Slow: ")
            body.write(post(event())[:-1])
            for _ in range(8):
                head.write(b"a")  # Something comes, yet never all of it.
                await asyncio.sleep(0.02)
            assert (await head.answer()).status == 408
            assert (await body.answer()).status == 408
            assert await idle.end() == b""
        await until(lambda: not served.gateway._connections)
        assert served.gateway.admission.body_bytes == 0
