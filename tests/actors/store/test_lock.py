"""Who owns a folder: a successor ends a stopped owner, and only the very process recorded."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.clock import process_start
from actors.errors import OperatorError
from actors.frame import AdvanceRecord, Frame, encode_frame
from actors.store.disk import REAL_DISK
from actors.store.lock import kill_process, next_epoch, take_lock
from actors.store.log import open_log

OWNER = """
import sys, pathlib
from actors.frame import AdvanceRecord, Frame, encode_frame
from actors.store.log import open_log
log = open_log(pathlib.Path(sys.argv[1]))
log.append(0, [encode_frame(Frame(0, 1, [AdvanceRecord(0, 3, 7)], b"\\0", [], []))])
print("appended", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def owner(tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    """A process that has the log of `tmp_path` open, stopped as SIGSTOP does it."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "appended\n"
        process.send_signal(signal.SIGSTOP)
        yield process
        process.kill()


def test_a_stopped_owner_is_killed_by_its_successor_before_the_log_opens(
    tmp_path: Path, owner: "subprocess.Popen[str]"
) -> None:
    log = open_log(tmp_path, successor=True)
    assert owner.wait(10) == -signal.SIGKILL
    assert [frame.position for frame in log.frames()] == [0]
    log.append(1, [encode_frame(Frame(1, 1, [AdvanceRecord(1, 3, 7)], b"\0", [], []))])
    assert [frame.position for frame in log.frames()] == [0, 1]
    assert log.epoch == 2
    log.close()


def test_who_is_no_successor_kills_nobody(tmp_path: Path, owner: "subprocess.Popen[str]") -> None:
    with pytest.raises(OperatorError, match=f"in use by process {owner.pid}; stop it"):
        open_log(tmp_path)
    assert owner.poll() is None


@pytest.mark.parametrize("recorded", ["{pid} 12345", "{pid}", "", "1 x y", "99999999 1"])
def test_a_process_with_another_start_time_than_the_recorded_is_not_killed(
    tmp_path: Path,
    owner: "subprocess.Popen[str]",
    recorded: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.store.lock.KILL_WAIT_S", 0.05)
    monkeypatch.setattr("actors.store.lock.NEXT_OWNER_WAIT_S", 0.05)
    monkeypatch.setattr("actors.store.lock.NOTE_WAIT_S", 0.05)
    (tmp_path / "lock").write_text(recorded.format(pid=owner.pid))
    with pytest.raises(OperatorError, match="is held by a process unknown; find out who"):
        open_log(tmp_path, successor=True)
    assert owner.poll() is None


def test_the_start_is_compared_after_the_process_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pid may be given anew between a look at it and the signal."""
    order = []
    opening = os.pidfd_open

    def noted_open(pid: int) -> int:
        order.append("held")
        return opening(pid)

    def another(pid: int) -> str:
        order.append("compared")
        return "another start"

    monkeypatch.setattr("os.pidfd_open", noted_open)
    monkeypatch.setattr("actors.store.lock.process_start", another)
    assert not kill_process(os.getpid(), process_start(os.getpid()))
    assert order == ["held", "compared"]


def test_a_process_that_ended_is_not_killed() -> None:
    with subprocess.Popen(["true"]) as process:
        start = process_start(process.pid)
    assert not kill_process(process.pid, start)
    assert not kill_process(0, "")


def test_a_successor_waits_for_an_owner_that_ends_by_itself(tmp_path: Path) -> None:
    """Killed or not: it has the lock in the end, and needs no word."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.communicate("\n")
        open_log(tmp_path, successor=True).close()
        assert process.returncode == 0


def test_a_failed_open_lets_the_lock_go(tmp_path: Path) -> None:
    (tmp_path / "epoch").write_text("no number")
    with pytest.raises(OperatorError, match="holds no number; remove it"):
        open_log(tmp_path)
    take_lock(tmp_path / "lock").release()


def test_an_epoch_is_higher_than_any_seen_in_names_or_noted(tmp_path: Path) -> None:
    assert [next_epoch(tmp_path, REAL_DISK) for _ in range(3)] == [1, 2, 3]
    (tmp_path / f"log-{7:020}-000041.seg").touch()
    assert next_epoch(tmp_path, REAL_DISK) == 42
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / f"log-{3:020}-1000000.zst").touch()
    (tmp_path / "epoch").unlink()
    assert next_epoch(tmp_path, REAL_DISK) == 1_000_001
    assert next_epoch(tmp_path, REAL_DISK) == 1_000_002
