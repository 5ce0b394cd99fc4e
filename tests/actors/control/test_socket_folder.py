"""A shard's folder of sockets: none is left for ever, and none is taken from who lives."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.control.socket_folder import SocketFolder, remove_leftovers

OWNER = """
import sys, tempfile
from actors.control.socket_folder import SocketFolder
tempfile.tempdir = sys.argv[1]
folder = SocketFolder()
(folder.path / "slot-0.sock").touch()
print(folder.path, flush=True)
input()
"""


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """Another process that has a folder, beside ours."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def folder_of(owner: subprocess.Popen[str]) -> Path:
    assert owner.stdout is not None
    return Path(owner.stdout.readline().strip())


def test_what_a_killed_process_left_goes_when_the_next_one_comes(
    tmp_path: Path, owner: subprocess.Popen[str]
) -> None:
    theirs = folder_of(owner)
    first = SocketFolder()
    assert (theirs / "slot-0.sock").exists(), "who lives keeps what it has"
    owner.kill()
    owner.wait()
    assert theirs.exists()
    second = SocketFolder()
    assert sorted(tmp_path.iterdir()) == sorted([first.path, second.path])
    first.close()
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_held_counts_as_nobodys_only_when_it_is_let_go(
    tmp_path: Path, owner: subprocess.Popen[str]
) -> None:
    theirs = folder_of(owner)
    (tmp_path / "anlass-another").mkdir()
    assert remove_leftovers() == 0
    owner.kill()
    owner.wait()
    assert remove_leftovers() == 1
    assert not theirs.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["anlass-another"]
