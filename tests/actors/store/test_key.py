"""The store's key: made once, never overwritten; a store without its key is refused with a word."""

import base64
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from actors.errors import OperatorError
from actors.settings import STORE_KEY_VARIABLE
from actors.store.key import store_key
from actors.store.manifest import open_store, read_store

KEY = bytes(range(32))
OTHER = bytes(32)


@pytest.fixture(autouse=True)
def no_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STORE_KEY_VARIABLE, raising=False)


def text_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_a_new_store_gets_a_key_that_only_its_owner_reads_and_a_warning(tmp_path: Path) -> None:
    with capture_logs() as said:
        assert open_store(tmp_path, 1, "wall").encrypted
    path = tmp_path / "store.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = store_key(tmp_path)
    assert key is not None
    assert len(key) == 32
    (warning,) = said
    assert "keep a copy elsewhere" in warning["event"]
    for told in (str(said), (tmp_path / "store.json").read_text()):
        assert text_of(key).rstrip("=") not in told
        assert key.hex() not in told
    with capture_logs() as said:
        open_store(tmp_path, None, "wall")
    assert (said, store_key(tmp_path)) == ([], key)
    assert not list(tmp_path.glob("*.new"))


def test_two_stores_have_two_keys(tmp_path: Path) -> None:
    for name in ("a", "b"):
        open_store(tmp_path / name, 1, "wall")
    assert store_key(tmp_path / "a") != store_key(tmp_path / "b")


def test_without_encryption_there_is_no_key(tmp_path: Path) -> None:
    assert not open_store(tmp_path, 1, "wall", encrypted=False).encrypted
    assert store_key(tmp_path) is None
    assert not (tmp_path / "store.key").exists()
    with pytest.raises(OperatorError, match="was made with --encryption off; start with that"):
        open_store(tmp_path, 1, "wall", encrypted=True)


def test_a_store_whose_key_is_missing_is_refused_and_gets_no_other(tmp_path: Path) -> None:
    open_store(tmp_path, 1, "wall")
    (tmp_path / "store.key").rename(tmp_path / "kept")
    with pytest.raises(OperatorError, match=r"store\.key is missing; put it back"):
        open_store(tmp_path, None, "wall")
    assert not (tmp_path / "store.key").exists()
    open_store(tmp_path, None, "wall", key_file=tmp_path / "kept")
    (tmp_path / "kept").rename(tmp_path / "store.key")
    open_store(tmp_path, None, "wall")


def test_another_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(tmp_path, 1, "wall")
    (tmp_path / "other").write_text(text_of(OTHER))
    with pytest.raises(OperatorError, match="was made with another key, of fingerprint"):
        open_store(tmp_path, None, "wall", key_file=tmp_path / "other")
    monkeypatch.setenv(STORE_KEY_VARIABLE, text_of(OTHER))
    with pytest.raises(OperatorError, match="was made with another key"):
        store_key(tmp_path)


def test_a_key_is_named_by_a_file_before_the_environment_before_the_stores_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORE_KEY_VARIABLE, text_of(KEY) + "\n")
    open_store(tmp_path, 1, "wall")
    assert not (tmp_path / "store.key").exists()
    assert store_key(tmp_path) == KEY
    (tmp_path / "other").write_text(text_of(OTHER))
    with pytest.raises(OperatorError, match="another key"):
        store_key(tmp_path, tmp_path / "other")


def test_a_key_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="nowhere cannot be read"):
        open_store(tmp_path / "data", 1, "wall", key_file=tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "data" / "store.json").exists()


@pytest.mark.parametrize("text", ["", "abc", text_of(KEY[:31]), text_of(KEY)[:-2] + "!!", "ü"])
def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(OperatorError, match="holds no key; it is 32 random bytes") as error:
        open_store(tmp_path / "data", 1, "wall", key_file=path)
    assert not text or text not in str(error.value)


def test_a_key_that_is_there_when_a_store_is_made_is_used(tmp_path: Path) -> None:
    """As a crash leaves it between the two."""
    (tmp_path / "store.key").write_text(text_of(KEY))
    open_store(tmp_path, 1, "wall")
    assert store_key(tmp_path) == KEY


def test_shards_without_a_store_json_are_not_given_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "shard-0").mkdir()
    with pytest.raises(OperatorError, match=r"holds shards, but no store\.json; restore it"):
        open_store(tmp_path, 1, "wall")
    assert not list(tmp_path.glob("store.*"))


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    text = '{"version": 1, "partitions": 256, "shards": 1, "clock": "wall"}'
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(OperatorError, match="made by another version of Anlass"):
        read_store(tmp_path)
