"""Files of contacts become identify events; rows that cannot are told by line."""

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from engine.input import Event, payload_of
from engine.limits import ATTRIBUTE_BYTES_MAX
from ingest.contact_file import Choice, ContactFile, ContactFileError, Refusal
from ingest.limits import BODY_BYTES_MAX, PAYLOAD_BYTES_MAX
from ingest.readers import Chunk, LineRejection
from ingest.sender import EVENTS_PER_POST, Sender, encode_events
from tests.ingest.serving import serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "contacts" / "contacts.csv"
CSV = "contact,zip,points:number,consent.email,list.news\n"


class Imported:
    def __init__(self, path: Path, **choice: Any) -> None:
        self.refusals: list[Refusal] = []
        self.file = ContactFile(path, Choice(**choice), self.refusals.append)
        self.chunks = list(self.file.chunks())
        self.events = [event for chunk in self.chunks for event in chunk.events]
        self.lines = [line for chunk in self.chunks for line in chunk.lines]
        self.payloads = [payload_of(event) for event in self.events]

    @property
    def refused(self) -> list[tuple[int, str, str]]:
        return [(each.line, each.column, each.value) for each in self.refusals]


def written(folder: Path, text: str | bytes, name: str = "contacts.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_example_of_the_docs_is_in_order() -> None:
    done = Imported(EXAMPLE)
    assert done.refusals == []
    assert [event.contact for event in done.events] == ["c-1001", "c-1002", "c-1003"]
    assert done.payloads[0] == {
        "attributes": {
            "email": "ada@shop.example",
            "name": "Lovelace, Ada",
            "zip": "01067",
            "points": 120,
            "birthday": "1985-12-10",
            "vip": True,
        },
        "consent": {"email": "double_opt_in"},
        "lists": {"spring-2026": True},
    }
    assert done.payloads[2]["attributes"].keys() == {"email", "name", "birthday"}


@pytest.mark.parametrize("form", ["plain", "bom", "gz", "zst", "semicolon", "tab", "crlf"])
def test_the_form_of_a_csv_file_does_not_matter(tmp_path: Path, form: str) -> None:
    text, name = CSV + 'c1,01067,1,opt_in,true\n"c2","a\nb",,,\n', "contacts.csv"
    signs = {"semicolon": (",", ";"), "tab": (",", "\t"), "crlf": ("\n", "\r\n")}
    data = text.replace(*signs.get(form, ("", ""))).encode()
    if form == "bom":
        data = b"\xef\xbb\xbf" + data
    elif form == "gz":
        data, name = gzip.compress(data), "contacts.csv.gz"
    elif form == "zst":
        data, name = zstandard.compress(data), "contacts.csv.zst"
    done = Imported(written(tmp_path, data, name))
    assert done.lines == [2, 3]
    assert done.payloads[0]["lists"] == {"news": True}
    zip_code = "a\r\nb" if form == "crlf" else "a\nb"
    assert (done.events[1].contact, done.payloads[1]) == ("c2", {"attributes": {"zip": zip_code}})


def test_json_lines_are_the_payload_of_identify(tmp_path: Path) -> None:
    lines = [
        '\ufeff{"contact":"c1","attributes":{"a":{"b":[1]},"gone":null},"lists":{"news":false}}',
        "",
        '{"contact":"anonymous/v9","consent":{"email":"opt_in"}}',
        '{"contact":"c2"}',
    ]
    done = Imported(written(tmp_path, "\n".join(lines)))
    assert done.refusals == []
    assert [(event.contact, event.name) for event in done.events] == [
        ("c1", "identify"),
        ("anonymous/v9", "identify"),
        ("c2", "identify"),
    ]
    assert done.lines == [1, 3, 4]
    assert done.payloads == [
        {"attributes": {"a": {"b": [1]}, "gone": None}, "lists": {"news": False}},
        {"consent": {"email": "opt_in"}},
        {},
    ]


def test_rows_that_cannot_be_taken_are_told_and_the_others_go(tmp_path: Path) -> None:
    rows = [
        "c1,01067,x,opt_in,true",
        ",01067,1,opt_in,true",
        "good,01067,1,opt_in,true",
        "c2,01067",
        'c3,"a" b,1,opt_in,true',
        f"c4,{'z' * ATTRIBUTE_BYTES_MAX},1,opt_in,true",
        f"{'c' * 257},01067,1,opt_in,true",
        "c\x00,01067,1,opt_in,true",
        "c6,01067,1,maybe,true",
    ]
    data = (CSV + "\n".join(rows)).encode() + b"\nc7,\xff,,,\n\xff,,,,\nlast,,,,\n"
    done = Imported(written(tmp_path, data))
    assert [event.contact for event in done.events] == ["good", "last"]
    assert done.lines == [4, 13]
    assert done.file.rows == 12
    assert sorted(done.refused) == [
        (2, "points:number", "x"),
        (3, "contact", ""),
        (5, "", ""),
        (6, "", ""),
        (7, "zip", "z" * 60 + "..."),
        (8, "contact", "c" * 60 + "..."),
        (9, "contact", "c\x00"),
        (10, "consent.email", "maybe"),
        (11, "zip", "?"),
        (12, "contact", "?"),
    ]
    assert all(each.reason and each.fix for each in done.refusals)
    assert {each.file for each in done.refusals} == {str(done.file.path)}


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ('{"contact":"c1","email":"a@b"}', "", "unknown field `email`"),
        ('{"attributes":{}}', "", "missing required field `contact`"),
        ('{"contact":7}', "contact", "Expected `str`"),
        ('{"contact":"c1"', "", "truncated"),
        ('{"contact":"c1","attributes":[]}', "attributes", "Expected `object`"),
        ('{"contact":"c1","attributes":{"a":"\udcff"}}', "", "UTF-8"),
        ('{"contact":"c1","attributes":{"a":123456789012345678901234567890}}', "", "64 bits"),
        ('{"contact":"c1","attributes":{"a":' + "[" * 40 + "]" * 40 + "}}", "", "32 levels"),
        ('{"contact":"c1","consent":{"email":"yes"}}', "consent.email", "a level of consent"),
        ('{"contact":"c1","lists":{"News":true}}', "lists.News", "a-z"),
        ('{"contact":"c1","lists":{"news":"yes"}}', "lists.news", "true"),
        ('{"contact":""}', "contact", "length >= 1"),
        ('{"contact":"' + "x" * (1 << 16) + '"}', "", "longer than 65536 bytes"),
    ],
)
def test_a_json_line_that_cannot_be_taken_is_told(
    tmp_path: Path, line: str, column: str, reason: str
) -> None:
    data = f'{{"contact":"c0"}}\n{line}\n{{"contact":"c9"}}'.encode(errors="surrogateescape")
    done = Imported(written(tmp_path, data))
    assert [event.contact for event in done.events] == ["c0", "c9"]
    (refusal,) = done.refusals
    assert (refusal.line, refusal.column) == (2, column)
    assert reason in refusal.reason
    assert done.file.rows == 3


def test_options_put_every_contact_on_lists_and_take_it_off(tmp_path: Path) -> None:
    path = written(tmp_path, "contact,list.news\nc1,1\nc2,\n")
    done = Imported(path, lists={"spring": True, "old": False})
    lists = {"spring": True, "old": False}
    assert done.payloads == [{"lists": {"news": True, **lists}}, {"lists": lists}]
    with pytest.raises(ContactFileError, match=r"column `list.news` and the option both say"):
        Imported(path, lists={"news": True})
    against = written(tmp_path, '{"contact":"c1","lists":{"spring":false}}\n{"contact":"c2"}')
    done = Imported(against, lists={"spring": True})
    assert [event.contact for event in done.events] == ["c2"]
    assert done.refused == [(1, "lists.spring", "False")]


def test_a_row_has_the_same_id_whenever_its_file_is_imported_in_the_same_way(
    tmp_path: Path,
) -> None:
    def ids(text: str, name: str = "a.csv", **choice: Any) -> list[str]:
        data = gzip.compress(text.encode()) if name.endswith(".gz") else text
        return [event.id for event in Imported(written(tmp_path, data, name), **choice).events]

    text = "contact,a\nc1,1\nc1,1\n"
    first = ids(text)
    assert len(set(first)) == 2
    assert ids(text) == ids(text, "b.csv") == ids(text, "c.csv.gz") == first
    others = [
        ids(text.replace("c1,1\nc1", "c1,2\nc1")),
        ids(text, lists={"news": True}),
        ids(text, lists={"news": False}),
        ids(text, empty_removes=True),
        ids(text, mark="again"),
    ]
    assert len({*first, *(id for each in others for id in each)}) == 12


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty; its first line must name the columns"),
        (b"\n\n", "is empty"),
        ("contact,a\nc1,ä\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (b'[{"contact":"c1"}]', "one JSON array; write an object a line"),
        (b"email;name\n", "header: no column `contact`, only `email`, `name`; name the right"),
        (b'contact,"a" b\n', "header: ',' expected after"),
        (b"contact\rc1\r", "header: a line break inside of a cell"),
        (b"contact,\xff\n", "header: no UTF-8; save the file"),
    ],
)
def test_a_file_that_cannot_be_begun_says_what_to_do(
    tmp_path: Path, data: bytes, said: str
) -> None:
    with pytest.raises(ContactFileError, match=said):
        Imported(written(tmp_path, data))


def test_a_packed_file_that_is_cut_is_an_error_and_not_its_end(tmp_path: Path) -> None:
    whole = gzip.compress(("contact\n" + "c1\n" * 90_000).encode())
    with pytest.raises(OSError, match=r"cut\.csv\.gz"):
        Imported(written(tmp_path, whole[: len(whole) // 2], "cut.csv.gz"))


def test_chunks_are_bodies_that_a_gateway_takes(tmp_path: Path) -> None:
    value = "ä" * (ATTRIBUTE_BYTES_MAX // 2 - 1)
    names = [f"a{i}" for i in range(PAYLOAD_BYTES_MAX // ATTRIBUTE_BYTES_MAX - 1)]
    header = ",".join(["contact", *names])
    rows = [",".join([f"c{i}", *[value] * len(names)]) for i in range(200)]
    done = Imported(written(tmp_path, "\n".join([header, *rows])))
    assert done.refusals == []
    assert len(done.events) == 200
    assert all(len(encode_events(each.events)) < BODY_BYTES_MAX for each in done.chunks)
    small = Imported(written(tmp_path, "contact\n" + "c\n" * (2 * EVENTS_PER_POST + 1)))
    assert [len(each.events) for each in small.chunks] == [EVENTS_PER_POST, EVENTS_PER_POST, 1]


def test_what_is_held_does_not_grow_with_the_file(tmp_path: Path) -> None:
    line = "c-{}," + "z" * 300 + ",7,opt_in,true\n"

    def peak(rows: int) -> int:
        path = written(tmp_path, CSV + "".join(line.format(i) for i in range(rows)))
        tracemalloc.start()
        file = ContactFile(path, Choice(), print)
        assert sum(len(chunk.events) for chunk in file.chunks()) == rows
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    few = peak(2_500)
    assert peak(10_000) < 1.2 * few


async def test_the_real_gateway_gets_the_rows_in_order_and_a_second_import_changes_nothing(
    tmp_path: Path,
) -> None:
    rows = "".join(f"c{i % 700},z{i},{i},opt_in,1\n" for i in range(1_200))
    path = written(tmp_path, CSV + rows + "erased,x,,,\n" + "c1,x,y,,\n")
    refusals: list[Refusal] = []
    async with serving(tmp_path, shards=2) as served:
        sender = Sender(f"http://127.0.0.1:{served.gateway.port}")
        first = await sender.send(ContactFile(path, Choice(), refusals.append).chunks())
        kept = [event for shard in served.shards for event in shard.events]
        again = await sender.send(ContactFile(path, Choice(), refusals.append).chunks())
    assert (first.accepted, first.repeated, first.rejected, first.erased) == (1_200, 0, 1, 1)
    assert (again.accepted, again.repeated, again.erased) == (0, 1_200, 1)
    assert [each.line for each in refusals] == [1_203, 1_203]
    payloads = [json.loads(event.payload) for event in kept if event.contact == "c42"]
    assert [each["attributes"]["zip"] for each in payloads] == ["z42", "z742"]
    assert payloads[0] == {
        "attributes": {"zip": "z42", "points": 42},
        "consent": {"email": "opt_in"},
        "lists": {"news": True},
    }


async def test_what_only_the_gateway_refuses_is_told_with_line_column_and_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway of another version may refuse what this one's check lets through."""
    monkeypatch.setattr(ContactFile, "_checked", _unchecked)
    path = written(tmp_path, CSV + "c1,z1,1,,\n" + f"c2,{'z' * 3000},2,,\n" + "c3,z3,3,,\n")
    refusals: list[Refusal] = []
    async with serving(tmp_path) as served:
        file = ContactFile(path, Choice(), refusals.append)
        url = f"http://127.0.0.1:{served.gateway.port}"
        report = await Sender(url, rejected=file.refused_by_gateway).send(_counted(file))
        kept = [event.contact for event in served.shard.events]
    assert (report.accepted, report.rejected) == (2, 1)
    assert kept == ["c1", "c3"]
    (refusal,) = refusals
    assert (refusal.line, refusal.column, refusal.value) == (3, "zip", "z" * 60 + "...")


def _unchecked(file: ContactFile, events: list[Event], lines: list[int]) -> Chunk:
    file._last = Chunk(events, lines, [])
    return file._last


def _counted(file: ContactFile) -> Iterator[Chunk]:
    for chunk in file.chunks():
        assert not chunk.rejections
        yield chunk


def test_a_path_that_is_no_column_is_told_as_it_is(tmp_path: Path) -> None:
    done = Imported(written(tmp_path, CSV + "c1,z1,1,,\n"))
    done.file.refused_by_gateway(LineRejection(2, "$.payload", "too long; send less"))
    (refusal,) = done.refusals
    assert (refusal.line, refusal.reason, refusal.fix) == (2, "too long", "send less")
