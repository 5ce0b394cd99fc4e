"""`anlass events`: names and fields that were seen, by the shards' word or by their files."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from actors.errors import OperatorError
from actors.links.link import Accept, LinkEvent
from actors.store.manifest import open_store, shard_folder
from actors.store.sighted import NAME
from console.reports.events import sightings_of
from engine.contacts.identity import partition_of
from tests.console.command import anlass
from tests.console.contacts.test_contact import running
from tests.console.reports.test_status import DEAD, write_system

NOON = 1_700_000_000_000
CONTACTS = ("a", "b", "c")
PARCEL = {"status": "shipped", "weight": 1.25, "due": "2026-04-05", "to": {"city": "[bold]Ulm"}}


def events_of(name: str, payload: dict[str, Any]) -> list[LinkEvent]:
    data = msgspec.json.encode(payload)
    return [
        LinkEvent(partition_of(each), each, f"{name}-{each}", name, NOON, data) for each in CONTACTS
    ]


async def live(data: Path) -> None:
    async with running(data) as (_, client):
        await client.ask(Accept(0, events_of("parcel_update", PARCEL) + events_of("hi", {})[:1]))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    open_store(tmp_path, 1, "events")
    uvloop.run(live(tmp_path))
    return tmp_path


async def test_running_shards_are_asked_and_one_that_is_gone_is_named(store: Path) -> None:
    async with running(store) as (_, client):
        await client.ask(Accept(0, events_of("hi", {})[1:]))
        seen, faults = await sightings_of(store)
        assert {name: each.count for name, each in seen.events.items()} == {
            "parcel_update": 3,
            "hi": 3,
        }
        assert faults == []
        write_system(store, str(store / "s.sock"), DEAD)
        seen, faults = await sightings_of(store)
        assert seen.events["hi"].count == 3
        (fault,) = faults
        assert fault.startswith("shard 1: no answer: ")


def test_names_are_listed(store: Path) -> None:
    lines = json.loads(anlass("events", "--data", store, "--json").stdout)
    assert {line["name"]: (line["count"], line["fields"]) for line in lines} == {
        "parcel_update": (3, 5),
        "hi": (1, 0),
    }
    said = anlass("events", "--data", store).stdout
    assert "parcel_update" in said
    assert "2023-11-14 22:13:20" in said


def test_of_one_name_the_fields_are_told_with_operators_that_fit(store: Path) -> None:
    told = json.loads(anlass("events", "parcel_update", "--data", store, "--json").stdout)
    assert (told["count"], told["looked"], told["more_fields"]) == (3, 3, False)
    fields = {each.pop("field"): each for each in told["fields"]}
    assert list(fields) == ["due", "status", "to", "to.city", "weight"]
    assert fields["status"]["samples"] == ["shipped"]
    assert fields["status"]["types"] == {"text": 3}
    assert "starts_with" in fields["status"]["operators"]
    assert (fields["weight"]["low"], fields["weight"]["high"]) == (1.2, 1.3)
    assert fields["due"]["operators"] == ["before", "after", "within_last", "within_next", "exists"]
    said = anlass("events", "parcel_update", "--data", store).stdout
    for each in ("3 events", "shipped", "1.2 to 1.3", "[bold]Ulm", "within_last"):
        assert each in said


def test_a_name_that_was_not_seen_is_one_line_with_the_nearest(store: Path) -> None:
    result = anlass("events", "parcel_updat", "--data", store)
    assert result.returncode == 2
    assert result.stderr == (
        "anlass: no event 'parcel_updat' was seen yet; did you mean `parcel_update`?\n"
    )


def test_where_nothing_was_seen_it_says_so(tmp_path: Path) -> None:
    open_store(tmp_path, 2, "wall")
    assert "No event was seen yet." in anlass("events", "--data", tmp_path).stdout
    assert anlass("events", "--data", tmp_path / "none").returncode == 2


async def test_a_file_that_is_damaged_is_named_and_without_the_key_nothing_is_read(
    store: Path,
) -> None:
    path = shard_folder(store, 0) / NAME
    path.write_bytes(path.read_bytes()[:-1])
    seen, faults = await sightings_of(store)
    assert seen.events == {}
    (fault,) = faults
    assert "damaged" in fault
    (store / "store.key").unlink()
    with pytest.raises(OperatorError, match=r"store\.key is missing"):
        await sightings_of(store)


def test_validate_notes_what_was_not_seen_yet_and_passes(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "journeys"
    folder.mkdir()
    (folder / "a.yaml").write_text(
        "journey: a\n"
        "entry: {event: parcel_update, when: {field: state, equals: shipped}}\n"
        "exit_on: [parcel_back]\n"
        "nodes: [{id: n, wait: 2h}]\n"
    )
    assert anlass("validate", folder).stderr == ""
    result = anlass("validate", folder, "--data", store)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "note: a.yaml: no field 'state' was seen in 'parcel_update' yet; did you mean `status`?"
        " - at `$.entry.when.field`",
        "note: a.yaml: no event 'parcel_back' was seen yet; did you mean `parcel_update`?"
        " - at `$.exit_on[0]`",
    ]
