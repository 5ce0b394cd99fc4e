"""Bytes become events, or reasons with the index and path of the fault."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.links.link import LinkEvent
from engine.contacts.identity import partition_of
from ingest.limits import EVENTS_PER_REQUEST_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_DEPTH_MAX
from ingest.wire import BodyError, Reader, Rejection, keys_of

GOOD: dict[str, Any] = {"id": "e-1", "contact": "c-1", "name": "page_view"}


def read(body: Any, *, lines: bool = False) -> tuple[list[LinkEvent], list[Rejection]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reader("boot-").read(data, lines=lines)


def test_an_event_becomes_what_its_shard_needs() -> None:
    body = b"""{"id": "e-17", "contact": "c-42", "name": "product_view",
      "at": "2026-04-05T17:31:00Z", "payload": {"price" : 12.5}}"""
    expected = LinkEvent(
        partition_of("c-42"), "c-42", "e-17", "product_view", 1775410260000, b'{"price" : 12.5}'
    )
    assert read(body) == ([expected], [])


def test_one_event_an_array_and_lines_of_them_read_the_same() -> None:
    second = {**GOOD, "id": "e-2"}
    (one,), _ = read(GOOD)
    many, _ = read([GOOD, second])
    lines = f"\n{json.dumps(GOOD)}\r\n\n  {json.dumps(second)}".encode()
    assert read(b" \n" + json.dumps(GOOD).encode()) == ([one], [])
    assert many[0] == one
    assert read(lines, lines=True) == (many, [])


def test_an_anonymous_id_has_a_key_space_of_its_own() -> None:
    (event,), _ = read({"anonymous": "a-1", "name": "x"})
    assert event.contact == "anonymous/a-1"
    assert event.partition == partition_of("anonymous/a-1")


def test_without_id_and_time_each_event_gets_an_id_and_the_shard_the_time() -> None:
    events, _ = read([{"contact": "c", "name": "x"}] * 3)
    assert [event.id for event in events] == ["boot-1", "boot-2", "boot-3"]
    assert [event.at_ms for event in events] == [None] * 3


def test_null_is_as_good_as_absent() -> None:
    nothing = {"id": None, "anonymous": None, "at": None, "at_ms": None, "payload": None}
    (event,), _ = read({"contact": "c", "name": "x", **nothing})
    assert (event.id, event.at_ms, event.payload) == ("boot-1", None, b"{}")


@pytest.mark.parametrize(
    ("at", "at_ms"),
    [
        ("2026-04-05T19:31:00+02:00", 1775410260000),
        ("2026-04-05T17:31:00.1239Z", 1775410260123),
        ("2000-01-01T00:00:00Z", 946684800000),
    ],
)
def test_a_time_is_read_in_its_zone_to_the_millisecond(at: str, at_ms: int) -> None:
    (event,), _ = read({**GOOD, "at": at})
    assert event.at_ms == at_ms


DEEP: dict[str, Any] = {}
for _ in range(PAYLOAD_DEPTH_MAX):
    DEEP = {"in": DEEP}

FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"payloads": {}}, "$.payloads", "no such field"),
    ({"contact": None}, "$", "needs `contact` or `anonymous`"),
    ({"anonymous": "a"}, "$.anonymous", "not both"),
    ({"contact": "anonymous/a"}, "$.contact", "anonymous"),
    ({"contact": ""}, "$.contact", "length"),
    ({"contact": "c" * 257}, "$.contact", "length"),
    ({"contact": 7}, "$.contact", "str"),
    ({"contact": "a\nb"}, "$.contact", "control"),
    ({"contact": None, "anonymous": "a\x85"}, "$.anonymous", "control"),
    ({"contact": None, "anonymous": "a" * 257}, "$.anonymous", "length"),
    ({"id": ""}, "$.id", "length"),
    ({"id": "i" * 257}, "$.id", "length"),
    ({"name": ""}, "$.name", "length"),
    ({"name": "n" * 129}, "$.name", "length"),
    ({"name": "a\x00"}, "$.name", "control"),
    ({"name": "session_end"}, "$.name", "derived by the engine"),
    ({"name": "session_start"}, "$.name", "derived by the engine"),
    ({"name": "segment_enter/vip"}, "$.name", "derived by the engine"),
    ({"name": "segment_leave/vip"}, "$.name", "derived by the engine"),
    ({"name": "start/welcome"}, "$.name", "derived by the engine"),
    ({"at": "2026-04-05T17:31:00"}, "$.at", "timezone"),
    ({"at": "yesterday"}, "$.at", "RFC3339"),
    ({"at": "1999-12-31T23:59:59Z"}, "$.at", "2000"),
    ({"at": "2100-01-01T00:00:00Z"}, "$.at", "2100"),
    ({"at": "2026-04-05T17:31:00Z", "at_ms": 1775410260000}, "$.at", "not both"),
    ({"at_ms": 1775410260}, "$.at_ms", ">= 946684800000"),
    ({"at_ms": 4102444800000}, "$.at_ms", "<= 4102444799999"),
    ({"at_ms": "1775410260000"}, "$.at_ms", "int"),
    ({"payload": []}, "$.payload", "object"),
    ({"payload": {"a": "x" * PAYLOAD_BYTES_MAX}}, "$.payload", "32768 bytes"),
    ({"payload": {"a": 1 << 64}}, "$.payload", "64 bits"),
    ({"payload": DEEP}, "$.payload", "32 levels"),
    ({"name": "cart_update", "payload": {"items": {}}}, "$.payload.items", "list"),
    ({"name": "purchase", "payload": {"items": [{}, 1]}}, "$.payload.items[1]", "object"),
    ({"name": "identify", "payload": {"attributes": []}}, "$.payload.attributes", "object"),
    ({"name": "identify", "payload": {"email": "a@b"}}, "$.payload.email", "attributes"),
    (
        {"name": "identify", "payload": {"attributes": {str(i): 1 for i in range(201)}}},
        "$.payload.attributes",
        "200",
    ),
    ({"name": "identify", "payload": {"consent": {"email": "y"}}}, "$.payload.consent.email", "op"),
    ({"name": "identify", "payload": {"lists": ["news"]}}, "$.payload.lists", "whether to be"),
    ({"name": "identify", "payload": {"lists": {"news": 1}}}, "$.payload.lists.news", "true"),
    ({"name": "identify", "payload": {"lists": {"News": True}}}, "$.payload.lists.News", "a-z"),
    (
        {"name": "identify", "payload": {"lists": {str(i): True for i in range(101)}}},
        "$.payload.lists",
        "100 lists",
    ),
    ({"name": "consent", "payload": {"email": True}}, "$.payload.email", "opt_in"),
    ({"name": "consent", "payload": {}}, "$.payload", "level for each channel"),
    ({"name": "consent", "payload": {"email": {}}}, "$.payload.email", "level for each purpose"),
    ({"name": "consent", "payload": {"email.news": "opt_in"}}, "$.payload.email.news", "inside"),
    (
        {"name": "consent", "payload": {"email": {"news": "yes"}}},
        "$.payload.email.news",
        "must be one of",
    ),
    (
        {"name": "identify", "payload": {"consent": {"sms": {"News!": "opt_in"}}}},
        "$.payload.consent.sms.News!",
        "a-z",
    ),
    (
        {"name": "consent", "payload": {"email": {"transactional": "opt_out"}}},
        "$.payload.email.transactional",
        "needs no consent",
    ),
    (
        {"name": "consent", "payload": {"email": {str(i): "opt_in" for i in range(21)}}},
        "$.payload.email",
        "20 purposes",
    ),
    ({"name": "consent", "payload": {"consent": {}}}, "$.payload.consent", "level for each"),
    (
        {"name": "consent", "payload": {"consent": {"email": "opt_in"}, "sms": "opt_out"}},
        "$.payload.sms",
        "nothing is read",
    ),
    (
        {"name": "consent", "payload": {str(i): "opt_in" for i in range(21)}},
        "$.payload",
        "20 channels",
    ),
]


@pytest.mark.parametrize(("fields", "path", "error"), FAULTS)
@pytest.mark.parametrize("lines", [False, True])
def test_a_fault_is_named_with_its_index_and_path_and_the_others_are_taken(
    fields: dict[str, Any], path: str, error: str, *, lines: bool
) -> None:
    sent = [GOOD, {**GOOD, **fields}, GOOD]
    body = "\n".join(map(json.dumps, sent)).encode() if lines else json.dumps(sent).encode()
    events, rejected = read(body, lines=lines)
    assert [event.id for event in events] == ["e-1", "e-1"]
    assert [(each.index, each.path) for each in rejected] == [(1, path)]
    assert error in rejected[0].error


@pytest.mark.parametrize(("fields", "path", "error"), FAULTS)
def test_a_fault_of_a_single_event_is_named_the_same(
    fields: dict[str, Any], path: str, error: str
) -> None:
    events, (rejected,) = read({**GOOD, **fields})
    assert events == []
    assert (rejected.index, rejected.path) == (0, path)
    assert error in rejected.error


def test_what_no_shard_could_decode_is_refused_in_the_payload() -> None:
    for poison, path, error in (
        (b'{"a":"\xff"}', "$.payload", "'utf-8' codec can't decode"),
        (b'{"a":1e999}', "$.payload[...]", "Number out of range"),
        (b'{"a":[1,{"b":-1e999}]}', "$.payload[...][1][...]", "Number out of range"),
        (b'{"a":' + b"9" * 500 + b"}", "$.payload", "a whole number must fit into 64 bits"),
    ):
        body = b'[{"contact":"c","name":"x","payload":%b},{"contact":"c","name":"x"}]' % poison
        events, (rejected,) = read(body)
        assert len(events) == 1
        assert (rejected.index, rejected.path) == (0, path)
        assert rejected.error.startswith(error)
        assert "`" not in rejected.error, "the path stands apart"


def test_a_broken_line_costs_only_itself() -> None:
    good = json.dumps(GOOD).encode()
    events, rejected = read(b"\n".join([good, b'{"contact', b"[]", good]), lines=True)
    assert len(events) == 2
    assert [each.index for each in rejected] == [1, 2]


def test_two_events_on_one_line_are_not_lines() -> None:
    good = json.dumps(GOOD).encode()
    events, rejected = read(good + good, lines=True)
    assert events == []
    assert rejected[0].index == 0


@pytest.mark.parametrize("kind", ["identify", "consent"])
def test_consents_and_attributes_that_hold_are_taken(kind: str) -> None:
    levels = {"marketing": "opt_in", "news": "opt_out"}
    payload = {"consent": {"email": "double_opt_in", "sms": "opt_out", "push": levels}}
    assert read({**GOOD, "name": kind, "payload": payload})[1] == []
    bare = {"attributes": {"a": None}} if kind == "identify" else {"email": "opt_in"}
    assert read({**GOOD, "name": kind, "payload": bare})[1] == []


def test_an_identify_may_put_its_contact_on_lists_and_take_it_off() -> None:
    payload = {"lists": {"spring-2026": True, "old_ones": False}}
    (event,), rejected = read({**GOOD, "name": "identify", "payload": payload})
    assert (json.loads(event.payload), rejected) == (payload, [])


@pytest.mark.parametrize("body", [b"", b" \n", b"[]", b"{", b"[{]", b"7", b"null", b"\xff", b"{}x"])
def test_a_body_without_events_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(BodyError, match=r"no events|cannot be read") as caught:
        read(body)
    assert caught.value.status == 400


@pytest.mark.parametrize("lines", [False, True])
def test_too_many_events_are_refused_as_a_whole(*, lines: bool) -> None:
    sent = [GOOD] * (EVENTS_PER_REQUEST_MAX + 1)
    body = "\n".join(map(json.dumps, sent)).encode() if lines else json.dumps(sent).encode()
    with pytest.raises(BodyError, match="10000 events, this one has 10001") as caught:
        read(body, lines=lines)
    assert caught.value.status == 413


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
fields = st.sampled_from(
    [
        "id",
        "contact",
        "anonymous",
        "name",
        "at",
        "at_ms",
        "payload",
        "attributes",
        "consent",
        "lists",
    ]
)
names = st.sampled_from(["identify", "consent", "cart_update", "purchase", "x"])
nearly_events = st.dictionaries(fields, values, max_size=5) | st.fixed_dictionaries(
    {"contact": texts, "name": names, "payload": st.dictionaries(fields, values, max_size=4)}
)
bodies = (
    st.binary(max_size=60)
    | st.lists(nearly_events, max_size=4).map(lambda each: json.dumps(each).encode())
    | nearly_events.map(lambda each: json.dumps(each).encode())
)


@given(body=bodies, lines=st.booleans())
@example(body=b'[{"payload":' + b"[" * 5000, lines=False)
@example(body=b'{"name":"x","contact":"c","payload":' + b'{"a":' * 5000, lines=True)
def test_any_bytes_give_events_or_reasons_and_never_a_fault_of_ours(
    *, body: bytes, lines: bool
) -> None:
    try:
        events, rejected = read(body, lines=lines)
    except BodyError:
        return
    assert len(events) + len(rejected) >= 1
    for event in events:
        payload = msgspec.json.decode(event.payload, type=dict[str, Any])
        msgspec.msgpack.encode((event, payload))  # What the link and the snapshot do with it.


@given(
    contact=texts.filter(lambda text: text.isprintable() and text and "anonymous/" not in text),
    payload=st.dictionaries(texts, texts | st.integers(-(2**63), 2**64 - 1), max_size=5),
)
def test_what_was_sent_arrives(contact: str, payload: dict[str, Any]) -> None:
    (event,), _ = read({"contact": contact, "name": "x", "payload": payload})
    assert event.contact == contact
    assert json.loads(event.payload) == payload


@pytest.mark.parametrize("lines", [False, True])
def test_the_keys_of_a_body_are_those_that_reading_it_gives(*, lines: bool) -> None:
    sent = [
        b'{"contact":"a","name":"x"}',
        b'{"name":"x","anonymous":"b","payload":{"contact":"not me"}}',
        b'{"name":"x","contact":"caf\\u00e9"}',
    ]
    body = b"\n".join(sent) if lines else b"[" + b",".join(sent) + b"]"
    events, rejected = Reader("t-").read(body, lines=lines)
    assert not rejected
    assert list(keys_of(body, lines=lines)) == [each.contact for each in events]
    assert list(keys_of(sent[0], lines=lines)) == ["a"]


@pytest.mark.parametrize("body", [b"", b"{", b'[{"contact":1}]', b"7", b'{"contact":"\xff"}'])
def test_of_a_body_that_cannot_be_read_no_keys_are_known(body: bytes) -> None:
    assert list(keys_of(body, lines=False)) == []


def long_body(separator: str, payload: str = "{}") -> bytes:
    one = '{"name":"x","payload":%s,"contact":"c-%d"}'
    events = separator.join(one % (payload, i) for i in range(200))
    return (events if separator == "\n" else f"[{events}]").encode()


@pytest.mark.parametrize("separator", [",", ", ", ",\n", "\n", " , "])
@pytest.mark.parametrize("payload", ["{}", '{"a":[{"contact":"no"},{"contact":"no"}],"b":"},{"}'])
def test_of_a_long_body_the_keys_at_its_beginning_come_first_and_then_all(
    separator: str, payload: str
) -> None:
    body, all_keys = long_body(separator, payload), [f"c-{i}" for i in range(200)]
    keys = list(keys_of(body, lines=separator == "\n"))
    again = len(keys) - 200
    assert keys == all_keys[:again] + all_keys
    if payload == "{}" and separator != " , ":
        assert 5 < again < 50


@pytest.mark.parametrize("separator", [",", "\n"])
def test_the_beginning_of_a_long_body_is_known_without_the_rest_of_it(separator: str) -> None:
    broken = long_body(separator)[:-5]
    assert next(keys_of(broken, lines=separator == "\n")) == "c-0"
