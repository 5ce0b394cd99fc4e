"""Sending a file: order, tries again, and honest counts."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from console.system.simulator import simulate
from engine.input import Event
from ingest.readers import Chunk, LineRejection
from ingest.sender import (
    EVENTS_PER_POST,
    REJECTIONS_KEPT_MAX,
    TRIES_MAX,
    Sender,
    SendReport,
    id_prefix_of,
)
from tests.ingest.serving import serving

Answer = httpx.Response | Exception


class Gateway(httpx.AsyncBaseTransport):
    """Answers as it is told, then takes everything."""

    def __init__(self, *answers: Answer | Callable[[list[Any]], Answer]) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.busy = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert not self.busy
        self.busy = True
        self.requests.append(request)
        self.bodies.append(await request.aread())
        await asyncio.sleep(0)  # Another request would get its turn here.
        self.busy = False
        events = [json.loads(line) for line in self.bodies[-1].splitlines()]
        answer = self.answers.pop(0) if self.answers else taken(len(events))
        if callable(answer):
            answer = answer(events)
        if isinstance(answer, Exception):
            raise answer
        stream = httpx.ByteStream(answer.content)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def take(self, *chunks: Chunk, key: str = "") -> SendReport:
        sender = Sender("http://gate:8080/", key, transport=self, sleep=self.sleep)
        return await sender.send(chunks)


def taken(accepted: int, repeated: int = 0, rejected: Any = (), status: int = 202) -> Answer:
    answer = {"accepted": accepted, "repeated": repeated, "rejected": list(rejected)}
    return httpx.Response(status, json=answer)


async def test_events_of_erased_contacts_count_as_rejected() -> None:
    answer = {"accepted": 1, "repeated": 0, "rejected": [], "refused_erased": 2}
    gateway = Gateway(httpx.Response(202, json=answer))
    report = await gateway.take(chunk(3))
    assert counts(report) == (1, 0, 2, 0)
    assert report.error == ""


def chunk(count: int, first: int = 1) -> Chunk:
    lines = range(first, first + count)
    return Chunk([Event(f"e{line}", "c", "hi", 1, {}) for line in lines], lines, [])


def counts(report: SendReport) -> tuple[int, int, int, int]:
    return report.accepted, report.repeated, report.rejected, report.failed


async def test_events_go_in_order_a_batch_after_the_other() -> None:
    gateway = Gateway()
    report = await gateway.take(chunk(EVENTS_PER_POST + 3), chunk(2, EVENTS_PER_POST + 4))
    ids = [json.loads(line)["id"] for body in gateway.bodies for line in body.splitlines()]
    assert ids == [f"e{i}" for i in range(1, EVENTS_PER_POST + 6)]
    assert len(gateway.bodies) == 3
    assert counts(report) == (EVENTS_PER_POST + 5, 0, 0, 0)
    assert len(report.latencies_ms) == 3
    assert report.error == ""


async def test_the_request_is_lines_of_json_with_the_key() -> None:
    gateway = Gateway()
    await gateway.take(chunk(1), key="k1")
    (request,) = gateway.requests
    assert str(request.url) == "http://gate:8080/v1/events"
    assert request.headers["content-type"] == "application/x-ndjson"
    assert request.headers["authorization"] == "Bearer k1"


async def test_the_same_bytes_are_tried_again_until_they_are_taken() -> None:
    gateway = Gateway(
        httpx.Response(429, headers={"Retry-After": "7"}, json={"error": "full"}),
        httpx.Response(503, json={"error": "away"}),
        httpx.ConnectError("refused"),
        httpx.ReadError("cut"),
        taken(1, repeated=1),
    )
    report = await gateway.take(chunk(2))
    assert len(set(gateway.bodies)) == 1
    assert len(gateway.bodies) == 5
    assert counts(report) == (1, 1, 0, 0)
    assert report.retries == 4
    assert gateway.slept[0] == 7
    assert all(pause <= 15 for pause in gateway.slept)


async def test_a_gateway_that_stays_away_ends_it_and_the_rest_counts_as_failed() -> None:
    gateway = Gateway(taken(EVENTS_PER_POST), *[httpx.ConnectError("refused")] * 50)
    report = await gateway.take(chunk(2 * EVENTS_PER_POST + 5), chunk(9))
    assert len(gateway.bodies) == 1 + TRIES_MAX
    assert counts(report) == (EVENTS_PER_POST, 0, 0, EVENTS_PER_POST + 5)
    assert report.error.endswith(f"be reached: refused; given up after {TRIES_MAX} tries")
    assert report.stopped_at == EVENTS_PER_POST + 1


async def test_who_waits_is_told_why_once_a_batch_and_not_at_the_first_pause() -> None:
    told: list[str] = []
    full = httpx.Response(429, headers={"Retry-After": "1"}, json={"error": "full"})
    away = [httpx.ConnectError("refused")] * 6
    gateway = Gateway(httpx.ConnectError("refused"), taken(2), *away, taken(2), full, full)
    sender = Sender("http://gate", transport=gateway, sleep=gateway.sleep, trouble=told.append)
    report = await sender.send([chunk(2), chunk(2), chunk(2)])
    assert (report.accepted, report.error, report.stopped_at) == (6, "", 0)
    assert told == [
        "http://gate/v1/events cannot be reached: refused",
        "http://gate/v1/events says 429: full",
    ]


async def test_a_refusal_of_all_stops_at_once_with_one_line_that_says_why() -> None:
    for status, said in ((401, "write key"), (404, "own address"), (400, "cannot be read")):
        gateway = Gateway(httpx.Response(status, json={"error": "the body\ncannot be read"}))
        report = await gateway.take(chunk(2), chunk(2))
        assert len(gateway.bodies) == 1
        assert counts(report) == (0, 0, 0, 2)
        assert str(status) in report.error
        assert said in report.error
        assert "\n" not in report.error


async def test_rejections_carry_the_line_of_the_file() -> None:
    gateway = Gateway(
        taken(1, rejected=[{"index": 1, "path": "$.name", "error": "empty"}]),
        taken(0, rejected=[{"index": 0, "path": "$", "error": "no"}], status=400),
    )
    events = chunk(2).events
    bad = LineRejection(11, "$", "malformed")
    report = await gateway.take(Chunk(events, [10, 12], [bad]), chunk(1, 13))
    assert counts(report) == (1, 0, 3, 0)
    assert report.rejections == [
        bad,
        LineRejection(12, "$.name", "empty"),
        LineRejection(13, "$", "no"),
    ]
    assert report.error == ""


async def test_only_the_first_rejections_are_kept_and_all_are_counted() -> None:
    bad = [LineRejection(i, "$", "malformed") for i in range(100)]
    report = await Gateway().take(Chunk([], [], bad))
    assert report.rejected == 100
    assert report.rejections == bad[:REJECTIONS_KEPT_MAX]


async def test_an_event_that_the_answer_does_not_count_is_failed() -> None:
    report = await Gateway(taken(1)).take(chunk(3))
    assert counts(report) == (1, 0, 0, 2)


async def test_progress_is_told_after_each_batch() -> None:
    told: list[int] = []
    gateway = Gateway()
    sender = Sender("http://gate", transport=gateway, sleep=gateway.sleep)
    await sender.send([chunk(2), chunk(3)], lambda report: told.append(report.accepted))
    assert told == [2, 5]


async def test_an_address_without_a_scheme_is_told() -> None:
    report = await Sender("localhost:8080").send([chunk(1)])
    assert "http://" in report.error
    assert report.failed == 1


def test_latencies_are_told_by_ratio() -> None:
    report = SendReport(latencies_ms=[float(i) for i in range(100, 0, -1)])
    assert report.latency_ms(0.5) == 51
    assert report.latency_ms(0.99) == 100
    assert SendReport().latency_ms(0.5) == 0


def test_ids_of_a_file_are_its_own_and_stay() -> None:
    assert id_prefix_of("/a/x.jsonl") == id_prefix_of("/b/x.jsonl") != id_prefix_of("y.jsonl")


def test_tomorrows_export_has_other_ids_and_one_that_has_grown_the_same(tmp_path: Path) -> None:
    export = tmp_path / "export.jsonl"
    export.write_text("first\nsecond\n")
    before = id_prefix_of(export)
    export.write_text("first\nsecond\nthird\n")
    assert id_prefix_of(export) == before
    export.write_text("another\nsecond\n")
    assert id_prefix_of(export) != before


async def test_the_real_gateway_takes_what_is_sent_and_says_why_not(tmp_path: Path) -> None:
    events = list(simulate(1, 1_500))
    async with serving(tmp_path, shards=2, keys=["k1"]) as served:
        url = f"http://127.0.0.1:{served.gateway.port}"
        lines = list(range(1, len(events) + 2))
        bad = Event("x", "c", "session_end", None, {})
        report = await Sender(url, "k1").send([Chunk([*events, bad], lines, [])])
        refused = await Sender(url, "k2").send([chunk(3)])
        order = [each.id for fake in served.shards for each in fake.events]
    assert report.error == ""
    known = {event.id for event in events}
    assert counts(report) == (len(known), len(events) - len(known), 1, 0)
    assert report.rejections[0].line == len(events) + 1
    assert sorted(order) == sorted(event.id for event in events)
    assert refused.failed == 3
    assert "401" in refused.error
