"""The data folder: what it was made with holds, and who is left over from a crash is ended."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.clock import process_start
from actors.errors import OperatorError
from actors.processes import Processes
from actors.store.manifest import open_store


def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def note(folder: Path, *processes: tuple[int, str]) -> None:
    (folder / "processes.json").write_text(json.dumps({str(pid): at for pid, at in processes}))


def test_what_a_crash_left_running_is_ended(tmp_path: Path) -> None:
    left = sleeper()
    note(tmp_path, (1 << 22, "5"), (left.pid, process_start(left.pid)))
    assert Processes(tmp_path).end_leftovers() == 1
    assert left.wait(10) == -9


def test_a_pid_given_anew_is_left_alone(tmp_path: Path) -> None:
    other = sleeper()
    note(tmp_path, (1 << 22, "5"), (other.pid, "12345"))
    assert Processes(tmp_path).end_leftovers() == 0
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_folder_whose_driver_is_well_is_in_use(tmp_path: Path) -> None:
    driver, shard = sleeper(), sleeper()
    note(tmp_path, *[(each.pid, process_start(each.pid)) for each in (driver, shard)])
    with pytest.raises(OperatorError, match=f"in use by process {driver.pid}; stop it"):
        Processes(tmp_path).end_leftovers()
    assert shard.poll() is None
    for each in (driver, shard):
        each.kill()
        each.wait()


def test_the_driver_is_noted_first(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.note([os.getpid()])
    processes.note([1])
    noted = json.loads((tmp_path / "processes.json").read_text())
    assert list(noted) == [str(os.getpid()), "1"]
    processes.forget()
    assert Processes(tmp_path).end_leftovers() == 0


def test_a_store_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(OperatorError, match=r"store\.json cannot be read"):
        open_store(tmp_path, None, "wall")


@pytest.mark.parametrize("shards", [-1, 0, 65])
def test_shards_out_of_range_are_refused(tmp_path: Path, shards: int) -> None:
    with pytest.raises(OperatorError, match="use 1 to 64"):
        open_store(tmp_path, shards, "wall")
