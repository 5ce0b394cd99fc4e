"""Publications amid life: what a diff says of visits in flight, and what each command then does."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.yaml import encode as yaml

from actors.errors import OperatorError
from actors.folder import read_folder
from actors.kept.opening import publications_of
from actors.links.link import Accept, LinkClient, LinkEvent
from actors.publications import PublicationNote
from actors.publisher import Publisher
from actors.shards.timers import Timers
from actors.store.manifest import open_store
from console.journeys.alteration import Alteration
from console.journeys.diff import Diff, EntryLine, JourneyLine, NodeLine
from console.journeys.diff_screen import entries_words, entry_words, sentence, show_diff
from console.journeys.publication import (
    Make,
    Request,
    considered,
    of_folder,
    read_maps,
    to_older,
    to_state,
)
from console.screen import console
from engine.contacts.identity import partition_of
from engine.fold.succession import versions_of
from engine.language.journey import Publication
from tests.console.contacts.test_contact import running
from tests.engine.situation import HOUR_MS, NOON_MS, mail, wait
from tests.publications import journey

CONTACTS = 40
LATER_MS = NOON_MS + HOUR_MS


class Shop:
    """A store that is served, and a folder of journeys that an author changes."""

    def __init__(self, folder: Path, client: LinkClient) -> None:
        self.data = folder / "data"
        self.journeys = folder / "journeys"
        self.client = client
        self.problems: list[str] = []
        self.most_s = 60.0
        (self.journeys / "templates").mkdir(parents=True)
        (self.journeys / "templates" / "hello.en.liquid").write_text("---\nsubject: Hi\n---\nHi\n")

    def write(self, *nodes: dict[str, Any]) -> None:
        (self.journeys / "hello.yaml").write_bytes(yaml(journey(nodes=[*nodes, mail()])))

    def enter_on(self, *names: str, **fields: Any) -> None:
        entry = [{"event": name} for name in names]
        document = journey(nodes=[wait("5h", "a"), mail()], entry=entry, **fields)
        (self.journeys / "hello.yaml").write_bytes(yaml(document))

    def settings(self, **said: Any) -> None:
        (self.journeys / "anlass.yaml").write_bytes(yaml(said))

    async def happen(self, name: str, contacts: Iterable[int], at_ms: int) -> None:
        keys = [f"c-{i}" for i in contacts]
        events = [
            LinkEvent(partition_of(key), key, f"{name}-{at_ms}", name, at_ms, b"{}") for key in keys
        ]
        await self.client.ask(Accept(0, events))

    async def change(
        self, make: Make, what: str = "publish", *, agreed: bool = True, days: int = 0
    ) -> tuple[Diff, PublicationNote | None]:
        def agree(_: Diff, problems: list[str]) -> bool:
            self.problems = problems
            return agreed

        request = Request(data=self.data, what=what, make=make, by="ada", note="because", days=days)
        request.most_s = self.most_s
        return await considered(request, agree)

    def folder(self, in_flight: str = "follow", *maps: str) -> Make:
        return of_folder(self.journeys, in_flight, list(maps))

    async def diff(self, in_flight: str = "follow", *maps: str) -> JourneyLine:
        found, said = await self.change(self.folder(in_flight, *maps), agreed=False)
        assert said is None
        (line,) = found.journeys
        return line

    async def publish(self, in_flight: str = "follow", *maps: str) -> PublicationNote:
        _, said = await self.change(self.folder(in_flight, *maps))
        assert said is not None
        return said

    def notes(self) -> list[PublicationNote]:
        return publications_of(self.data, None).notes()

    async def in_force(self) -> Publication:
        sockets = [str(self.data / "s.sock")]
        return await Publisher(sockets, publications_of(self.data, None)).in_force()


@asynccontextmanager
async def open_shop(folder: Path) -> AsyncIterator[Shop]:
    """Open a shop where 40 contacts wait, 30 of them since an hour earlier than the others."""
    open_store(folder / "data", 1, "events")
    async with running(folder / "data") as (_, client):
        shop = Shop(folder, client)
        shop.write(wait("5h", "a"))
        await shop.publish()
        await shop.happen("hi", range(30), NOON_MS)
        await shop.happen("hi", range(30, CONTACTS), LATER_MS)
        await shop.happen("page_view", range(CONTACTS), LATER_MS)
        yield shop


async def test_a_diff_says_what_would_become_of_each_visit_and_changes_nothing(
    tmp_path: Path,
) -> None:
    async with open_shop(tmp_path) as shop:
        before = await shop.in_force()
        shop.write(wait("1h", "a"))
        line = await shop.diff()
        assert (line.change, line.number, line.in_flight) == ("changed", 2, "follow")
        assert line.visits == [NodeLine(node="a", waiting=40, fires=30, sooner=10)]
        assert line.fields == [Alteration("nodes.a.wait", "5h", "1h")]
        assert await shop.diff() == line
        assert await shop.in_force() == before
        assert len(shop.notes()) == 1


async def test_a_diff_says_that_a_test_ends_and_which_templates_and_settings_change(
    tmp_path: Path,
) -> None:
    async with open_shop(tmp_path) as shop:
        shop.enter_on("hi", test={"contacts": ["ada"]})
        shop.settings(time_zone="UTC")
        found, _ = await shop.change(shop.folder())
        assert (found.journeys[0].mode_was, found.journeys[0].mode) == ("live", "test")
        shop.enter_on("hi")
        shop.settings(time_zone="Europe/Berlin")
        (shop.journeys / "templates" / "hello.en.liquid").write_text("---\nsubject: Ho\n---\nHi\n")
        found, _ = await shop.change(shop.folder(), agreed=False)
        with console.capture() as said:
            show_diff(found)
        assert said.get().splitlines()[:2] == [
            "hello: changed, version 3, test → live, visits in flight: follow",
            '  test: {"contacts":["ada"]} → nothing',
        ]
        assert "templates changed: hello.en\n" in said.get()
        assert "  settings: time_zone: UTC → Europe/Berlin\n" in said.get()


async def test_visits_at_a_node_that_is_gone_need_a_place_to_migrate_to(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        shop.write(wait("5h", "b"))
        assert (await shop.diff()).visits == [NodeLine(node="a", waiting=40, ends=40)]
        assert not shop.problems
        await shop.diff("migrate")
        (problem,) = shop.problems
        assert problem.startswith("hello: 40 visits stand at a, which is gone; say where they go")
        line = await shop.diff("follow", "hello:a=b")
        assert line.visits == [NodeLine(node="a", waiting=40, keeps=40, to={"b": 40})]
        assert not shop.problems
        await shop.publish("follow", "hello:a=b")
        shop.write(wait("6h", "b"))
        line = await shop.diff()
        assert line.visits == [NodeLine(node="b", waiting=40, later=40)]


async def test_what_visits_stayed_in_is_kept_as_long_as_they_need_it(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        old = (await shop.in_force()).journeys["hello.yaml"]
        shop.write(wait("5h", "b"))
        await shop.publish("stay")
        assert versions_of(await shop.in_force())["hello"].kept == {"1": old}
        await shop.happen("page_view", range(CONTACTS), NOON_MS + 7 * HOUR_MS)
        shop.write(wait("5h", "c"))
        await shop.publish("stay")
        assert set(versions_of(await shop.in_force())["hello"].kept) == {"2"}


async def test_what_pause_resume_and_end_do_is_in_the_history(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        found, _ = await shop.change(to_state("hello", "paused"), "pause")
        assert found.journeys[0].visits == [NodeLine(node="a", waiting=40, keeps=40)]
        await shop.happen("hi", range(100, 105), NOON_MS + 9 * HOUR_MS)
        with pytest.raises(OperatorError, match="hello is paused already"):
            await shop.change(to_state("hello", "paused"))
        found, _ = await shop.change(to_state("hello", "live"), "resume")
        assert found.journeys[0].queued == 5
        await shop.change(to_state("hello", "ended"), "end")
        assert versions_of(await shop.in_force())["hello"].state == "ended"
        assert [each.what for each in shop.notes()] == ["publish", "pause", "resume", "end"]
        with pytest.raises(OperatorError, match="no journey 'helo' is in force"):
            await shop.change(to_state("helo", "paused"))


async def test_a_roll_back_is_a_new_version_that_says_what_an_older_one_said(
    tmp_path: Path,
) -> None:
    async with open_shop(tmp_path) as shop:
        with pytest.raises(OperatorError, match="no journey that changes; this draft changes none"):
            await shop.publish("follow", "hello:a=b")
        old = (await shop.in_force()).journeys
        publications = publications_of(shop.data, None)
        shop.write(wait("5h", "b"))
        await shop.publish("follow", "hello:a=b")
        back = to_older(publications, "hello", 1, "follow", {"hello": {"b": "a"}})
        found, _ = await shop.change(back, "roll-back")
        assert found.journeys[0].visits == [NodeLine(node="b", waiting=40, keeps=40, to={"a": 40})]
        assert (await shop.in_force()).journeys == old
        assert shop.notes()[-1].journeys[0].number == 3
        with pytest.raises(OperatorError, match="version 9 is not kept; there are: 1, 2, 3"):
            await shop.change(to_older(publications, "hello", 9, "follow", {}))
        never = "no journey 'helo' was ever published; did you mean `hello`"
        with pytest.raises(OperatorError, match=never):
            await shop.change(to_older(publications, "helo", 1, "follow", {}))
        await shop.change(to_older(publications, None, 2, "stay", {}))
        assert (await shop.in_force()).journeys["hello.yaml"]["nodes"][0]["id"] == "b"


async def test_the_history_says_who_put_what_in_force_and_why(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        (note,) = shop.notes()
        assert (note.by, note.what, note.note, note.number) == ("ada", "publish", "because", 1)
        (line,) = note.journeys
        assert (line.journey, line.number, line.change) == ("hello", 1, "new")
        shop.write(wait("5h", "b"))
        said = await shop.publish("follow", "hello:a=b")
        assert said == shop.notes()[1]
        assert (said.journeys[0].in_flight, said.journeys[0].map) == ("migrate", {"a": "b"})
        assert said.numbers == {"hello": 2}, "so that the notes before can go"


async def test_a_start_carries_versions_on_and_notes_what_it_put_in_force(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.change(to_state("hello", "paused"))
        sockets = [str(shop.data / "s.sock")]
        publisher = Publisher(sockets, publications_of(shop.data, None))
        before = await shop.in_force()
        draft = read_folder(shop.journeys).publication
        same = await publisher.succession_of(draft)
        assert b'"state":"paused"' in same
        assert len(shop.notes()) == 2
        shop.write(wait("9h", "a"))
        source = await publisher.succession_of(read_folder(shop.journeys).publication)
        assert b'"state":"paused"' in source
        assert b'"number":2' in source
        publisher.note_start(before, source)
        assert (shop.notes()[-1].what, shop.notes()[-1].by) == ("run", "run")


async def test_a_diff_says_who_would_have_entered_by_replaying_the_log(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        shop.write(wait("5h", "a"))
        await shop.happen("hello", range(50, 57), LATER_MS + 1)
        shop.enter_on("hello", "hi")
        found, _ = await shop.change(shop.folder(), days=1)
        assert found.entries == [EntryLine(journey="hello", more=7, fewer=0)]
        assert found.days == 1
        assert not found.entries_note


async def test_who_would_have_entered_is_told_from_what_is_in_force_by_now(tmp_path: Path) -> None:
    """Those of before the publish did not enter, and would with what is in force since."""
    async with open_shop(tmp_path) as shop:
        await shop.happen("hello", range(50, 57), LATER_MS + 1)
        shop.enter_on("hello", "hi")
        await shop.publish()
        shop.enter_on("hello")
        found, _ = await shop.change(shop.folder(), days=1, agreed=False)
        assert found.entries == [EntryLine(journey="hello", more=0, fewer=40)]
        shop.enter_on("hello", "hi", reentry="2h")
        found, _ = await shop.change(shop.folder(), days=1, agreed=False)
        assert not found.entries
        assert entries_words(found)[0].startswith("Nobody more, and nobody fewer, would have")


async def test_what_takes_too_long_is_left_off_and_does_not_stop_a_publish(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        shop.enter_on("hello", "hi")
        shop.most_s = 0
        found, said = await shop.change(shop.folder(), days=7)
        assert said is not None
        assert not found.entries
        (words,) = entries_words(found)
        assert words.startswith("to see who would have entered takes longer than 0 s; `anlass diff")


async def test_a_publish_waits_until_all_visits_have_taken_over_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_shop(tmp_path) as shop:
        looks = Timers.look
        await Publisher([str(shop.data / "s.sock")], publications_of(shop.data, None))._settled()
        monkeypatch.setattr("actors.publisher.SETTLE_S", 0.1)
        monkeypatch.setattr(Timers, "look", lambda _: None)
        shop.write(wait("6h", "a"))
        await shop.publish()
        shop.write(wait("7h", "a"))
        with pytest.raises(OperatorError, match="visits still take over the publication before"):
            await shop.publish()
        assert len(shop.notes()) == 2
        monkeypatch.setattr(Timers, "look", looks)
        monkeypatch.setattr("actors.publisher.SETTLE_S", 60)
        await shop.publish()
        assert len(shop.notes()) == 3


async def test_nothing_is_published_where_nothing_differs(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        found, said = await shop.change(shop.folder())
        assert found.empty
        assert said is None
        assert len(shop.notes()) == 1


@pytest.mark.parametrize("said", ["hello", "hello:a", ":a=b", "hello:=b"])
def test_a_map_that_cannot_be_read_says_how_it_is_written(said: str) -> None:
    with pytest.raises(OperatorError, match="write JOURNEY:OLD=NEW"):
        read_maps([said])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("hello:aa=b", "hello:aa=b: what is in force has no node 'aa'; did you mean"),
        ("hello:b=a", "hello:b=a: what is in force has no node 'b'; known here: a, mail"),
        ("hello:a=bb", "hello:a=bb: the new version has no node 'bb'; did you mean `b`"),
        ("hello:a=a", "hello:a=a: the new version has no node 'a'; known here: b, mail"),
    ],
)
async def test_a_map_of_nodes_that_are_not_there_publishes_nothing(
    tmp_path: Path, said: str, words: str
) -> None:
    async with open_shop(tmp_path) as shop:
        shop.write(wait("5h", "b"))
        with pytest.raises(OperatorError) as refused:
            await shop.publish("follow", said)
        assert str(refused.value).startswith(f"--map {words}")
        assert len(shop.notes()) == 1


async def test_nodes_of_versions_that_visits_stayed_in_can_be_mapped(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        shop.write(wait("5h", "b"))
        await shop.publish("stay")
        shop.write(wait("5h", "c"))
        said = await shop.publish("follow", "hello:a=c", "hello:b=c")
        assert said.journeys[0].map == {"a": "c", "b": "c"}


def test_maps_are_read_by_journey() -> None:
    assert read_maps(["a:x=y", "a:z=", "b:x=y"]) == {"a": {"x": "y", "z": ""}, "b": {"x": "y"}}


def test_who_would_have_entered_can_be_said_in_a_sentence() -> None:
    line = EntryLine(journey="hello", more=1_204, fewer=3)
    words = "hello: 1,204 more and 3 fewer would have entered in the last 7 days"
    assert entry_words(line, 7) == words


def test_a_line_can_be_said_in_a_sentence() -> None:
    line = NodeLine(node="W2", waiting=1_419, keeps=1_380, fires=32, ends=7, to={"X": 12})
    words = "1,419 wait at W2: 1,380 keep, 32 fire now, 7 end, 12 -> X"
    assert sentence(line) == words


def test_fields_that_are_left_off_are_counted() -> None:
    line = JourneyLine(journey="hello", change="changed", number=2, fields_left=1_020)
    with console.capture() as said:
        show_diff(Diff(journeys=[line]))
    assert said.get().splitlines()[1] == "  1,020 fields more"
