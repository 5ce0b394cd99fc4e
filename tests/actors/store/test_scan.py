"""The scan of a file: every damaged stretch of it is named, and what lies behind is read."""

from pathlib import Path
from zlib import crc32

import pytest

from actors.store.block import HEAD, HEADER, LOG, new_blocks
from actors.store.scan import Piece, scan_blocks

KEY = bytes(range(32))
BODIES = [bytes([number]) * (40 + number) for number in range(6)]


def write_file(path: Path, key: bytes | None, tail: bytes = b"") -> list[int]:
    """Write a file of six blocks; return where each begins, and the end."""
    blocks = new_blocks(LOG, key)
    data, offsets = blocks.header, []
    for body in BODIES:
        offsets.append(len(data))
        data += blocks.encode(len(data), body)
    path.write_bytes(data + tail)
    return [*offsets, len(data)]


def change(path: Path, *places: int) -> None:
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 0x40
    path.write_bytes(bytes(data))


def bad(pieces: list[Piece]) -> list[tuple[int, int, bool]]:
    return [(each.offset, each.size, each.torn) for each in pieces if each.body is None]


def good(pieces: list[Piece]) -> list[bytes]:
    return [each.body for each in pieces if each.body is not None]


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "sealed"])
def test_a_file_as_it_was_written_is_read_whole(tmp_path: Path, key: bytes | None) -> None:
    offsets = write_file(tmp_path / "f", key)
    pieces = list(scan_blocks(tmp_path / "f", LOG, key))
    assert good(pieces) == BODIES
    assert [each.offset for each in pieces] == offsets[:-1]
    assert sum(each.size for each in pieces) + HEADER.size == (tmp_path / "f").stat().st_size


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "sealed"])
@pytest.mark.parametrize("within", [0, 5, 9, HEAD.size + 3])
def test_all_damage_is_named_and_what_lies_behind_is_read(
    tmp_path: Path, key: bytes | None, within: int
) -> None:
    path = tmp_path / "f"
    offsets = write_file(path, key)
    change(path, offsets[1] + within, offsets[3] + within, offsets[4] + within)
    pieces = list(scan_blocks(path, LOG, key))
    assert good(pieces) == [BODIES[0], BODIES[2], BODIES[5]]
    assert sum(each.size for each in pieces) == offsets[-1] - HEADER.size
    found = bad(pieces)
    assert not any(torn for _, _, torn in found)
    assert {offset for offset, _, _ in found} <= {offsets[1], offsets[3], offsets[4]}
    assert {offsets[1], offsets[3]} <= {offset for offset, _, _ in found}


@pytest.mark.parametrize("left", [1, HEAD.size - 1, HEAD.size, HEAD.size + 20])
def test_a_last_write_cut_short_is_told_from_damage(tmp_path: Path, left: int) -> None:
    path = tmp_path / "f"
    offsets = write_file(path, None)
    path.write_bytes(path.read_bytes()[: offsets[5] + left] + bytes(100))
    pieces = list(scan_blocks(path, LOG, None))
    assert good(pieces) == BODIES[:5]
    assert bad(pieces)[0][0] == offsets[5]
    assert all(torn for _, _, torn in bad(pieces))


def test_zeroes_filled_ahead_are_told_from_a_write_cut_short(tmp_path: Path) -> None:
    offsets = write_file(tmp_path / "f", KEY, bytes(1000))
    *_, last = scan_blocks(tmp_path / "f", LOG, KEY)
    assert (last.offset, last.size, last.torn, last.blank) == (offsets[-1], 1000, True, True)


def test_a_block_that_was_moved_within_a_sealed_file_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "f"
    offsets = write_file(path, KEY)
    data = path.read_bytes()
    swapped = data[: offsets[1]] + data[offsets[5] :] + data[offsets[2] :]
    path.write_bytes(swapped)
    pieces = list(scan_blocks(path, LOG, KEY))
    assert bad(pieces)[0][0] == offsets[1]
    assert "sealed" in next(each.error for each in pieces if each.body is None)


def test_a_whole_block_that_was_being_written_as_the_scan_came_is_no_damage(tmp_path: Path) -> None:
    """A head is there, the body not yet, and behind it another block: the log runs."""
    path = tmp_path / "f"
    offsets = write_file(path, None)
    whole = path.read_bytes()
    change(path, offsets[2] + HEAD.size + 1)
    seen = []
    for piece in scan_blocks(path, LOG, None):
        seen.append(piece)
        if piece.offset == offsets[1]:
            path.write_bytes(whole)
    assert good(seen) == BODIES


@pytest.mark.parametrize("data", [b"", LOG[:3], LOG + bytes(3), bytes(500)])
def test_a_file_just_begun_may_be_a_write_cut_short(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "f").write_bytes(data)
    (piece,) = scan_blocks(tmp_path / "f", LOG, None)
    assert (piece.offset, piece.body, piece.torn) == (0, None, True)


def test_a_file_of_another_kind_is_damage_at_its_first_byte(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"PK" + bytes(10) + b"x" * 100)
    (piece,) = scan_blocks(tmp_path / "f", LOG, None)
    assert (piece.offset, piece.size, piece.torn) == (0, 112, False)


def test_a_head_that_lies_about_its_length_costs_only_its_own_block(tmp_path: Path) -> None:
    path = tmp_path / "f"
    offsets = write_file(path, None)
    data = bytearray(path.read_bytes())
    head = HEAD.pack(10_000, 1, 0)[:8]
    data[offsets[2] : offsets[2] + HEAD.size] = head + crc32(head).to_bytes(4, "big")
    path.write_bytes(bytes(data))
    assert good(list(scan_blocks(path, LOG, None))) == BODIES[:2] + BODIES[3:]
