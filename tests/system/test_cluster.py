"""A cluster on one machine: takeover, a zombie, growth under load, a lost Controller, a restart."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.actors.store.redis_server import free_port
from tests.publications import journey
from tests.system.clustered import (
    Cluster,
    alive,
    cluster,
    end_process,
    process_named,
    wait_for,
)
from tests.system.process import Ledger
from tests.system.test_recovery import messages, write_journeys

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


def journeys_of(folder: Path) -> Path:
    return write_journeys(folder / "journeys", journey(entry={"event": "tick"}))


def ledger_of(url: str) -> Ledger:
    ledger = Ledger(url, contacts=60, name="tick")
    ledger.start()
    return ledger


def pid_of(here: Cluster, name: str) -> int:
    return asyncio.run(here.pids())[name]


def test_it_grows_and_shrinks_under_a_stream_and_survives_a_kill_and_a_zombie(
    tmp_path: Path,
) -> None:
    with cluster(tmp_path, journeys_of(tmp_path)) as here, here.run("--shards", "2") as system:
        wait_for(lambda: here.settled(2), "two shards")
        ledger = ledger_of(system.url)
        ledger.reach(100)

        assert here.command("scale", "3")["shards"] == 3
        assert here.settled(3)
        ledger.reach(len(ledger.acknowledged) + 50)
        assert set(ledger.refusals) <= {429}

        name = next(iter(here.roster.posts))
        slot = here.roster.posts[name].home
        end_process(pid_of(here, name))
        wait_for(lambda: here.roster.holders.get(slot) != name, "another holder")
        ledger.reach(len(ledger.acknowledged) + 50)
        wait_for(lambda: here.settled(3), "three shards again")

        name = next(iter(here.roster.posts))
        zombie = pid_of(here, name)
        end_process(zombie, signal.SIGSTOP)
        wait_for(lambda: name not in here.roster.posts, "its lease is over")
        ledger.reach(len(ledger.acknowledged) + 50)
        if alive(zombie):
            end_process(zombie, signal.SIGCONT)
        wait_for(lambda: not alive(zombie), "the zombie ends")

        assert here.command("scale", "1")["shards"] == 1
        assert here.settled(1)
        ledger.reach(len(ledger.acknowledged) + 50)
        ledger.end()
        assert system.stop() == 0
        here.check_ledger(ledger.acknowledged)
        sent = messages(tmp_path / "one")
        assert len({message["key"] for message in sent}) == len(sent), "a key went out twice"


def test_shards_are_replaced_one_by_one_and_the_whole_comes_back_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTED_IN", str(tmp_path))
    port = free_port()
    with cluster(tmp_path, journeys_of(tmp_path)) as here:
        with here.run("--shards", "2", port=port) as system:
            ledger = ledger_of(system.url)
            ledger.reach(50)
            before = set(here.roster.posts)
            assert here.command("restart", "--rolling")["shards"] == 2
            assert not before & set(here.roster.posts)
            wait_for(lambda: here.settled(2), "even shares: the command stays for the old to go")
            ledger.reach(len(ledger.acknowledged) + 50)
            assert set(ledger.refusals) <= {429}, "whoever repeats what gets 429 sees nothing of it"
            system.kill_all()
        with here.run(port=port) as again:
            ledger.reach(len(ledger.acknowledged) + 50)
            ledger.end()
            end_process(process_named("ray::ControllerActor", tmp_path), signal.SIGSTOP)
            assert again.stop() == 0
            assert not any("without snapshots" in line for line in again.lines)
            here.check_ledger(ledger.acknowledged)
            assert not here.roster.posts
