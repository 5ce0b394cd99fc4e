"""kill -9 in the middle of a stream, and a start on the same folder: nothing lost or doubled."""

import base64
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from actors.courier import PULL_MESSAGES_MAX
from actors.errors import OperatorError
from actors.frame import EventRecord, HandoverRecord
from actors.running import running_system
from actors.store.history import read_history
from actors.store.key import store_key
from actors.store.manifest import open_store
from console.replay.logbook import outcomes_in
from engine.input import Verdict
from tests.actors.store.redis_server import free_port
from tests.publications import journey
from tests.system.mailbox import Mailbox
from tests.system.process import AnlassProcess, Ledger

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

HELLO = "---\nsubject: Hello\n---\nHello {{ contact.id }}\n"
SLOW = journey(
    "slow",
    entry={"event": "tick"},
    nodes=[{"id": "w", "wait": "6s"}, {"id": "mail", "send": "email", "template": "hello",
                                       "purpose": "transactional"}],
    reentry="once",
)  # fmt: skip


def write_journeys(folder: Path, *journeys: dict[str, Any]) -> Path:
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "templates" / "hello.en.liquid").write_text(HELLO)
    for each in journeys:
        (folder / f"{each['journey']}.yaml").write_text(yaml.safe_dump(each))
    return folder


def applied_events(data: Path) -> list[tuple[str, str]]:
    return [
        (record.event.contact, record.event.id)
        for folder in sorted(data.glob("shard-*"))
        for frame in read_history(folder, store_key(data))
        for record, verdict in zip(frame.records, frame.verdicts, strict=True)
        if isinstance(record, EventRecord) and verdict == Verdict.APPLIED
    ]


def messages(data: Path) -> list[dict[str, Any]]:
    path = data / "messages.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def check_ledger(data: Path, acknowledged: list[tuple[str, str]]) -> None:
    """Every acknowledged event is in the log exactly once, each contact's in order."""
    counts = Counter(applied_events(data))
    assert [event for event in acknowledged if counts[event] != 1] == []
    order: dict[str, list[int]] = {}
    for contact, id in applied_events(data):
        order.setdefault(contact, []).append(int(id.removeprefix("e-")))
    assert all(numbers == sorted(numbers) for numbers in order.values())


@pytest.mark.parametrize("killed", ["all", "driver"])
def test_a_kill_in_the_middle_of_a_stream_loses_and_doubles_nothing(
    tmp_path: Path, killed: str
) -> None:
    data, port = tmp_path / "data", free_port()
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}), SLOW)
    with AnlassProcess(data, journeys, port=port) as system:
        ledger = Ledger(system.url, contacts=40, name="tick")
        ledger.start()
        ledger.reach(200)
        running = running_system(data)
        if killed == "all":
            system.kill_all()
        else:
            system.kill_driver()
        before = len(ledger.acknowledged)
        write_journeys(journeys, journey("late", entry={"event": "tick"}, reentry="once"))
        again = AnlassProcess(data, journeys, port=port)
        with again:
            assert running is not None
            assert not Path(running.runtime).exists(), "what Ray wrote there goes too"
            ledger.reach(before + 200)
            ledger.end()
            check_ledger(data, ledger.acknowledged)
            wait_for(lambda: count_of(data, "slow") == 40)
            wait_for(lambda: count_of(data, "hello") >= len(ledger.acknowledged))
            assert again.stop() == 0
    sent = messages(data)
    assert len({message["key"] for message in sent}) == len(sent), "a key went out twice"
    slow = [message for message in sent if message["journey"] == "slow"]
    assert len({message["contact"] for message in slow}) == len(slow) == 40
    entered = {contact for contact, _ in ledger.acknowledged[before + 1 :]}
    late = {message["contact"] for message in sent if message["journey"] == "late"}
    assert late == entered, "a journey published now acts on what comes now"
    assert count_of(data, "late") == len(late), "and not on what the log brings back"


def test_over_smtp_a_kill_doubles_at_most_what_was_handed_over_and_by_the_same_id(
    tmp_path: Path,
) -> None:
    data, port = tmp_path / "data", free_port()
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    with Mailbox() as mailbox:
        smtp = {"host": "127.0.0.1", "port": mailbox.port, "sender": "shop@shop.example"}
        settings = {"channels": {"email": smtp | {"tls": "none"}}}
        (journeys / "anlass.yaml").write_text(yaml.safe_dump(settings))
        with AnlassProcess(data, journeys, port=port) as system:
            identify(system.url, contacts=40)
            ledger = Ledger(system.url, contacts=40, name="tick")
            ledger.start()
            wait_for(lambda: len(mailbox.message_ids) > 50)
            system.kill_all()
            again = AnlassProcess(data, journeys, port=port)
            with again:
                ledger.reach(len(ledger.acknowledged) + 100)
                ledger.end()
                wait_for(lambda: len(set(mailbox.message_ids)) >= len(ledger.acknowledged))
                assert again.stop() == 0
    counts = Counter(mailbox.message_ids)
    sent = {key for key, outcome in outcomes_in(data).items() if outcome.outcome == "sent"}
    assert {id.strip("<>").partition("@")[0] for id in counts} == sent
    handed_again = handed_over(data)
    doubled = {id.strip("<>").partition("@")[0] for id, count in counts.items() if count > 1}
    assert all(handed_again[key] > 1 for key in doubled), "doubled without a second handover"
    assert len(doubled) <= 2 * PULL_MESSAGES_MAX


def identify(url: str, contacts: int) -> None:
    events = [
        {
            "contact": f"c-{number}",
            "name": "identify",
            "payload": {"attributes": {"email": f"c-{number}@shop.example"}},
        }
        for number in range(contacts)
    ]
    assert httpx.post(f"{url}/v1/events", json=events, trust_env=False).status_code == 202


def handed_over(data: Path) -> Counter[str]:
    return Counter(
        record.key
        for folder in sorted(data.glob("shard-*"))
        for frame in read_history(folder, store_key(data))
        for record in frame.records
        if isinstance(record, HandoverRecord)
    )


def count_of(data: Path, journey: str) -> int:
    return sum(message["journey"] == journey for message in messages(data))


def wait_for(holds, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_killed_shard_comes_back_and_the_gateway_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    with AnlassProcess(data, journeys) as system:
        ledger = Ledger(system.url, contacts=40, name="tick")
        ledger.start()
        ledger.reach(100)
        pids = json.loads((data / "processes.json").read_text())["processes"]
        shard = next(int(pid) for pid in pids if int(pid) != system.pid)
        os.kill(shard, 9)
        before = len(ledger.acknowledged)
        ledger.reach(before + 200)
        ledger.end()
        check_ledger(data, ledger.acknowledged)
        wait_for(lambda: count_of(data, "hello") >= len(ledger.acknowledged))
        assert system.stop() == 0
    keys = [message["key"] for message in messages(data)]
    assert len(set(keys)) == len(keys)


def test_a_key_of_the_environment_reaches_the_shards_and_is_written_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, key = tmp_path / "data", base64.b64encode(os.urandom(32)).decode()
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    monkeypatch.setenv("ANLASS_STORE_KEY", key)
    with AnlassProcess(data, journeys) as system:
        identify(system.url, contacts=3)
        assert system.stop() == 0
    assert len(applied_events(data)) == 3
    files = [path for path in data.rglob("*") if path.is_file()]
    assert not (data / "store.key").exists()
    assert [path for path in files if key.encode() in path.read_bytes()] == []
    assert [path for path in files if b"shop.example" in path.read_bytes()] == [], "all is sealed"
    assert key not in "".join(system.lines)
    monkeypatch.delenv("ANLASS_STORE_KEY")
    with pytest.raises(OperatorError, match=r"store\.key is missing"):
        applied_events(data)


def test_other_shards_than_the_stores_are_refused_with_a_word(tmp_path: Path) -> None:
    open_store(tmp_path, 2, "wall")
    with pytest.raises(OperatorError, match="has 2 shards, not 3; start with --shards 2"):
        open_store(tmp_path, 3, "wall")
    with pytest.raises(OperatorError, match="start with --clock wall"):
        open_store(tmp_path, None, "events")
    assert open_store(tmp_path, None, "wall").shards == 2
