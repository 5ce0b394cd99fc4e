"""Damage is told from a torn tail, whatever bytes a block ends in and whoever writes meanwhile."""

import io
from pathlib import Path

import pytest

from actors.errors import LogCorruptError
from actors.store.block import HEAD, HEADER, LOG, new_blocks, open_blocks

PATH = Path("log")


def file_of(*bodies: bytes) -> tuple[bytearray, list[int]]:
    """Return a file of these blocks, and where each begins."""
    blocks = new_blocks(LOG, None)
    data, starts = bytearray(blocks.header), []
    for body in bodies:
        starts.append(len(data))
        data += blocks.encode(len(data), body)
    return data, starts


@pytest.mark.parametrize("ahead", [0, 100])
@pytest.mark.parametrize("last", [b"last", b"ends in zeroes\0\0\0", b"\0"])
def test_a_broken_block_before_a_whole_one_is_damage(last: bytes, ahead: int) -> None:
    data, starts = file_of(b"first", b"second", last)
    data[starts[1] + HEAD.size] ^= 1
    with pytest.raises(LogCorruptError, match=f"damaged at byte {starts[1]}"):
        open_blocks(PATH, io.BytesIO(bytes(data) + bytes(ahead)), LOG, None)


@pytest.mark.parametrize("last", [b"last", b"ends in zeroes\0\0\0"])
def test_a_broken_last_block_is_a_torn_tail(last: bytes) -> None:
    data, starts = file_of(b"first", last)
    data[starts[1] + HEAD.size] ^= 1
    assert open_blocks(PATH, io.BytesIO(bytes(data) + bytes(100)), LOG, None)[1] == starts[1]


class Growing(io.BytesIO):
    """A file to which a writer adds blocks just when a reader has come to its end."""

    def __init__(self, data: bytes, more: bytes) -> None:
        super().__init__(data + bytes(len(more)))
        self._begun = len(data)
        self._more = more

    def read(self, size: int | None = -1, /) -> bytes:
        if size in {None, -1}:
            at = self.seek(0, io.SEEK_CUR)
            self.seek(self._begun)
            self.write(self._more)
            self.seek(at)
        return super().read(size)


def test_blocks_written_while_it_is_read_are_no_damage() -> None:
    data, starts = file_of(b"first", b"second", b"third", b"fourth")
    file = Growing(bytes(data[: starts[1]]), bytes(data[starts[1] :]))
    assert open_blocks(PATH, file, LOG, None)[1] == len(data)


def test_a_file_cut_within_its_header_holds_nothing_yet() -> None:
    data, _ = file_of(b"first")
    for size in (0, 3, 8, HEADER.size - 1):
        if size < len(LOG):
            assert open_blocks(PATH, io.BytesIO(data[:size]), LOG, None) == (None, 0)
        else:
            with pytest.raises(LogCorruptError, match="ends within its header"):
                open_blocks(PATH, io.BytesIO(data[:size]), LOG, None)
