"""CSV rows: the rows of cells in a file, each with its line, and the lines that are none."""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from msgspec import Struct

from ingest.readers import whole_lines

ROW_CHARS_MAX: Final = 64 << 10
"""Of one row, its line breaks included: more than a payload may have, and a quote that nobody
closes takes no more of the file with it."""

DELIMITERS: Final = (",", ";", "\t")
_REASONS: Final = {
    "unexpected end of data": "a quote is opened and never closed",
    "new-line character": "a line break inside of a cell",
}


class RowFault(Struct, frozen=True):
    """Lines that are no row: why, and what to do."""

    line: int
    reason: str
    fix: str


class _RowTooLongError(Exception):
    pass


class _Lines:
    """Lines of a stream as text, one after the other; counts them, and what a row has taken.

    What is no UTF-8 comes as lone surrogates, so that the row it stands in can be named.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._chunks = whole_lines(stream)
        self._lines: Iterator[str] = iter(())
        self._row_chars = 0
        self.number = 0
        self.row_began = 1

    def begin_row(self) -> None:
        self.row_began = self.number + 1
        self._row_chars = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            data = next(self._chunks)
            text = data.decode("utf-8", "surrogateescape")
            if self.number == 0:
                text = text.removeprefix("\ufeff")
            self._lines = io.StringIO(text, newline="\n")
            line = next(self._lines)
        self.number += 1
        self._row_chars += len(line)
        if self._row_chars > ROW_CHARS_MAX:
            raise _RowTooLongError
        return line


def csv_rows(stream: BinaryIO, delimiter: str) -> Iterator[tuple[int, list[str]] | RowFault]:
    """Yield each row with the number of the line it begins in, the header's among them.

    Lines without anything are passed over. A quoted cell may go on over lines.
    """
    lines = _Lines(stream)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin_row()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield _fault(lines, _reason(str(error)), "double quotes inside a quoted cell, close it")
        except _RowTooLongError:
            reason = f"the row is longer than {ROW_CHARS_MAX} characters"
            yield _fault(lines, reason, "close the quote that takes in the lines behind it")
        else:
            if cells:
                yield lines.row_began, cells


def _reason(said: str) -> str:
    return next((words for known, words in _REASONS.items() if known in said), said)


def _fault(lines: _Lines, reason: str, fix: str) -> RowFault:
    first, last = lines.row_began, lines.number
    if last > first:
        reason = f"{reason}; lines {first} to {last} are left out with it"
    return RowFault(first, reason, fix)


def delimiter_of(header: str) -> str:
    """Tell what stands between the columns by a header: what occurs most in it, outside quotes."""
    bare = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=bare.count)
