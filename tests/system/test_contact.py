"""Erasing a contact in a running system: gone from every file, kept out, also after a start."""

import json
import time
from pathlib import Path

import httpx
import pytest

from actors.store.key import store_key
from console.contacts.held import held_of
from tests.actors.shards.test_eraser import everything
from tests.console.command import anlass
from tests.console.test_command import CONTACTS
from tests.publications import journey
from tests.system.process import AnlassProcess
from tests.system.test_recovery import messages, write_journeys

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

ADA = "ada-lovelace"


def post(url: str, *contacts: str) -> httpx.Response:
    events = [
        {"contact": contact, "name": "tick", "payload": {"email": f"{contact}@shop.example"}}
        for contact in contacts
    ]
    return httpx.post(f"{url}/v1/events", json=events, trust_env=False)


def test_an_erased_contact_is_gone_from_a_running_system_and_stays_so(tmp_path: Path) -> None:
    data = tmp_path / "data"
    journeys = write_journeys(tmp_path / "journeys", journey(entry={"event": "tick"}))
    with AnlassProcess(data, journeys) as system:
        assert post(system.url, ADA, "bob").status_code == 202
        end = time.monotonic() + 30
        while len(messages(data)) < 2:
            assert time.monotonic() < end
            time.sleep(0.1)
        done = anlass("contact", "erase", ADA, "--data", data, "--json")
        assert json.loads(done.stdout)["records"] >= 2, done.stderr
        assert anlass("import", CONTACTS, "--url", system.url).returncode == 0
        mixed = post(system.url, ADA, "bob")
        assert (mixed.status_code, mixed.json()["refused_erased"]) == (202, 1)
        assert system.stop() == 0
    with AnlassProcess(data, journeys) as system:
        assert post(system.url, ADA).status_code == 400
        assert system.stop() == 0
    assert held_of(data, ADA).inputs == []
    assert len([each for each in held_of(data, "bob").inputs if "event" in each]) == 2
    imported = held_of(data, "c-1003").state
    assert imported is not None
    assert imported["attributes"]["birthday"] == "1982-06-23"
    assert imported["consents"]["email"]["level"] == "opt_out"
    key = store_key(data)
    for folder in data.glob("shard-*"):
        assert ADA.encode() not in everything(folder, key)
    verified = anlass("verify", data)
    assert verified.returncode == 0, verified.stdout + verified.stderr
