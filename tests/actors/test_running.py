"""The notes of a start: whole, or refused with a word."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.errors import OperatorError
from actors.processes import SOCKET_BYTES, SOCKET_BYTES_MAX, Processes, new_runtime
from actors.running import forget_running, note_running, running_system


def test_a_system_is_found_while_its_process_runs(tmp_path: Path) -> None:
    note_running(tmp_path, "http://127.0.0.1:1", ["a.sock"], "anlass-x")
    running = running_system(tmp_path)
    assert running is not None
    assert (running.pid, running.sockets) == (os.getpid(), ["a.sock"])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["system.json"]
    assert running.refusals == {}
    note_running(
        tmp_path, "http://127.0.0.1:1", ["a.sock"], "anlass-x", refusals={"shard-0": "damaged"}
    )
    again = running_system(tmp_path)
    assert again is not None
    assert again.refusals == {"shard-0": "damaged"}
    forget_running(tmp_path)
    assert running_system(tmp_path) is None


def _note(folder: Path) -> None:
    note_running(folder, "http://127.0.0.1:1", [], "")


def _note_process(folder: Path) -> None:
    Processes(folder).note([os.getpid()])


@pytest.mark.parametrize(
    ("name", "note"), [("system.json", _note), ("processes.json", _note_process)]
)
def test_a_note_that_cannot_be_written_is_refused_with_a_word(
    tmp_path: Path, name: str, note: Callable[[Path], None]
) -> None:
    (tmp_path / f"{name}.new").mkdir()
    with pytest.raises(OperatorError, match=f"{name} cannot be written: .*make space"):
        note(tmp_path)


@pytest.mark.parametrize("characters", [1, 60])
def test_the_sockets_of_a_start_have_short_names_wherever_temporary_files_are_to_lie(
    monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    """Where the folder for them is deep, those of Ray would not fit: then it is /tmp."""
    with tempfile.TemporaryDirectory(prefix="t" * characters) as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        runtime = new_runtime()
        runtime.rmdir()
        assert len(str(runtime)) + SOCKET_BYTES <= SOCKET_BYTES_MAX
        assert (runtime.parent == Path(folder)) == (characters == 1)
