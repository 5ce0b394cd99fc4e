"""Reading the log by several processes at once: as one process reads it from end to end."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from actors.errors import OperatorError
from actors.frame import encode_frame
from actors.store.archive import ARCHIVE_FOLDER
from actors.store.history import read_history
from actors.store.log import open_log
from actors.store.manifest import shard_folder
from console.replay.logbook import shard_folders
from console.replay.reading import read_at_once, stretches_of, take_stretch
from console.replay.recorded import Recorded
from console.replay.replay import ReplayReport, write_outcomes
from engine.limits import FAR_MS
from tests.actors.made_store import HOUR_MS, MadeStore
from tests.console.command import anlass
from tests.console.replay.test_recorded import frame, outcome, record_of

PROCESSES = 3


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MadeStore:
    """Two slots, one with many segments and an archive; keys have several outcomes, far apart."""
    made = MadeStore(tmp_path_factory.mktemp("reading") / "data")
    made.play()
    made.archive(3)
    log = open_log(shard_folder(made.data, 1), made.key)
    for number, said in enumerate(("sent", "failed")):
        at_ms = number * 40 * HOUR_MS
        found = frame([record_of("far", at_ms)], [outcome("k", "far", at_ms, said)], number)
        log.append(number, [encode_frame(found)])
    log.close()
    return made


def lines(recorded: Recorded, out: Path) -> tuple[bytes, ReplayReport]:
    write_outcomes(out, recorded.outcomes.values())
    return out.read_bytes(), recorded.report(1.0)


def in_one_go(store: MadeStore, until_ms: int) -> Recorded:
    """Read frame by frame, each file in its turn."""
    recorded = Recorded(until_ms)
    for folder in shard_folders(store.data):
        for each in read_history(folder, store.key):
            recorded.take(each)
    return recorded


@pytest.mark.parametrize("until_ms", [FAR_MS, 30 * HOUR_MS, 0])
def test_several_processes_write_the_lines_of_one(
    store: MadeStore, tmp_path: Path, until_ms: int
) -> None:
    said = lines(in_one_go(store, until_ms), tmp_path / "one")
    for processes in (1, PROCESSES):
        told: list[float] = []
        recorded, _ = read_at_once(store.data, until_ms, None, processes, told.append)
        assert lines(recorded, tmp_path / str(processes)) == said
        assert sum(told) == len_of(store)
    assert said[0] or until_ms == 0


def len_of(store: MadeStore) -> int:
    return sum(
        len(each.records)
        for folder in shard_folders(store.data)
        for each in read_history(folder, store.key)
    )


def test_the_last_outcome_of_a_message_holds_whichever_process_comes_upon_it(
    store: MadeStore, tmp_path: Path
) -> None:
    stretches = stretches_of(store.data, store.key, FAR_MS, PROCESSES, tmp_path)
    assert len(stretches) > PROCESSES
    keys = []
    for each in stretches:
        found = Recorded()
        take_stretch(found, each, lambda _: None)
        keys.append(set(found.outcomes))
    twice = {
        key for i, ours in enumerate(keys) for theirs in keys[i + 1 :] for key in ours & theirs
    }
    assert twice, "some message ends in another stretch than it began in"
    recorded, _ = read_at_once(store.data, FAR_MS, None, PROCESSES, lambda _: None)
    wanted = in_one_go(store, FAR_MS).outcomes
    assert {key: recorded.outcomes[key] for key in twice} == {key: wanted[key] for key in twice}


def test_stretches_meet_and_leave_nothing_out(store: MadeStore, tmp_path: Path) -> None:
    stretches = stretches_of(store.data, store.key, FAR_MS, PROCESSES, tmp_path)
    for before, after in pairwise(stretches):
        assert before.end == (after.first if before.folder == after.folder else None)
    assert stretches[-1].end is None


def test_what_is_damaged_is_named_whoever_reads_it(store: MadeStore, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(store.data, data)
    path = sorted((data / "shard-0" / ARCHIVE_FOLDER).iterdir())[1]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    said = []
    for processes in (1, PROCESSES):
        with pytest.raises(OperatorError) as refused:
            read_at_once(data, FAR_MS, None, processes, lambda _: None)
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert path.name in said[0]


def test_the_command_reads_by_several_processes_and_leaves_nothing_behind(
    store: MadeStore, tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for number in (1, 2):
        asked = ["--from-log", store.data, "--processes", number, "--out", tmp_path / f"{number}"]
        result = anlass("replay", *asked, temporary=temporary)
        assert result.returncode == 0, result.stderr
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes() != b""
    assert list(temporary.iterdir()) == []
