"""CSV as programs write it, and as people break it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import csv_rows as module
from ingest.csv_rows import ROW_CHARS_MAX, RowFault, csv_rows, delimiter_of
from ingest.readers import CHUNK_BYTES

cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"', '""', "\r\n", "\n", ",", ";", "\t", " x ", "\ufeff", "\x0b", "\u2028", ""]
)
rows = st.lists(st.lists(cells, min_size=1, max_size=4), max_size=6)


def read(data: bytes, delimiter: str = ",") -> list[tuple[int, list[str]] | RowFault]:
    return list(csv_rows(io.BytesIO(data), delimiter))


@given(
    rows=rows,
    delimiter=st.sampled_from([",", ";", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
)
def test_what_was_written_is_read_with_the_line_it_begins_in(
    *, rows: list[list[str]], delimiter: str, end: str, bom: bool
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    expected = []
    for row in rows:
        expected.append((text.getvalue().count("\n") + 1, row))
        writer.writerow(row)
    data = text.getvalue().encode("utf-8-sig" if bom else "utf-8")
    assert read(data, delimiter) == expected


@given(st.binary(max_size=80), st.sampled_from([",", ";", "\t"]))
def test_any_bytes_give_rows_or_faults_and_every_line_once(data: bytes, delimiter: str) -> None:
    last = 0
    for row in read(data, delimiter):
        line = row.line if isinstance(row, RowFault) else row[0]
        assert line > last
        last = line
    assert last <= data.count(b"\n") + 1


def test_chunks_of_the_file_do_not_show() -> None:
    data = b"".join(b'c-%d,"a\nb"\n' % i for i in range(CHUNK_BYTES // 8))
    found = read(data)
    assert found == [(2 * i + 1, [f"c-{i}", "a\nb"]) for i in range(CHUNK_BYTES // 8)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'a,"b" c', "',' expected after '\"'"),
        (b'a,"b\nc" d', "lines 2 to 3 are left out with it"),
        (b"a,b\rc", "a line break inside of a cell"),
        (b"x" * (ROW_CHARS_MAX + 1), f"longer than {ROW_CHARS_MAX} characters"),
        (b"x" * (3 << 20), f"longer than {ROW_CHARS_MAX} characters"),
    ],
    ids=["after the quote", "two lines", "return", "long", "longer than can be held"],
)
def test_a_broken_row_is_left_out_alone(bad: bytes, reason: str) -> None:
    first, fault, last = read(b"h,i\n" + bad + b"\n\nc,d")
    assert isinstance(fault, RowFault)
    assert (first, fault.line) == ((1, ["h", "i"]), 2)
    assert reason in fault.reason
    assert last == (bad.count(b"\n") + 4, ["c", "d"])


def test_a_quote_that_nobody_closes_takes_only_so_much_of_the_file_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ROW_CHARS_MAX", 20)
    fault, *rest = read(b'a,"b\n' + b"c,d\n" * 6)
    assert isinstance(fault, RowFault)
    assert fault.line == 1
    assert "lines 1 to 5 are left out" in fault.reason
    assert rest == [(6, ["c", "d"]), (7, ["c", "d"])]
    (end,) = read(b'a,"b\nc,d')
    assert isinstance(end, RowFault)
    assert "never closed; lines 1 to 2" in end.reason


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [("a,b", ","), ("a;b;c,d", ";"), ("a\tb", "\t"), ('"a,,,";b', ";"), ("contact", ",")],
)
def test_the_header_tells_the_delimiter(header: str, delimiter: str) -> None:
    assert delimiter_of(header) == delimiter
