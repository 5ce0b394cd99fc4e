"""Blocks: a changed byte is seen anywhere; a log that goes on is not taken for a damaged one."""

import io
from pathlib import Path
from typing import BinaryIO

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


class SlowReader(io.BytesIO):
    """Reads a log that is written meanwhile: when the end is looked for, more has come."""

    def __init__(self, before: bytes, after: bytes) -> None:
        super().__init__(before)
        self._after = after

    def read(self, size: int | None = -1, /) -> bytes:
        if size == -1 and self._after:
            place = self.tell()
            seen = self.getvalue()[place:]
            self.seek(0)
            self.write(self._after)
            self.seek(place)
            # What was read ahead is as old as that; what follows is new.
            rest = self._after[place + len(seen) :]
            self._after = b""
            self.seek(0, io.SEEK_END)
            return seen + rest
        return super().read(size)


def test_blocks_written_while_a_running_log_is_read_are_no_damage() -> None:
    blocks = new_blocks(LOG, KEY)
    data = blocks.header
    ends = []
    for body in (b"one", b"two", b"three"):
        data += blocks.encode(len(data), body)
        ends.append(len(data))
    before = data[: ends[0]] + bytes(20)
    file: BinaryIO = SlowReader(before, data)
    assert open_blocks(Path("log"), file, LOG, KEY)[1] == ends[2]


def test_a_file_is_read_through_the_disk_that_is_given(tmp_path: Path) -> None:
    class OtherDisk(RealDisk):
        def read(self, path: Path) -> BinaryIO:
            return io.BytesIO(file_of(None, b"other"))

    for torn_tail in (False, True):
        bodies = read_blocks(tmp_path, LOG, None, torn_tail=torn_tail, disk=OtherDisk())
        assert list(bodies) == [b"other"]
