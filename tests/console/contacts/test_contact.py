"""`anlass contact`: export says all that is kept; erase leaves none of it, whoever has the slot."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from actors.clock import EventClock
from actors.errors import OperatorError
from actors.links.link import (
    Accept,
    AskStatus,
    Handed,
    LinkClient,
    LinkEvent,
    PublishNow,
    Pull,
    Settle,
)
from actors.processes import Processes
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.slot_files import SlotFiles
from actors.store.key import store_key
from actors.store.manifest import open_store, shard_folder
from console.contacts.command import erase_contact
from console.contacts.held import held_of
from engine.contacts.identity import partition_of
from engine.input import Receipt
from engine.limits import DAY_MS
from tests.actors.shards.test_eraser import everything
from tests.console.command import anlass
from tests.console.reports.test_status import write_system
from tests.publications import journey, source_of

NOON = 1_700_000_000_000
ADA, BOB = "ada-lovelace", "bob"
IDENTIFY = b'{"attributes": {"email": "ada@shop.example"}}'
VIEW = b'{"product_id": "p-1", "price": 9.5}'


def event(id: str, contact: str, name: str, payload: bytes = b"{}") -> LinkEvent:
    return LinkEvent(partition_of(contact), contact, id, name, NOON, payload)


@asynccontextmanager
async def running(data: Path) -> AsyncIterator[tuple[ShardService, LinkClient]]:
    """Serve the one shard of a store as `anlass run` does, so that commands find it."""
    folder, key = shard_folder(data, 0), store_key(data)
    shard = Shard(0, 1, EventClock())
    log, snapshots = open_slot(folder, key, DAY_MS, shard.now_ms)
    files = SlotFiles(folder, log=log, snapshots=snapshots, key=key)
    service = ShardService(shard, log, snapshots=snapshots, files=files)
    socket = str(data / "s.sock")
    await service.start(socket)
    client = await LinkClient.connect(socket)
    await client.ask(AskStatus(0))  # So the shard has its end of the link, and will close it.
    write_system(data, socket)
    try:
        yield service, client
    finally:
        (data / "system.json").unlink()
        client.close()
        await service.stop()


async def live(data: Path) -> None:
    """Let Ada and Bob do things; her message goes out; a snapshot of her partition is taken."""
    async with running(data) as (service, client):
        await client.ask(PublishNow(0, source_of(journey())))
        events = [
            event("1", ADA, "identify", IDENTIFY),
            event("2", ADA, "hi"),
            event("3", BOB, "hi"),
            event("4", ADA, "product_view", VIEW),
            event("5", ADA, "hi", b"{"),
        ]
        await client.ask(Accept(0, events[:2]))
        pulled = await client.ask(Pull(0, "email", 1, 1000))
        assert isinstance(pulled, Handed)
        await client.ask(Settle(0, [Receipt(ADA, pulled.deliveries[0].key, delivered=True)]))
        assert service._snapshots is not None
        service._snapshots.write(*service.shard.snapshot(partition_of(ADA)))
        await client.ask(Accept(0, events[2:]))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    open_store(tmp_path, 1, "events")
    uvloop.run(live(tmp_path))
    return tmp_path


def test_an_export_says_all_that_is_kept(store: Path) -> None:
    held = json.loads(anlass("contact", "export", ADA, "--data", str(store)).stdout)
    assert (held["contact"], held["partition"]) == (ADA, partition_of(ADA))
    state = held["state"]
    assert state["attributes"] == {"email": "ada@shop.example"}
    assert state["history"]["product_view"] == [[NOON, "p-1", None, 9.5, None]]
    assert state["session"]["views"] == [{"product_id": "p-1", "price": 9.5}]
    assert state["pending"] == []
    (message,) = state["messages"]
    told = [each.get("event") or next(k for k in each if k in KINDS) for each in held["inputs"]]
    assert told == ["identify", "hi", "handover", "receipt", "product_view", "hi"]
    assert held["inputs"][4]["payload"] == {"product_id": "p-1", "price": 9.5}
    assert held["inputs"][5] | {"payload": "{", "verdict": "failed"} == held["inputs"][5]
    (outcome,) = held["outcomes"]
    assert (outcome["key"], outcome["outcome"]) == (message["key"], "sent")
    assert held["faults"][0]["what"] == "5"
    assert held["kept_out_until_ms"] is None
    assert BOB not in json.dumps(held)


KINDS = ("handover", "receipt")


def test_of_a_contact_nobody_knows_nothing_is_kept(store: Path) -> None:
    held = held_of(store, "nobody")
    assert held.state is None
    assert [*held.inputs, *held.outcomes, *held.faults] == []


def told_of(store: Path, contact: str) -> list[Any]:
    held = held_of(store, contact)
    return [held.state, *held.inputs, *held.outcomes, *held.faults]


def check_erased(store: Path, bob: list[Any]) -> None:
    held = everything(shard_folder(store, 0), store_key(store))
    assert ADA.encode() not in held
    assert b"ada@shop.example" not in held
    assert told_of(store, BOB) == bob
    assert told_of(store, ADA) == [None]
    assert held_of(store, ADA).kept_out_until_ms == NOON + 7 * DAY_MS


async def test_a_running_shard_erases(store: Path) -> None:
    bob = told_of(store, BOB)
    async with running(store):
        report = await erase_contact(store, ADA, 7 * DAY_MS)
        assert (report.files, report.records, report.keep_out) == (2, 7, "7d")
        check_erased(store, bob)


def test_where_nothing_runs_the_command_erases_itself(store: Path) -> None:
    bob = told_of(store, BOB)
    done = anlass("contact", "erase", ADA, "--data", str(store), "--keep-out", "7d", "--json")
    report = json.loads(done.stdout)
    assert report == {"contact": ADA, "files": 2, "records": 7, "keep_out": "7d"}
    check_erased(store, bob)
    verified = anlass("verify", str(store))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    again = anlass("contact", "erase", ADA, "--data", str(store)).stdout
    assert "ada-lovelace is erased: 0 records taken out, 0 files rewritten" in again
    assert "kept out for 30d" in again


def test_a_folder_that_is_starting_is_not_touched(store: Path) -> None:
    """Its driver has the lock, and nothing to be found by yet."""
    held = everything(shard_folder(store, 0), store_key(store))
    with Driver(store):
        done = anlass("contact", "erase", ADA, "--data", str(store))
        assert done.returncode == 2
        assert "in use by process" in done.stderr
    assert everything(shard_folder(store, 0), store_key(store)) == held


class Driver:
    """Holds a data folder as `anlass run` does."""

    def __init__(self, data: Path) -> None:
        self._processes = Processes(data)

    def __enter__(self) -> None:
        self._processes.hold()

    def __exit__(self, *_: object) -> None:
        self._processes.release()


@pytest.mark.parametrize("text", ["soon", "30", "99999d"])
def test_a_time_to_keep_out_that_means_nothing_is_told(tmp_path: Path, text: str) -> None:
    done = anlass("contact", "erase", ADA, "--data", str(tmp_path), "--keep-out", text)
    assert done.returncode == 2
    assert f"--keep-out {text!r}: write a whole number and a unit" in done.stderr


async def test_a_shard_that_is_gone_is_told(store: Path) -> None:
    async with running(store):
        write_system(store, str(store / "no.sock"))
        with pytest.raises(OperatorError, match="ada-lovelace: "):
            await erase_contact(store, ADA, DAY_MS)
