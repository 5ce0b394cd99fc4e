"""The command `anlass verify`: what it prints, and how it exits."""

import json
from pathlib import Path

from actors.store.block import HEAD, HEADER
from tests.actors.made_store import MadeStore
from tests.console.command import anlass


def test_it_says_what_it_read_and_that_it_is_equal(tmp_path: Path) -> None:
    store = MadeStore(tmp_path / "data")
    store.play(20)
    store.take_snapshots()
    result = anlass("verify", store.data)
    assert result.returncode == 0
    assert "equal" in result.stdout.splitlines()[-1]
    said = json.loads(anlass("verify", store.data, "--json").stdout)
    assert (said["equal"], said["findings"]) == (True, [])
    assert said["counts"]["partitions_compared"] == 256


def test_damage_is_a_line_each_and_exit_1(tmp_path: Path) -> None:
    store = MadeStore(tmp_path / "data")
    store.play(60)
    path = store.segments()[1]
    data = bytearray(path.read_bytes())
    data[HEADER.size + HEAD.size] ^= 1
    path.write_bytes(bytes(data))
    result = anlass("verify", store.data)
    assert result.returncode == 1
    assert f"shard-0/{path.name}, byte {HEADER.size}: not as it was written" in result.stderr
    assert "places are not as they should be" in result.stdout
    said = anlass("verify", store.data, "--json")
    assert said.returncode == 1
    assert json.loads(said.stdout)["findings"][0]["byte"] == HEADER.size


def test_without_its_key_a_store_is_not_verified(tmp_path: Path) -> None:
    store = MadeStore(tmp_path / "data")
    (store.data / "store.key").rename(tmp_path / "kept")
    refused = anlass("verify", store.data)
    assert (refused.returncode, "--key-file" in refused.stderr) == (2, True)
    assert anlass("verify", store.data, "--key-file", tmp_path / "kept").returncode == 0
