"""Blocks: a changed byte is seen anywhere; a log that goes on is not taken for a damaged one."""

import io
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from actors.errors import LogCorruptError
from actors.store.block import LOG, new_blocks, open_blocks, read_blocks
from actors.store.disk import RealDisk
from tests.actors.store.frames import KEY


def file_of(key: bytes | None, *bodies: bytes) -> bytes:
    blocks = new_blocks(LOG, key)
    data = blocks.header
    for body in bodies:
        block = blocks.encode(len(data), body)
        assert len(block) == blocks.size(len(body))
        data += block
    return data


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "sealed"])
def test_a_changed_byte_anywhere_is_named(tmp_path: Path, key: bytes | None) -> None:
    path = tmp_path / "file"
    whole = file_of(key, b"one", b"two")
    path.write_bytes(whole)
    assert list(read_blocks(path, LOG, key)) == [b"one", b"two"]
    for place in range(len(whole)):
        for bit in (1, 0x80):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            with pytest.raises(LogCorruptError, match=str(path)):
                list(read_blocks(path, LOG, key))


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "sealed"])
def test_a_file_that_is_cut_within_a_block_is_named_unless_it_may_be_torn(
    tmp_path: Path, key: bytes | None
) -> None:
    path = tmp_path / "file"
    first, whole = file_of(key, b"one"), file_of(key, b"one", b"two")
    for size in range(len(first) + 1, len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(LogCorruptError, match=f"damaged at byte {len(first)}"):
            list(read_blocks(path, LOG, key))
        assert list(read_blocks(path, LOG, key, torn_tail=True)) == [b"one"]
    for size in range(32):
        path.write_bytes(whole[:size])
        with pytest.raises(LogCorruptError, match="ends within its header"):
            list(read_blocks(path, LOG, key))


class GrowingFile(io.FileIO):
    """A log that is written to right before it is read for the n-th time."""

    def __init__(self, path: Path, grown: bytes, reads: int) -> None:
        super().__init__(path)
        self._path = path
        self._grown = grown
        self._left = reads

    def _grow(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._path.write_bytes(self._grown)

    def readinto(self, buffer: Any, /) -> int:
        self._grow()
        return super().readinto(buffer)

    def readall(self) -> bytes:
        self._grow()
        return super().readall()


@pytest.mark.parametrize("reads", range(1, 12))
@pytest.mark.parametrize("ahead", [20, 9_000])
def test_blocks_written_while_a_running_log_is_read_are_no_damage(
    tmp_path: Path, reads: int, ahead: int
) -> None:
    data = file_of(None, b"one", b"2" * 100, b"3" * 9_000, b"four")
    first = len(file_of(None, b"one"))
    path = tmp_path / "log"
    path.write_bytes(data[:first] + bytes(ahead))
    with io.BufferedReader(GrowingFile(path, data, reads)) as file:
        whole = open_blocks(path, file, LOG, None)[1]
        assert whole in (first, len(data))
        assert open_blocks(path, file, LOG, None)[1] in (whole, len(data))


def test_damage_before_a_whole_block_is_no_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "log"
    data = bytearray(file_of(None, b"one", b"two", bytes(9)))
    path.write_bytes(data)
    first = len(file_of(None, b"one"))
    for place in range(first, first + 15):
        data[place] ^= 1
        path.write_bytes(data)
        with pytest.raises(LogCorruptError, match=f"damaged at byte {first}"):
            list(read_blocks(path, LOG, None, torn_tail=True))
        data[place] ^= 1


def test_a_file_is_read_through_the_disk_that_is_given(tmp_path: Path) -> None:
    class OtherDisk(RealDisk):
        def read(self, path: Path) -> BinaryIO:
            return io.BytesIO(file_of(None, b"other"))

    for torn_tail in (False, True):
        bodies = read_blocks(tmp_path, LOG, None, torn_tail=torn_tail, disk=OtherDisk())
        assert list(bodies) == [b"other"]
