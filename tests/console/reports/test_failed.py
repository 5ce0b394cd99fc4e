"""`anlass failed` and what it reads: the newest, bounded, with what was left off."""

import tracemalloc
from pathlib import Path

import pytest

from actors.frame import Frame, encode_frame
from actors.store.log import open_log
from actors.store.manifest import open_store, shard_folder
from console.replay.logbook import failed_inputs
from engine.decision import Fault
from tests.console.command import anlass
from tests.console.replay.test_recorded import record_of

SLOTS = 2
FAULTS = 12
"""Of each slot, in turns, a minute after one another; two come with each frame."""


def failing(position: int, at_ms: int, *faults: Fault) -> bytes:
    return encode_frame(Frame(position, 1, [record_of("ada", at_ms)], b"\2", [], list(faults)))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A store whose slots have failed in turns: the first at even minutes, the other at odd."""
    open_store(tmp_path, SLOTS, "events", encrypted=False)
    for slot in range(SLOTS):
        log = open_log(shard_folder(tmp_path, slot))
        for number in range(FAULTS // 2):
            minute = 2 * number + slot
            faults = [Fault("ada", f"{minute}{which}", "poison") for which in "ab"]
            log.append(number, [failing(number, minute * 60_000, *faults)])
        log.close()
    return tmp_path


@pytest.mark.parametrize("limit", [1, 3, 4, 23, 24, 1_000])
def test_the_newest_of_all_slots_are_listed_the_newest_last(data: Path, limit: int) -> None:
    every = [f"{minute}{which}" for minute in range(FAULTS) for which in "ab"]
    found = failed_inputs(data, limit=limit)
    assert [each.what for each in found.failed] == every[-limit:]
    assert found.left_off == len(every) - len(found.failed)


def test_older_ones_are_seen_as_of_an_earlier_moment(data: Path) -> None:
    found = failed_inputs(data, limit=3, until_ms=4 * 60_000)
    assert [each.what for each in found.failed] == ["3b", "4a", "4b"]
    assert (found.left_off, found.failed[-1].at_ms) == (7, 240_000)
    assert failed_inputs(data, until_ms=-1).failed == []


def test_the_command_says_what_it_left_off(data: Path) -> None:
    ended = anlass("failed", "--data", data, "--limit", "2")
    assert "2 inputs that could not be applied" in ended.stdout
    assert "22 older ones are left off; name a higher --limit" in ended.stderr
    assert "1970-01-01 00:11" in ended.stdout
    whole = anlass("failed", "--data", data, "--json")
    assert (len(whole.stdout.splitlines()), whole.stderr) == (24, "")


def test_no_more_than_the_limit_is_held_however_many_have_failed(tmp_path: Path) -> None:
    open_store(tmp_path, 1, "events", encrypted=False)
    log = open_log(shard_folder(tmp_path, 0))
    text = "x" * 100_000
    for number in range(200):
        log.append(number, [failing(number, number, Fault("ada", "e", f"{number}{text}"))])
    log.close()
    tracemalloc.start()
    try:
        found = failed_inputs(tmp_path, limit=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(found.failed), found.left_off) == (2, 198)
    assert peak < 10 * len(text), "all of them would be 200"
