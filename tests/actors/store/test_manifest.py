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


def note(folder: Path, *processes: tuple[int, str], runtime: str = "") -> None:
    noted = {"processes": {str(pid): at for pid, at in processes}, "runtime": runtime}
    (folder / "processes.json").write_text(json.dumps(noted))


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


HOLD = """
import sys, pathlib
from actors.errors import OperatorError
from actors.processes import Processes
processes = Processes(pathlib.Path(sys.argv[1]))
sys.stdin.readline()
try:
    processes.hold()
except OperatorError as error:
    print(error, flush=True)
else:
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_of_starts_at_the_same_time_exactly_one_wins_and_the_others_say_who(
    tmp_path: Path,
) -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLD, str(tmp_path / "data")]
    drivers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    said = {}
    for driver in drivers:
        assert driver.stdin is not None
        driver.stdin.write("\n")
        driver.stdin.flush()
    for driver in drivers:
        assert driver.stdout is not None
        said[driver.pid] = driver.stdout.readline().strip()
    (winner,) = (driver for driver in drivers if said[driver.pid] == "held")
    for driver in drivers:
        if driver is not winner:
            assert f"data is in use by process {winner.pid}; stop it" in said[driver.pid]
    with pytest.raises(OperatorError, match=f"in use by process {winner.pid}; stop it"):
        Processes(tmp_path / "data").hold()
    winner.kill()
    for driver in drivers:
        driver.communicate("\n")
    after = Processes(tmp_path / "data")
    after.hold()
    after.release()


def test_the_folder_of_a_crashed_starts_sockets_goes_and_nothing_else(tmp_path: Path) -> None:
    for name, stays in [("anlass-x", False), ("other", True)]:
        runtime = tmp_path / name
        runtime.mkdir()
        (runtime / "life.sock").touch()
        note(tmp_path, runtime=str(runtime))
        Processes(tmp_path).end_leftovers()
        assert runtime.exists() == stays
    assert not (tmp_path / "processes.json").exists()


def test_the_driver_is_noted_first(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.note([os.getpid()], tmp_path / "anlass-x")
    processes.note([1])
    noted = json.loads((tmp_path / "processes.json").read_text())
    assert list(noted["processes"]) == [str(os.getpid()), "1"]
    assert noted["runtime"] == str(tmp_path / "anlass-x")
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
