"""A start puts its folder in force, but for what would end visits in flight: that is asked for."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from msgspec.yaml import encode as yaml

from actors.errors import OperatorError, PassingError
from actors.folder import read_folder
from actors.kept.opening import publications_of
from actors.links.link import PublishNow
from actors.publisher import EMPTY, Publisher
from actors.settings import SystemSettings
from actors.store.published import PublishedFiles
from console.journeys.diff import Diff, JourneyLine, NodeLine
from console.journeys.publication import to_state
from console.system.start import LISTED_MAX, refusal_of, source_at_start
from engine.fold.succession import source_of
from tests.console.command import anlass
from tests.console.journeys.test_publication import CONTACTS, Shop, open_shop
from tests.engine.situation import NOON_MS, mail, wait
from tests.publications import journey


def settings_of(shop: Shop, *, publish: bool = False) -> SystemSettings:
    return SystemSettings(data=shop.data, journeys=shop.journeys, publish=publish)


async def start(shop: Shop, *, publish: bool = False, folder: bool = True) -> bytes:
    """Return what a start on the shop's folder would put in force."""
    publisher = Publisher([str(shop.data / "s.sock")], publications_of(shop.data, None))
    draft = read_folder(shop.journeys).publication if folder else None
    before = await publisher.in_force()
    return await source_at_start(publisher, before, draft, settings_of(shop, publish=publish))


async def forget_versions(shop: Shop) -> None:
    """Put the shop's folder in force as a first start does: without versions."""
    source = source_of(read_folder(shop.journeys).publication)
    await shop.client.ask(PublishNow(0, source))


@pytest.mark.parametrize("line", ["with versions", "without"])
async def test_a_start_that_would_end_visits_is_refused_and_says_what_to_do(
    tmp_path: Path, line: str
) -> None:
    async with open_shop(tmp_path) as shop:
        if line == "without":
            await forget_versions(shop)
        before = await shop.in_force()
        shop.write(wait("5h", "b"))
        with pytest.raises(OperatorError) as refused:
            await start(shop)
        said = str(refused.value).splitlines()
        assert said[0].endswith("to publish this at the start would end 40 visits in flight:")
        assert said[1] == "- hello (changed): 40 at a"
        assert f"anlass publish --journeys {shop.journeys} --data {shop.data}" in said[3]
        assert "put back" not in said[-1]
        assert [word in said[i] for i, word in ((4, "--publish"), (5, "without --journeys"))]
        assert await shop.in_force() == before
        assert b'"b"' in await start(shop, publish=True)
        assert await start(shop, folder=False) == source_of(before)


@pytest.mark.parametrize("line", ["with versions", "without"])
async def test_a_start_that_ends_no_visit_publishes_what_was_edited(
    tmp_path: Path, line: str
) -> None:
    async with open_shop(tmp_path) as shop:
        if line == "without":
            await forget_versions(shop)
        assert await start(shop) == source_of(await shop.in_force())
        shop.write(wait("9h", "a"), wait("1h", "b"))
        assert b'"b"' in await start(shop)


async def test_a_node_that_nobody_is_at_may_go(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.happen("page_view", range(CONTACTS), NOON_MS + 20 * 3_600_000)
        shop.write(wait("5h", "b"))
        assert b'"b"' in await start(shop)


async def test_a_journey_that_is_gone_with_entries_that_wait_is_refused(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.change(to_state("hello", "paused"), "pause")
        await shop.happen("hi", range(100, 105), NOON_MS + 3_600_000)
        (shop.journeys / "hello.yaml").unlink()
        (shop.journeys / "other.yaml").write_bytes(yaml(journey("other", nodes=[mail()])))
        with pytest.raises(OperatorError) as refused:
            await start(shop)
        assert "would end 40 visits in flight and 5 entries that wait:" in str(refused.value)
        assert "- hello (gone): 40 at a, 5 that wait to enter" in str(refused.value)
        assert "- put back the file of a journey that is gone" in str(refused.value)


async def test_visits_that_stayed_in_an_older_version_are_not_ended_unasked(
    tmp_path: Path,
) -> None:
    async with open_shop(tmp_path) as shop:
        shop.write(wait("5h", "b"))
        await shop.publish("stay")
        shop.write(wait("6h", "b"))
        with pytest.raises(OperatorError, match="would end 40 visits in flight"):
            await start(shop)


async def test_there_is_nothing_to_go_on_with_where_nothing_is_in_force(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        publisher = Publisher([str(shop.data / "s.sock")], publications_of(shop.data, None))
        with pytest.raises(OperatorError, match="nothing is published here yet; name a folder"):
            await source_at_start(publisher, EMPTY, None, settings_of(shop))


async def test_a_start_waits_for_a_slot_that_is_served_by_nobody_just_now(tmp_path: Path) -> None:
    """As it does where it asks what is in force: another shard is about to take it over."""
    publisher = Publisher([str(tmp_path / "gone.sock")], PublishedFiles(tmp_path, None))
    with pytest.raises(PassingError, match="a shard does not answer"):
        await publisher.visits()


def test_a_refusal_names_ten_and_says_how_many_are_left_off() -> None:
    lines = [
        JourneyLine(
            journey=f"j-{i}",
            change="gone",
            number=2,
            visits=[NodeLine(node=f"n-{k}", waiting=1, ends=1) for k in range(LISTED_MAX + 2)],
        )
        for i in range(LISTED_MAX + 3)
    ]
    said = refusal_of(Diff(journeys=lines)).splitlines()
    assert "would end 156 visits" in said[0]
    assert said[1].endswith("1 at n-9, at 2 nodes more")
    assert said[-1] == "- and of 3 journeys more"
    assert not refusal_of(Diff(journeys=[replace(lines[0], visits=[])]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--publish"], "--publish puts a folder in force; name it with --journeys"),
        (["--settings", "a.yaml", "--journeys", "j"], "leave --settings out, or --journeys"),
        ([], "is no data folder of Anlass"),
    ],
)
def test_options_that_do_not_fit_make_no_store(
    tmp_path: Path, options: list[str], said: str
) -> None:
    refused = anlass("run", *options, "--data", tmp_path / "data")
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "data").exists()
