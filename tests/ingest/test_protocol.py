"""HTTP on one connection, driven with exact bytes over a real socket."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from actors.map import even_map
from ingest.gateway import Gateway
from ingest.limits import BODY_BYTES_MAX, HEADERS_BYTES_MAX, LINGER_S
from ingest.settings import GatewaySettings
from tests.ingest.raw_http import Sender, event, get, post, until
from tests.ingest.serving import serving

TAKEN = {"accepted": 1, "repeated": 0, "rejected": []}


async def test_a_connection_carries_one_request_after_another(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        for i in range(3):
            answer = await sender.ask(post(event(id=f"e-{i}")))
            assert (answer.status, answer.json) == (202, TAKEN)
            assert "connection" not in answer.headers
        assert [each.id for each in served.shard.events] == ["e-0", "e-1", "e-2"]


async def test_pipelined_requests_are_served_one_by_one_and_answered_in_order(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        served.shard.hold = True
        sender.write(
            post(event(id="e-0")) + get("/nowhere") + post([event(id="e-1"), event(id="e-2")])
        )
        await until(lambda: served.shard.held)
        assert await sender.silent()
        assert [each.id for each in served.shard.events] == ["e-0"]
        served.shard.release()
        answers = [await sender.answer() for _ in range(3)]
        assert [answer.status for answer in answers] == [202, 404, 202]
        assert [each.id for each in served.shard.events] == ["e-0", "e-1", "e-2"]


async def test_thousands_of_pipelined_requests_need_no_deep_stack(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        served.shard.hold = True
        sender.write(post(event()) + get("/nowhere") * 3000)
        await until(lambda: served.shard.held)
        served.shard.release()
        assert (await sender.answer()).status == 202
        assert {(await sender.answer()).status for _ in range(3000)} == {404}


async def test_reading_pauses_while_a_request_is_in_work_and_goes_on_after_it(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        served.shard.hold = True
        big = post(event(payload={"a": "x" * 30_000}))
        sender.write(post(event()))
        await until(lambda: served.shard.held)
        sender.write(big * 600)  # 18 MB
        await asyncio.sleep(0.05)
        assert served.gateway.admission.body_bytes < 3_000_000
        served.shard.release()
        assert {(await sender.answer()).status for _ in range(601)} == {202}
        assert served.gateway.admission.body_bytes == 0


async def test_a_request_may_come_byte_by_byte(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        for byte in post(event(id="slow")):
            sender.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await sender.answer()).status == 202
        assert served.shard.events[0].id == "slow"


async def test_a_chunked_body_is_put_together_and_its_trailers_are_no_headers(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        body = json.dumps(event(id="chunked")).encode()
        head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]))
        sender.write(head + chunks + b"0\r\nContent-Type: text/plain\r\n\r\n")
        assert (await sender.answer()).status == 202
        assert (await sender.ask(post(event(), "X: y"))).status == 202
        assert served.shard.events[0].id == "chunked"


async def test_a_sender_that_expects_continue_is_told_so(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        head, _, body = post(event(), "Expect: 100-continue").partition(b"\r\n\r\n")
        assert (await sender.ask(head + b"\r\n\r\n")).status == 100
        assert (await sender.ask(body)).status == 202


async def test_continue_waits_for_the_answers_before_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        served.shard.hold = True
        head, _, body = post(event(), "Expect: 100-continue").partition(b"\r\n\r\n")
        sender.write(post(event()) + head + b"\r\n\r\n")
        assert await sender.silent()
        served.shard.release()
        assert (await sender.answer()).status == 202
        assert (await sender.answer()).status == 100
        assert (await sender.ask(body)).status == 202


async def test_a_body_that_will_be_refused_is_not_asked_for(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        head = post(event(), "Expect: 100-continue", "Content-Type: text/plain")
        answer = await sender.ask(head.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        assert (answer.status, answer.headers["connection"]) == (415, "close")
    async with serving(tmp_path) as served, served.sender() as sender:
        assert (await sender.ask(post(event(), "Expect: miracles"))).status == 417


@pytest.mark.parametrize(
    ("request_bytes", "status", "told"),
    [
        (get("/v1/event"), 404, "/v1/events"),
        (get("/v1/events"), 405, "POST"),
        (get("/healthz", "DELETE"), 405, "GET, HEAD"),
        (post(event(), "Content-Type: text/plain"), 415, "application/json"),
        (post(event(), "Content-Encoding: gzip"), 415, "Content-Encoding"),
        (post(b"{"), 400, "cannot be read"),
        (post(b""), 400, "no events"),
        (post([event()] * 10_001), 413, "several requests"),
    ],
)
async def test_a_refusal_says_what_to_do_and_the_connection_lives_on(
    tmp_path: Path, request_bytes: bytes, status: int, told: str
) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        answer = await sender.ask(request_bytes)
        assert answer.status == status
        assert told in answer.json["error"]
        assert answer.headers.get("allow") == (told if status == 405 else None)
        assert (await sender.ask(post(event()))).status == 202


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/ndjson"]
)
async def test_a_content_type_is_read_as_the_standard_says(
    tmp_path: Path, content_type: str
) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        assert (await sender.ask(post(event(), f"content-type: {content_type}"))).status == 202


async def test_lines_are_read_as_lines_and_no_type_as_json(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        lines = "\n".join(json.dumps(event(id=str(i))) for i in range(3))
        answer = await sender.ask(post(lines, "Content-Type: application/x-ndjson"))
        assert answer.json["accepted"] == 3
        assert (await sender.ask(post([event()], "X: y"))).json["accepted"] == 1
        assert (await sender.ask(post(lines, "X: y"))).status == 400


async def test_a_body_said_or_found_to_be_too_large_is_refused_and_the_sender_can_read_why(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served:
        async with served.sender() as sender:
            said = post(b" " * (BODY_BYTES_MAX + 1))
            answer = await sender.ask(said[:1000])
            assert (answer.status, answer.headers["connection"]) == (413, "close")
            sender.write(said[1000:])
            sender.write_eof()
            assert await sender.end() == b""
        async with served.sender() as sender:
            head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
            assert (await sender.ask(head + chunk * 6)).status == 413
        await until(lambda: served.gateway.admission.body_bytes == 0)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_told_so_once_and_the_connection_ends(
    tmp_path: Path, nonsense: bytes
) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        first = await sender.ask(post(event()) + nonsense + b"\r\n\r\n" + post(event()))
        assert first.status == 202
        answer = await sender.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert await sender.end() == b""
        assert len(served.shard.events) == 1


@pytest.mark.parametrize("endless", [b"GET /" + b"a" * 1000, b"GET / HTTP/1.1\r\nX: " + b"a" * 999])
async def test_a_head_without_end_is_refused(tmp_path: Path, endless: bytes) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        sender.write(endless)
        for _ in range(HEADERS_BYTES_MAX // 1000 + 2):
            sender.write(b"a" * 1000)
            await asyncio.sleep(0.001)
        assert (await sender.answer()).status == 431


async def test_a_head_cut_by_the_end_of_a_large_read_is_not_taken_for_a_large_head(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        for cut in (3, 20):
            many = get("/nowhere") * 2000
            sender.write(many[:-cut])
            await asyncio.sleep(0.02)
            sender.write(many[-cut:])
            assert {(await sender.answer()).status for _ in range(2000)} == {404}


async def test_head_gets_the_head_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        full = await sender.ask(get("/healthz"))
        head = await sender.ask(get("/healthz", "HEAD"), head_only=True)
        assert (head.status, head.headers) == (full.status, full.headers)
        assert (await sender.ask(post(event()))).status == 202


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_the_connection_ends_after_the_answer_if_the_sender_wants_it(
    tmp_path: Path, version: str
) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        data = post(event(), "Connection: close" if version == "1.1" else "X: y")
        answer = await sender.ask(data.replace(b"HTTP/1.1", b"HTTP/" + version.encode()))
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        assert await sender.end() == b""


async def test_an_old_sender_may_keep_its_connection(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        data = post(event(), "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")
        for _ in range(2):
            answer = await sender.ask(data)
            assert (answer.status, answer.headers["connection"]) == (202, "keep-alive")


async def test_an_offer_to_upgrade_is_passed_over(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        offer = post(event(), "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
        for cut in (0, 60, len(offer) - 5):
            sender.write(offer[:cut])
            await asyncio.sleep(0.005)
            sender.write(offer[cut:] + post(event()))
            assert [(await sender.answer()).status for _ in range(2)] == [202, 202]
        chunked = offer.replace(b"Content-Length: 39", b"Transfer-Encoding: chunked")
        head, _, body = chunked.partition(b"\r\n\r\n")
        sender.write(head + b"\r\n\r\n27\r\n" + body + b"\r\n0\r\n\r\n" + post(event()))
        assert [(await sender.answer()).status for _ in range(2)] == [202, 202]


async def test_a_query_and_a_whole_url_lead_to_the_same_place(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        assert (await sender.ask(get("/healthz?full=1"))).status == 200
        assert (await sender.ask(get("http://x/healthz"))).status == 200
        assert (await sender.ask(get("http://x"))).status == 404


async def test_a_sender_that_closed_its_side_still_gets_its_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        served.shard.hold = True
        sender.write(post(event()))
        sender.write_eof()
        await until(lambda: served.shard.held)
        served.shard.release()
        assert (await sender.answer()).status == 202
        assert await sender.end() == b""
        await until(lambda: not served.gateway._connections, within_s=LINGER_S / 2)


async def test_a_connection_that_ended_goes_once_its_sender_closes_though_more_had_come(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served:
        async with served.sender() as sender:
            served.shard.hold = True
            sender.write(post(event(), "Connection: close"))
            await until(lambda: served.shard.held)
            sender.write(b"more that nobody reads")
            await asyncio.sleep(0.01)
            served.shard.release()
            assert (await sender.answer()).status == 202
        await until(lambda: not served.gateway._connections, within_s=LINGER_S / 2)


async def test_a_body_cut_off_holds_no_memory(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        async with served.sender() as sender:
            sender.write(post(event())[:-3])
            await until(lambda: served.gateway.admission.body_bytes > 0)
        await until(lambda: served.gateway.admission.body_bytes == 0)


async def test_a_refused_sender_that_sends_on_and_reads_late_still_reads_why(
    tmp_path: Path,
) -> None:
    def send_all_then_read(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            plain.sendall(post(b" " * (BODY_BYTES_MAX * 2)))
            return plain.recv(1000)

    async with serving(tmp_path) as served:
        told = await asyncio.to_thread(send_all_then_read, served.gateway.port)
        assert told.startswith(b"HTTP/1.1 413 ")


async def test_a_sender_that_went_away_loses_nothing_it_sent_whole(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.shard.hold = True
        async with served.sender() as sender:
            sender.write(post(event(id="e-1")))
            await until(lambda: served.shard.held)
            sender.write(post(event(id="e-2")))
        await asyncio.sleep(0.01)
        served.shard.release()
        await until(lambda: served.gateway.admission.events == 0)
        assert served.gateway.admission.body_bytes == 0
        assert served.shard.events[0].id == "e-1"


@pytest.mark.parametrize(
    "part", [b"POST /v1/events HTTP/1.1\r\nHost", post(event())[:-3], b"POST /v1/ev"]
)
async def test_a_request_that_does_not_come_to_its_end_times_out(
    tmp_path: Path, part: bytes
) -> None:
    async with serving(tmp_path, receive_s=0.05) as served, served.sender() as sender:
        answer = await sender.ask(part)
        assert (answer.status, answer.headers["connection"]) == (408, "close")


async def test_an_idle_connection_is_closed_and_one_in_work_is_not(tmp_path: Path) -> None:
    async with serving(tmp_path, idle_s=0.05, receive_s=0.05) as served:
        served.shard.hold = True
        async with served.sender() as idle, served.sender() as working:
            working.write(post(event()))
            assert await idle.end() == b""
            served.shard.release()
            assert (await working.answer()).status == 202


async def test_connections_past_the_bound_are_turned_away(tmp_path: Path) -> None:
    async with serving(tmp_path, connections_max=1) as served, served.sender() as first:
        assert (await first.ask(post(event()))).status == 202
        async with served.sender() as second:
            assert (await second.answer()).status == 503
        assert (await first.ask(post(event()))).status == 202


async def test_who_reads_no_answers_gets_no_more_made(tmp_path: Path) -> None:
    gateway = Gateway(
        GatewaySettings(port=0), even_map([str(tmp_path / f"{i}") for i in range(200)])
    )
    await gateway.start()
    try:
        async with Sender(gateway.port) as sender:
            sender.write(get("/healthz") * 4000)  # Of 6 KB each; a socket buffers some 6 MB.
            await until(lambda: gateway._counters.status)
            await asyncio.sleep(0.3)
            assert gateway._counters.status[503] < 3000
            assert {(await sender.answer()).status for _ in range(4000)} == {503}
    finally:
        await gateway.stop()
