"""`anlass move-store` and `anlass verify --redis`, as an operator types them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actors.errors import OperatorError
from actors.settings import RedisSettings
from console.__main__ import app
from tests.actors.made_store import CONTACTS, made_store, no_power_cut


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=True)
    if isinstance(result.exception, OperatorError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@no_power_cut()
def test_a_store_is_moved_verified_and_moved_back(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    made = made_store(tmp_path / "made")
    there = ["--redis", redis_settings.url, "--redis-prefix", redis_settings.prefix]
    there += ["--archive", str(tmp_path / "archive")]
    said = json.loads(run("move-store", "--data", made.data, *there, "--to", "redis", "--json"))
    position = made.shard.position
    assert said == {"shards": 1, "contacts": CONTACTS, "records": position, "same_logs": True}
    verified = json.loads(run("verify", made.data, *there, "--json"))
    assert verified["equal"]
    assert verified["counts"]["records"] == position
    key = ["--key-file", str(made.data / "store.key")]
    back = run(
        "move-store", "--data", tmp_path / "b", *there, *key, "--to", "files", "--shards", "2"
    )
    assert f"The store is in files: {CONTACTS} contacts in 2 shards" in back
    assert json.loads(run("verify", tmp_path / "b", *key, "--json"))["equal"]
    with pytest.raises(OperatorError, match="was moved to files"):
        run("verify", made.data, *there)


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="--redis URL"):
        run("move-store", "--to", "files", "--data", tmp_path)
    with pytest.raises(OperatorError, match="leave them out"):
        run("move-store", "--to", "redis", "--redis", "redis://x", "--shards", "2")
