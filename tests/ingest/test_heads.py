"""Heads known from before: a request with one is served without the parser, and just the same."""

import asyncio
from pathlib import Path

import pytest

from ingest.exchange import Exchange
from ingest.heads import HEADS_MAX, KnownHeads
from tests.ingest.raw_http import event, get, post, until
from tests.ingest.serving import Serving, serving

HEADERS = {b"content-length": b"2", b"content-type": b"application/json"}


def request(*lines: str, body: bytes = b"{}", method: str = "POST") -> bytes:
    head = "\r\n".join([f"{method} /v1/events HTTP/1.1", *lines, "", ""])
    return head.encode() + body


def plain_exchange() -> Exchange:
    return Exchange(b"/v1/events", lambda *_: None)


def parsed(served: Serving, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Note each head that is parsed after all: it asks the gateway whether it is refused."""
    asked: list[bytes] = []
    refusal = served.gateway.refusal

    def ask(path: bytes, method: bytes, headers: dict[bytes, bytes]) -> object:
        asked.append(path)
        return refusal(path, method, headers)

    monkeypatch.setattr(served.gateway, "refusal", ask)
    return asked


async def test_equal_heads_are_parsed_once_on_all_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as served:
        asked = parsed(served, monkeypatch)
        ids = [f"e-{i}" for i in range(6)]
        for some in (ids[:3], ids[3:]):
            async with served.sender() as sender:
                for id in some:
                    answer = await sender.ask(post(event(id=id)))
                    assert (answer.status, answer.json["accepted"]) == (202, 1)
        assert [each.id for each in served.shard.events] == ids
        assert len(asked) == 1
        assert served.gateway.admission.body_bytes == 0


async def test_a_known_head_serves_lines_and_faults_of_the_body_as_before(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        lines = '{"contact":"c","name":"n"}\n{"contact":"c","name":"n"}\n'
        for _ in range(2):
            answer = await sender.ask(post(lines, "Content-Type: application/x-ndjson"))
            assert answer.json["accepted"] == 2
        broken = lines.replace("name", "nome")
        answer = await sender.ask(post(broken, "Content-Type: application/x-ndjson"))
        assert answer.status == 400
        assert [each["path"] for each in answer.json["rejected"]] == ["$.nome", "$.nome"]


@pytest.mark.parametrize("cut", [3, 40, -3])
async def test_a_request_in_two_reads_and_the_next_one_are_served(tmp_path: Path, cut: int) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        for i in range(3):
            whole = post(event(id=f"e-{i}"))
            sender.write(whole[:cut])
            await asyncio.sleep(0.01)
            assert (await sender.ask(whole[cut:])).status == 202
            assert (await sender.ask(post(event(id=f"f-{i}")))).status == 202
        assert len(served.shard.events) == 6


async def test_a_read_that_looks_whole_but_goes_on_from_another_is_parsed(tmp_path: Path) -> None:
    """What came before makes it a fault, however well its head is known."""
    async with serving(tmp_path) as served:
        async with served.sender() as sender:
            assert (await sender.ask(post(event(id="e-0")))).status == 202
        async with served.sender() as sender:
            sender.write(b"PO")
            await asyncio.sleep(0.01)
            assert (await sender.ask(post(event(id="e-1")))).status == 400
        assert [each.id for each in served.shard.events] == ["e-0"]


async def test_requests_behind_one_in_work_keep_their_turn(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        assert (await sender.ask(post(event(id="e-0")))).status == 202
        served.shard.hold = True
        sender.write(post(event(id="e-1")))
        await until(lambda: served.shard.held)
        sender.write(post(event(id="e-2")))
        assert await sender.silent()
        served.shard.release()
        assert [(await sender.answer()).status for _ in range(2)] == [202, 202]
        assert [each.id for each in served.shard.events] == ["e-0", "e-1", "e-2"]


async def test_another_key_is_another_head(tmp_path: Path) -> None:
    async with serving(tmp_path, keys=["right"]) as served, served.sender() as sender:
        good = ("Content-Type: application/json", "X-Write-Key: right")
        bad = ("Content-Type: application/json", "X-Write-Key: wrong")
        statuses = [(await sender.ask(post(event(), *key))).status for key in (good, bad, good)]
        assert statuses == [202, 401, 202]


async def test_a_full_gateway_refuses_known_heads_as_well(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        assert (await sender.ask(post(event()))).status == 202
        served.gateway.admission.shut = (429, "no room", "Retry-After: 1\r\n")
        assert (await sender.ask(post(event()))).status == 429
        served.gateway.admission.shut = None
        assert (await sender.ask(post(event()))).status == 202
        assert (await sender.ask(get("/healthz"))).status == 200


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (request("Content-Length: 2", body=b"{}{"), HEADERS),
        (request("Content-Length: 2", method="PUT"), HEADERS),
        (b"ST /v1/events HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", HEADERS),
        (b"POST /v1/events HTTP/1.1\r\nContent-Length: 2", HEADERS),
        (request("Expect: 100-continue"), HEADERS | {b"expect": b"100-continue"}),
        (request("Transfer-Encoding: chunked"), HEADERS | {b"transfer-encoding": b"chunked"}),
        (request("Connection: close"), HEADERS | {b"connection": b"close"}),
    ],
)
def test_only_heads_that_mean_the_same_for_any_body_are_learned(
    data: bytes, headers: dict[bytes, bytes]
) -> None:
    heads = KnownHeads()
    assert not heads.learn(data, plain_exchange(), headers)
    assert heads.find(data) is None


def test_a_refused_head_is_not_learned() -> None:
    heads = KnownHeads()
    exchange = plain_exchange()
    exchange.refusal = (401, "no", "")
    assert not heads.learn(request("Content-Length: 2"), exchange, HEADERS)


def test_heads_known_are_bounded() -> None:
    heads = KnownHeads()
    first = request("X-Count: -1", "Content-Length: 2")
    assert heads.learn(first, plain_exchange(), HEADERS)
    assert heads.find(first) is not None
    assert heads.find(first + b" ") is None
    for i in range(HEADS_MAX):
        heads.learn(request(f"X-Count: {i}", "Content-Length: 2"), plain_exchange(), HEADERS)
    assert heads.find(first) is None
