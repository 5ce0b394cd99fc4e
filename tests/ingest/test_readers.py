"""Files of events: four formats, plain or packed, and what is no event in them."""

import gzip
import tracemalloc
from pathlib import Path

import msgspec
import pytest
import zstandard

from engine.input import Event, looked_into
from ingest import readers
from ingest.readers import LineRejection, UnknownFormatError, as_wire, read_chunks, read_events
from ingest.sender import encode_events

REES46 = """\
event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:01 UTC,view,11,77,,acme,35.79,c1,s1
2019-10-01 00:00:02 UTC,cart,12,78,shoes.boots,,9,c1,s1
2019-10-01 00:00:03 UTC,purchase,12,78,shoes.boots,,dear,c1,s1
2019-10-01 00:00:04 UTC,view,12
"""
D2C = """\
event_time,event_type,user_id,event_id,variant,price,order_total
1970-01-01 00:00:01.234999,Page,u1,m1,,,
2022-10-03 16:44:04.723000,Product Added,u1,m2,V-1,28.99,
2022-10-03 16:44:05.000000,Pop-up Email Viewed,u1,m3,,,
2022-10-03 16:44:06,Order Completed,u1,m4,,,12.5
"""
W1 = """\
{"id":"1","contact":"c","name":"page_view","ts":1700000000000,"payload":{"price":1.5}}
"""


def read(path: Path, format: str) -> tuple[list[Event], list[int], list[LineRejection]]:
    chunks = list(read_chunks(path, format))
    return (
        [event for chunk in chunks for event in chunk.events],
        [line for chunk in chunks for line in chunk.lines],
        [each for chunk in chunks for each in chunk.rejections],
    )


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_canonical_lines_become_events(tmp_path: Path) -> None:
    events, lines, rejections = read(
        written(
            tmp_path,
            '{"id":"a","contact":"c1","name":"hi","at_ms":1700000000000,"payload":{"x":1}}\n'
            '{"anonymous":"v9","name":"hi"}\n'
            '{"id":"c","contact":"c1","name":"hi","at":"2023-11-14T23:13:20.0009+01:00"}',
        ),
        "canonical",
    )
    assert events == [
        Event("a", "c1", "hi", 1_700_000_000_000, {"x": 1}),
        Event("line-2", "anonymous/v9", "hi", None, {}),
        Event("c", "c1", "hi", 1_700_000_000_000, {}),
    ]
    assert list(lines) == [1, 2, 3]
    assert rejections == []


@pytest.mark.parametrize(
    ("line", "path", "error"),
    [
        ('{"contact":"c1"}', "$", "missing required field `name`"),
        ('{"contact":5,"name":"hi"}', "$.contact", "got `int`"),
        ('{"name":"hi"}', "$", "needs `contact` or `anonymous`"),
        ('{"name":"hi","contact":"a","anonymous":"b"}', "$.anonymous", "not both"),
        ('{"name":"hi","contact":"anonymous/x"}', "$.contact", "no contact may begin"),
        ('{"name":"hi","contact":"a\\u0000b"}', "$.contact", "control characters"),
        ('{"name":"session_end","contact":"a"}', "$.name", "cannot be sent"),
        ('{"name":"consent","contact":"a","payload":{"email":"so"}}', "$.payload.email", "level"),
        ('{"name":"hi","contact":"a","payload":{"n":99999999999999999999999}}', "$.payload", "64"),
        ('{"name":"hi","contact":"a","at":"2023-01-01T00:00:00"}', "$.at", "timezone"),
        ('{"name":"hi","contact":"a","at_ms":5}', "$.at_ms", ">="),
        ('{"name":"hi","contact":"a","nmae":1}', "$", "unknown field"),
        ("hi", "$", "malformed"),
        ('{"name":"hi","contact":"a"', "$", "truncated"),
        ('{"name":"hi","contact":"a","payload":' + '{"a":' * 5000 + "1" + "}" * 5001, "$", "deep"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_event_is_rejected_alone(
    tmp_path: Path, line: str, path: str, error: str
) -> None:
    good = '{"id":"a","contact":"c1","name":"hi"}\n'
    events, lines, rejections = read(written(tmp_path, f"{good}\n{line}\n{good}"), "canonical")
    assert [event.id for event in events] == ["a", "a"]
    assert list(lines) == [1, 4]
    (rejection,) = rejections
    assert (rejection.line, rejection.path) == (3, path)
    assert error in rejection.error


def test_two_objects_on_a_line_are_no_two_events(tmp_path: Path) -> None:
    one = '{"contact":"c1","name":"hi"}'
    events, _, rejections = read(written(tmp_path, f"{one}{one}\n{one}\n"), "canonical")
    assert [event.id for event in events] == ["line-2"]
    assert [each.line for each in rejections] == [1]


def test_line_numbers_hold_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "CHUNK_BYTES", 100)
    text = "".join(
        "broken\n" if i in (3, 40) else f'{{"contact":"c","name":"n{i}"}}\n' for i in range(1, 51)
    )
    events, lines, rejections = read(written(tmp_path, text), "canonical")
    assert [event.id for event in events] == [f"line-{line}" for line in lines]
    assert [event.name for event in events] == [f"n{line}" for line in lines]
    assert [each.line for each in rejections] == [3, 40]


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n", "\n\n", "\n \t\n", "\n\n\n"])
@pytest.mark.parametrize("begin", ["", "\n", " \n"])
def test_blank_lines_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: str, end: str
) -> None:
    """An event's line is that which an editor shows, also where a chunk ends in blank ones."""
    one = '{"contact":"c","name":"hi","payload":{"note":"}\\n{"}}'
    text = begin + end.join([one] * 9)
    monkeypatch.setattr(readers, "CHUNK_BYTES", len(begin + one + end))
    events, lines, rejections = read(written(tmp_path, text), "canonical")
    expected = [i for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    assert list(lines) == expected
    assert [event.id for event in events] == [f"line-{line}" for line in expected]
    assert rejections == []


def test_a_line_without_end_is_rejected_and_not_held(tmp_path: Path) -> None:
    good = '{"contact":"c1","name":"hi"}\n'
    long = '{"contact":"c1","name":"' + "x" * 20_000_000 + '"}\n'
    path = written(tmp_path, good + long + good)
    del long
    tracemalloc.start()
    events, _, rejections = read(path, "canonical")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000
    assert [event.id for event in events] == ["line-1", "line-3"]
    assert [(each.line, "longer than" in each.error) for each in rejections] == [(2, True)]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_packed_files_are_read_by_their_suffix(tmp_path: Path, suffix: str) -> None:
    data = b"".join(b'{"contact":"c%d","name":"hi"}\n' % i for i in range(20_000))
    packed = {
        "": lambda each: each,
        ".gz": gzip.compress,
        ".zst": zstandard.ZstdCompressor().compress,
    }[suffix](data)
    path = tmp_path / f"events.jsonl{suffix}"
    path.write_bytes(packed)
    events, _, _ = read(path, "canonical")
    assert [event.contact for event in events] == [f"c{i}" for i in range(20_000)]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_that_is_not_packed_so_is_an_os_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"events{suffix}"
    path.write_text("no archive")
    with pytest.raises(OSError):  # noqa: PT011 - the system's words differ by suffix
        read(path, "canonical")


def test_an_unknown_format_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError, match="canonical, w1, rees46, d2c"):
        read(written(tmp_path, ""), "excel")


def test_w1_is_read(tmp_path: Path) -> None:
    events, _, _ = read(written(tmp_path, W1), "w1")
    (event,) = events
    assert isinstance(event, Event)
    assert msgspec.structs.astuple(looked_into(event)) == (
        *("1", "c", "page_view", 1_700_000_000_000),
        {"price": 1.5},
    )


def test_rees46_is_read(tmp_path: Path) -> None:
    events, lines, rejections = read(written(tmp_path, REES46), "rees46")
    view = {"product_id": "11", "category": "77", "session": "s1", "brand": "acme", "price": 35.79}
    cart = {"product_id": "12", "category": "shoes.boots", "session": "s1", "price": 9.0}
    assert events == [
        Event("1", "c1", "product_view", 1_569_888_001_000, view),
        Event("2", "c1", "cart_update", 1_569_888_002_000, cart),
    ]
    assert lines == [2, 3]
    assert [each.line for each in rejections] == [4, 5]


def test_d2c_is_read_and_its_microseconds_floored(tmp_path: Path) -> None:
    events, _, rejections = read(written(tmp_path, D2C), "d2c")
    assert rejections == []
    assert events == [
        Event("m1", "u1", "page_view", 1_234, {}),
        Event(
            "m2",
            "u1",
            "cart_update",
            1_664_815_444_723,
            {"variant": "V-1", "product_id": "V-1", "price": 28.99},
        ),
        Event("m3", "u1", "pop_up_email_viewed", 1_664_815_445_000, {}),
        Event("m4", "u1", "purchase", 1_664_815_446_000, {"order_total": 12.5}),
    ]


def test_a_csv_without_its_columns_says_which(tmp_path: Path) -> None:
    events, _, rejections = read(written(tmp_path, "a,user_id\n1,2\n"), "rees46")
    assert events == []
    assert rejections == [LineRejection(2, "$.event_type", "the header has no such column")]


def test_what_is_written_as_wire_is_read_as_it_was(tmp_path: Path) -> None:
    events = [
        Event("1", "c", "hi", 1_700_000_000_000, {"x": [1, {"y": None}], "ü": "„“"}),
        Event("2", "anonymous/v", "hi", None, {}),
    ]
    path = written(tmp_path, encode_events(events))
    assert [event for chunk in read_events(path, "canonical") for event in chunk] == events
    assert as_wire(events[1]) == {"id": "2", "name": "hi", "payload": {}, "anonymous": "v"}


@pytest.mark.parametrize(
    ("format", "text"), [("w1", W1), ("rees46", REES46), ("d2c", D2C.replace("1970", "2022"))]
)
def test_what_is_read_of_another_format_is_sent_as_the_same_events(
    tmp_path: Path, format: str, text: str
) -> None:
    events, _, _ = read(written(tmp_path, text), format)
    sent, _, rejections = read(written(tmp_path, encode_events(events)), "canonical")
    assert rejections == []
    as_read = [msgspec.structs.astuple(looked_into(event)) for event in events]
    assert [msgspec.structs.astuple(event) for event in sent] == as_read


def test_a_stream_is_not_read_ahead(tmp_path: Path) -> None:
    path = written(tmp_path, b'{"contact":"c","name":"hi"}\n' * 100_000)
    chunks = read_chunks(path, "canonical")
    assert len(next(chunks).events) < 10_000
