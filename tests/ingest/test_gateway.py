"""The gateway as senders and operators see it, with shards that keep everything in memory."""

import asyncio
import json
from collections import defaultdict
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.map import even_map, partitions_of
from engine.contacts.identity import partition_of
from ingest.gateway import Gateway
from ingest.settings import GatewaySettings
from tests.ingest.raw_http import Sender, event, get, post, until
from tests.ingest.serving import Serving, serving


async def samples(served: Serving) -> dict[tuple[str, ...], float]:
    """Scrape the gateway: (name, label values...) -> value."""
    async with served.sender() as sender:
        answer = await sender.ask(get("/metrics"))
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


async def test_the_events_of_a_request_reach_the_shards_of_their_contacts_in_order(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, shards=3) as served, served.sender() as sender:
        sent = [event(f"c-{i % 40}", id=str(i)) for i in range(200)]
        answer = await sender.ask(post(sent))
        assert (answer.status, answer.json["accepted"]) == (202, 200)
        order = defaultdict(list)
        for shard, fake in enumerate(served.shards):
            for each in fake.events:
                assert each.partition == partition_of(each.contact)
                assert each.partition in partitions_of(shard, 3)
                order[each.contact].append(int(each.id))
        assert sum(map(len, order.values())) == 200
        assert all(ids == sorted(ids) for ids in order.values())
        assert all(fake.events for fake in served.shards)


async def test_the_answer_waits_for_every_shard(tmp_path: Path) -> None:
    async with serving(tmp_path, shards=2) as served, served.sender() as sender:
        served.shards[1].hold = True
        sender.write(post([event(f"c-{i}") for i in range(20)]))
        await until(lambda: served.shards[0].events and served.shards[1].held)
        assert await sender.silent()
        served.shards[1].release()
        assert (await sender.answer()).json["accepted"] == 20


async def test_repeats_rejections_and_poison_are_told_apart(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        first, poison, wrong = event(id="e-1"), event(name="poison"), event(id="e-2", at_ms=1)
        await sender.ask(post(first))
        repeat = await sender.ask(post(first))
        assert repeat.json == {"accepted": 0, "repeated": 1, "rejected": []}
        mixed = await sender.ask(post([first, poison, wrong, event()]))
        assert mixed.status == 202
        told = mixed.json
        (rejected,) = told.pop("rejected")
        assert told == {"accepted": 2, "repeated": 1, "failed": 1}
        assert (rejected["index"], rejected["path"]) == (2, "$.at_ms")
        alone = await sender.ask(post(wrong))
        assert (alone.status, alone.json["accepted"]) == (400, 0)
        assert alone.json["rejected"][0]["path"] == "$.at_ms"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("X: y", 401),
        ("Authorization: Bearer right", 202),
        ("authorization: bearer second", 202),
        ("X-Write-Key: right", 202),
        ("X-Write-Key: wrong", 401),
        ("Authorization: Basic right", 401),
        ("Authorization: Bearer ", 401),
    ],
)
async def test_beyond_the_loopback_only_who_shows_a_key_may_write(
    tmp_path: Path, header: str, status: int
) -> None:
    keys = ["right", "second"]
    async with (
        serving(tmp_path, host="0.0.0.0", keys=keys) as served,
        served.sender() as sender,
    ):
        answer = await sender.ask(post(event(), header))
        assert answer.status == status
        assert len(served.shard.events) == (status == 202)
        assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


@pytest.mark.parametrize(("header", "status"), [("X-Other: 1", 202), ("X-Write-Key: wrong", 401)])
async def test_on_the_loopback_no_key_is_asked_for_but_a_wrong_one_is_refused(
    tmp_path: Path, header: str, status: int
) -> None:
    async with serving(tmp_path, keys=["right"]) as served, served.sender() as sender:
        answer = await sender.ask(post(event(), header))
        assert answer.status == status


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "shop.example"])
def test_a_gateway_that_others_can_reach_needs_keys(host: str) -> None:
    with pytest.raises(ValueError, match="set `keys`"):
        GatewaySettings(host=host)
    assert GatewaySettings(host=host, keys=["k"]).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_the_loopback_no_keys_are_needed(host: str) -> None:
    assert GatewaySettings(host=host).on_loopback


def test_settings_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        GatewaySettings(keys=["k", ""])
    with pytest.raises(ValueError, match="above 0"):
        GatewaySettings(deadline_s=0)


async def test_a_port_in_use_is_told_in_one_line(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        other = Gateway(
            GatewaySettings(port=served.gateway.port), even_map([str(served.shard.path)])
        )
        with pytest.raises(OSError, match=r"cannot listen on 127.0.0.1:\d+: .*another port"):
            await other.start()
        await other.stop()


async def test_health_follows_the_shards(tmp_path: Path) -> None:
    async with serving(tmp_path, shards=2) as served, served.sender() as sender:
        assert (await sender.ask(get("/healthz"))).json == {
            "status": "ok",
            "shards": [{"shard": 0, "reachable": True}, {"shard": 1, "reachable": True}],
        }
        await served.shards[1].stop()
        answer = await sender.ask(get("/healthz"))
        assert answer.status == 503
        assert [each["reachable"] for each in answer.json["shards"]] == [True, False]


async def test_a_full_gateway_says_when_to_come_back_and_takes_nothing_of_it(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, shards=2, lane_events_max=3) as served:
        served.shard.hold = served.shards[1].hold = True
        async with served.sender() as first, served.sender() as second:
            left = [c for c in (f"c-{i}" for i in range(99)) if partition_of(c) < 128]
            right = [c for c in (f"c-{i}" for i in range(99)) if partition_of(c) >= 128]
            first.write(post([event(c) for c in left[:3]]))
            await until(lambda: served.shard.held)
            answer = await second.ask(post([event(left[3]), event(right[0])]))
            assert answer.status == 429
            assert 1 <= int(answer.headers["retry-after"]) <= 30
            assert not served.shards[1].events
            single = await second.ask(post(event(left[0])))
            assert single.status == 429
            second.write(post(event(right[0])))  # Another shard's lane has room.
            await until(lambda: served.shards[1].held)
            served.shard.release()
            served.shards[1].release()
            assert (await first.answer()).status == (await second.answer()).status == 202
            assert (await second.ask(post(event(left[3])))).status == 202


async def test_the_bound_over_all_shards_holds_and_is_given_back(tmp_path: Path) -> None:
    async with serving(tmp_path, events_in_flight_max=2) as served:
        served.shard.hold = True
        async with served.sender() as first, served.sender() as second:
            first.write(post([event(), event()]))
            await until(lambda: served.shard.held)
            assert (await second.ask(post(event()))).status == 429
            served.shard.release()
            assert (await first.answer()).status == 202
            assert (await second.ask(post(event()))).status == 202


async def test_bodies_past_their_memory_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, body_bytes_max=1000) as served, served.sender() as sender:
        answer = await sender.ask(post(event(payload={"a": "x" * 2000})))
        assert (answer.status, answer.headers["connection"]) == (429, "close")
        assert "retry-after" in answer.headers
        async with served.sender() as other:
            assert (await other.ask(post(event()))).status == 202


async def test_a_shard_that_does_not_answer_in_time_is_a_503_and_the_repeat_counts_once(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, deadline_s=0.08) as served, served.sender() as sender:
        served.shard.hold = True
        answer = await sender.ask(post(event(id="e-1")))
        assert answer.status == 503
        assert "same event ids" in answer.json["error"]
        served.shard.apply_unanswered()
        served.shard.hold = False
        repeat = await sender.ask(post(event(id="e-1")))
        assert repeat.json == {"accepted": 0, "repeated": 1, "rejected": []}
        assert served.gateway.admission.events == 0


async def test_a_shard_that_was_away_gets_everything_in_the_order_of_acceptance(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        sender.write(b"".join(post(event(id=f"e-{i}")) for i in range(30)))
        for i in range(30):
            assert (await sender.answer()).json["accepted"] == 1
            if i in (5, 15):
                await served.shard.stop()
                await served.shard.start()
        ids = [each.id for each in served.shard.events]
        assert list(dict.fromkeys(ids)) == [f"e-{i}" for i in range(30)]


async def test_events_of_an_erased_contact_are_counted_as_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as sender:
        erased, other = event(contact="erased"), event()
        mixed = await sender.ask(post([erased, other, erased]))
        assert mixed.status == 202
        assert mixed.json == {"accepted": 1, "repeated": 0, "rejected": [], "refused_erased": 2}
        alone = await sender.ask(post(erased))
        assert (alone.status, alone.json["refused_erased"]) == (400, 1), "to be sent no more"
        scraped = await samples(served)
    events = "anlass_gateway_events_total"
    assert (scraped[events, "accepted"], scraped[events, "rejected"]) == (1, 3)


async def test_metrics_tell_what_went_through(tmp_path: Path) -> None:
    async with serving(tmp_path, shards=2) as served, served.sender() as sender:
        served.shard.status |= {"stalled": "the disk is full", "erasure_error": ""}
        await sender.ask(post([event(id="1"), event(id="2", at_ms=1), event(name="poison")]))
        await sender.ask(post(event(id="1")))
        await served.shards[1].stop()
        scraped = await samples(served)
    events = "anlass_gateway_events_total"
    assert {k[1]: v for k, v in scraped.items() if k[0] == events} == {
        "accepted": 2, "repeated": 1, "rejected": 1, "failed": 1,
    }  # fmt: skip
    assert scraped["anlass_gateway_requests_total", "202"] == 2
    assert scraped["anlass_gateway_ack_seconds_count",] == 2
    assert scraped["anlass_gateway_ack_seconds_bucket", "+Inf"] == 2
    assert scraped["anlass_gateway_ack_seconds_sum",] > 0
    assert scraped["anlass_gateway_events_in_flight",] == 0
    assert scraped["anlass_gateway_connections",] == 2
    assert scraped["anlass_gateway_lane_events", "0"] == 0
    reachable = "anlass_gateway_shard_reachable"
    assert (scraped[reachable, "0"], scraped[reachable, "1"]) == (1, 0)
    assert scraped["anlass_shard_contacts", "0"] == 3
    assert scraped["anlass_shard_lag_ms", "0"] == 1.5
    assert ("anlass_shard_name", "0") not in scraped
    assert scraped["anlass_shard_stalled", "0"] == 1
    assert scraped["anlass_shard_erasure_error", "0"] == 0
    assert ("anlass_shard_contacts", "1") not in scraped


async def test_stopping_answers_what_is_in_flight_and_takes_no_more(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.sender() as idle, served.sender() as sender:
        served.shard.hold = True
        sender.write(post(event()))
        await until(lambda: served.shard.held)
        port = served.gateway.port
        stopping = asyncio.create_task(served.gateway.stop())
        assert await idle.end() == b""
        with pytest.raises(ConnectionRefusedError):
            async with Sender(port):
                pass
        assert not stopping.done()
        served.shard.release()
        answer = await sender.answer()
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        await stopping


async def test_many_senders_at_once_are_all_answered_and_counted(tmp_path: Path) -> None:
    async def send(served: Serving, sender_number: int) -> int:
        async with served.sender() as sender:
            total = 0
            for i in range(20):
                body = [event(f"c-{sender_number}", id=f"{i}-{j}") for j in range(1 + i % 3)]
                total += json.loads((await sender.ask(post(body))).body)["accepted"]
            return total

    async with serving(tmp_path, shards=2) as served:
        totals = await asyncio.gather(*(send(served, i) for i in range(20)))
        assert sum(totals) == sum(len(shard.events) for shard in served.shards) == 20 * 39
        assert served.gateway.admission.events == 0
