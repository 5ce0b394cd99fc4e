"""The demo: the same stream through the whole real system, and through a replay."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
import uvloop

from actors.settings import SystemSettings
from console.replay.source import chunks_of
from console.system.demo import DemoReport, play
from console.system.run import System
from console.system.simulator import simulate
from engine.limits import PARTITIONS
from ingest.sender import encode_events

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

EXAMPLES = Path(__file__).parents[2] / "examples" / "journeys"
EVENTS = 12_000


def anlass(*arguments: object) -> Any:
    command = [sys.executable, "-m", "console", *map(str, arguments), "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_the_whole_system_does_what_a_replay_says_and_makes_no_ray_call_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = tmp_path / "stream.jsonl"
    stream.write_bytes(encode_events(list(simulate(3, EVENTS))))
    said = anlass(
        "replay", "--journeys", EXAMPLES, "--events", stream, "--out", tmp_path / "replayed"
    )
    calls: list[str] = []
    remote = ray.actor.ActorMethod._remote

    def counted(method: Any, *args: Any, **options: Any) -> Any:
        calls.append(method._method_name)
        return remote(method, *args, **options)

    monkeypatch.setattr("ray.actor.ActorMethod._remote", counted)
    data = tmp_path / "data"
    settings = SystemSettings(data=data, journeys=EXAMPLES, clock="events")
    system = System(settings, 2, "127.0.0.1", 0)
    system.start_ray()

    async def playing() -> DemoReport:
        try:
            await system.start()
            started = len(calls)
            report = await play(
                system, chunks_of(stream, "auto", consent_all=False), data, lambda _: None
            )
            assert len(calls) == started, "Ray calls on the data path"
            status = await asyncio.to_thread(anlass, "status", "--data", data)
            check_status(status, system, report)
            assert (await asyncio.to_thread(anlass, "verify", data))["equal"]
            return report
        finally:
            await system.stop()

    report = uvloop.run(playing())
    assert calls == ["run"] * 3
    assert (data / "outcomes.jsonl").read_bytes() == (tmp_path / "replayed").read_bytes()
    logged = anlass("replay", "--from-log", data, "--out", tmp_path / "logged")
    assert (tmp_path / "logged").read_bytes() == (tmp_path / "replayed").read_bytes()
    (unchanged,) = anlass("replay", "--from-log", data, "--against", EXAMPLES)["variants"]
    assert unchanged["differences"] == 0
    assert unchanged["total"]["same"] == len((data / "messages.jsonl").read_text().splitlines())
    assert report.outcomes == said["outcomes"] == logged["outcomes"]
    assert (logged["events"], logged["repeated"]) == (said["events"], said["repeated"])
    assert all(counts.get("sent", 0) > 0 for counts in report.outcomes.values())
    assert (report.repeated, report.contacts, report.sessions) == (
        said["repeated"],
        said["contacts"],
        said["sessions"],
    )
    verified = anlass("verify", data)
    assert (verified["equal"], verified["findings"]) == (True, [])
    assert verified["counts"]["partitions_compared"] == PARTITIONS
    assert verified["counts"]["contacts_compared"] == report.contacts
    assert not anlass("status", "--data", data)["running"]
    sent = sum(counts["sent"] for counts in report.outcomes.values())
    assert len((data / "messages.jsonl").read_text().splitlines()) == sent


def check_status(status: Any, system: System, report: DemoReport) -> None:
    """The command, a process of its own, found the system and says what it says itself."""
    assert (status["running"], status["url"]) == (True, system.url)
    assert [each["journey"] for each in status["journeys"]] == ["checkout-help", "favourites"]
    pids = {line["pid"] for line in status["shards"]}
    assert len(pids) == 2
    assert None not in pids
    assert {line["stalled"] for line in status["shards"]} == {""}
    total = status["total"]
    assert (total["partitions"], total["contacts"]) == (PARTITIONS, report.contacts)
    assert (total["outbox"], total["uncommitted"]) == (0, 0)
    assert total["position"] > EVENTS
    assert total["log_bytes"] > 0
