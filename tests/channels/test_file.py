"""The file: no key twice, no torn line, damage named."""

# ruff: noqa: ASYNC220, ASYNC240  # a test may block the loop that it has to itself
import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.channel import ChannelError
from channels.file import FileChannel
from channels.message import Message
from tests.channels.letters import message

KEYS = [f"v{i}.n.1" for i in range(4)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbound" / "messages.jsonl"


@contextlib.contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Let no file grow beyond `size`: the kernel writes a part, then refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def write(path: Path, *messages: Message) -> list[str]:
    channel = FileChannel(path)
    results = await channel.deliver(messages)
    await channel.close()
    return [each.kind for each in results]


def keys_in(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_bytes().splitlines()]


async def test_a_line_says_all_that_readers_of_the_file_rest_on(path: Path) -> None:
    await write(path, message())
    (line,) = path.read_text().splitlines()
    assert list(json.loads(line).items()) == [
        ("key", "5f3a.remind.1"),
        ("contact", "c-1"),
        ("journey", "favourites"),
        ("node", "remind"),
        ("channel", "email"),
        ("at_ms", 1_700_000_000_123),
        ("outcome", "sent"),
        ("purpose", "marketing"),
        ("language", "de"),
        ("to", "anna@home.example"),
        ("subject", "Schöne Grüße"),
        ("body", "Guten Tag, Frau Müller!\n"),
    ]


async def test_keys_are_known_after_opening_the_file_again(path: Path) -> None:
    await write(path, *map(message, KEYS))
    before = path.read_bytes()
    assert await write(path, *map(message, KEYS)) == ["delivered"] * 4
    assert path.read_bytes() == before


async def test_a_batch_takes_one_write_and_one_sync(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = FileChannel(path)
    calls: list[str] = []
    os_write, os_fdatasync = os.write, os.fdatasync

    def counted_write(file: int, data: bytes) -> int:
        calls.append("write")
        return os_write(file, data)

    def counted_sync(file: int) -> None:
        calls.append("sync")
        os_fdatasync(file)

    monkeypatch.setattr(os, "write", counted_write)
    monkeypatch.setattr(os, "fdatasync", counted_sync)
    await channel.deliver([message(key) for key in KEYS])
    monkeypatch.undo()
    await channel.close()
    assert calls == ["write", "sync"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(cut=st.floats(min_value=0, max_value=1))
def test_a_file_cut_anywhere_in_its_last_line_holds_each_key_once(path: Path, cut: float) -> None:
    path.unlink(missing_ok=True)
    asyncio.run(write(path, message("a.n.1"), message("b.n.1", body="Tschüß, {} \n")))
    data = path.read_bytes()
    begin = data.index(b"\n") + 1
    path.write_bytes(data[: begin + round(cut * (len(data) - begin))])
    assert asyncio.run(write(path, message("b.n.1", body="Tschüß, {} \n"))) == ["delivered"]
    assert path.read_bytes() == data


async def test_a_last_line_that_lacks_only_its_end_is_kept(path: Path) -> None:
    await write(path, message("a.n.1"))
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    await write(path)
    assert path.read_bytes() == data


async def test_a_torn_line_is_gone_once_the_file_is_open(path: Path) -> None:
    await write(path, message("a.n.1"))
    data = path.read_bytes()
    path.write_bytes(data + b'{"key":"b.n.1","cont')
    await write(path)
    assert path.read_bytes() == data


async def test_of_two_messages_with_one_key_the_first_is_written(path: Path) -> None:
    await write(path, message("a.n.1", body="first"), message("a.n.1", body="second"))
    assert json.loads(path.read_text())["body"] == "first"


@pytest.mark.parametrize("spoilt", [b'{"key":"x"', b"\0\0\0\0", b"[]", b'{"key":1}', b"", b"\xff"])
async def test_a_corrupt_line_in_the_middle_names_file_and_line(path: Path, spoilt: bytes) -> None:
    await write(path, *map(message, KEYS))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = spoilt + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(ChannelError, match=r"messages\.jsonl, line 3: .*mend the line"):
        FileChannel(path)
    assert path.read_bytes() == b"".join(lines)


async def test_a_full_disk_gives_retry_and_leaves_nothing_half_written(path: Path) -> None:
    channel = FileChannel(path)
    await channel.deliver([message("a.n.1")])
    before = path.read_bytes()
    batch = [message(key) for key in KEYS]
    with disk_of(len(before) + 300):
        results = await channel.deliver(batch)
    assert {each.kind for each in results} == {"retry"}
    assert {each.reason for each in results} == {f"{path}: File too large"}
    assert path.read_bytes() == before
    assert {each.kind for each in await channel.deliver(batch)} == {"delivered"}
    assert keys_in(path) == ["a.n.1", *KEYS]
    await channel.close()


async def test_a_key_already_there_is_delivered_even_when_the_disk_is_full(path: Path) -> None:
    channel = FileChannel(path)
    await channel.deliver([message("a.n.1")])
    with disk_of(path.stat().st_size):
        results = await channel.deliver([message("a.n.1"), message("b.n.1")])
    assert [each.kind for each in results] == ["delivered", "retry"]
    await channel.close()


async def test_a_sync_that_fails_gives_retry_even_if_the_cut_fails_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = FileChannel(path)

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", refuse)
    monkeypatch.setattr(os, "ftruncate", refuse)
    results = await channel.deliver([message("a.n.1")])
    assert (results[0].kind, results[0].reason) == ("retry", f"{path}: Input/output error")
    monkeypatch.undo()
    await channel.deliver([message("b.n.1"), message("a.n.1")])
    assert keys_in(path) == ["b.n.1", "a.n.1"]
    await channel.close()


async def test_two_couriers_cannot_open_the_file_at_once(path: Path) -> None:
    channel = FileChannel(path)
    with pytest.raises(ChannelError, match="open in another courier; stop that one"):
        FileChannel(path)
    await channel.close()
    await write(path)


async def test_a_call_cancelled_while_it_writes_is_known_as_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = FileChannel(path)
    loop = asyncio.get_running_loop()
    writing, go_on = asyncio.Event(), asyncio.Event()
    os_fdatasync = os.fdatasync

    def slow_sync(file: int) -> None:
        loop.call_soon_threadsafe(writing.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        os_fdatasync(file)

    monkeypatch.setattr(os, "fdatasync", slow_sync)
    call = asyncio.ensure_future(channel.deliver([message("a.n.1")]))
    await writing.wait()
    monkeypatch.undo()
    call.cancel()
    again = asyncio.ensure_future(channel.deliver([message("a.n.1")]))
    go_on.set()
    assert [each.kind for each in await again] == ["delivered"]
    assert keys_in(path) == ["a.n.1"]
    await channel.close()


COURIER = """
import asyncio, sys
from pathlib import Path
from channels.file import FileChannel
from tests.channels.letters import message

async def run():
    channel = FileChannel(Path(sys.argv[1]))
    for number in range(10**6):
        await channel.deliver([message(f"v{number}.{n}.1") for n in "abc"])
        print(number, flush=True)

asyncio.run(run())
"""


async def test_what_was_reported_delivered_survives_a_kill(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", COURIER, str(path)], stdout=subprocess.PIPE, text=True
    ) as courier:
        assert courier.stdout is not None
        reported = [int(courier.stdout.readline()) for _ in range(20)]
        courier.send_signal(signal.SIGKILL)
        reported += [int(line) for line in courier.stdout]
    batches = [[message(f"v{number}.{n}.1") for n in "abc"] for number in range(len(reported) + 3)]
    await write(path, *(each for batch in batches for each in batch))
    assert keys_in(path) == [each.key for batch in batches for each in batch]
