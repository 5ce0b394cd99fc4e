"""`anlass numbers`: by the shards' word while they run, else by the last snapshots."""

import json
from pathlib import Path
from typing import Any

import pytest
import uvloop

from actors.errors import OperatorError
from actors.links.link import Accept, Drain, LinkEvent, PublishNow, RunOut
from actors.store.manifest import open_store
from console.reports.numbers import (
    Asked,
    Conversion,
    JourneyNumbers,
    NumbersReport,
    numbers_of,
    window_of,
)
from console.reports.numbers_screen import asked_for, conversion_words, show_numbers, sparkline
from console.screen import console
from engine.contacts.identity import partition_of
from engine.count_table import Line, Window
from engine.limits import DAY_MS
from engine.numbers import OTHER
from tests.console.command import anlass
from tests.console.contacts.test_contact import running
from tests.console.reports.test_status import DEAD, write_system
from tests.publications import MAIL, journey, source_of

NOON = 1_700_000_000_000
HOUR = 3_600_000
CONTACTS = [f"c-{i}" for i in range(40)]
JOURNEY = journey(
    "j",
    entry={"event": "hi"},
    exit_on=["bye"],
    goal={"event": "buy", "within": "2d"},
    hold_out=50,
    nodes=[{"id": "wait", "wait": "1h"}, MAIL, {"id": "rest", "wait": "30d"}],
)


def events(name: str, contacts: list[str], at_ms: int) -> Accept:
    made = [
        LinkEvent(partition_of(each), each, f"{name}-{each}-{at_ms}", name, at_ms, b"{}")
        for each in contacts
    ]
    return Accept(0, made)


async def live(data: Path, *, drain: bool = True) -> None:
    async with running(data) as (_, client):
        await client.ask(PublishNow(0, source_of(JOURNEY, journey("other"))))
        await client.ask(events("hi", CONTACTS, NOON))
        await client.ask(RunOut(0, NOON + 2 * HOUR))
        await client.ask(events("bye", CONTACTS[:10], NOON + 3 * DAY_MS - HOUR))
        await client.ask(events("buy", CONTACTS[10:20], NOON + 2 * DAY_MS - 1))
        await client.ask(events("buy", CONTACTS[20:30], NOON + 2 * DAY_MS))
        if drain:
            await client.ask(Drain(0))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("numbers")
    open_store(data, 1, "events")
    uvloop.run(live(data))
    return data


def lines_of(report: NumbersReport) -> dict[str, Line]:
    return {line.node: line for line in report.journeys[0].nodes}


async def test_running_shards_are_asked_and_one_that_is_gone_is_named(tmp_path: Path) -> None:
    open_store(tmp_path, 1, "events")
    async with running(tmp_path) as (_, client):
        await client.ask(PublishNow(0, source_of(JOURNEY)))
        await client.ask(events("hi", CONTACTS, NOON))
        write_system(tmp_path, str(tmp_path / "s.sock"), DEAD)
        report = await numbers_of(tmp_path, Asked())
        (fault,) = report.faults
    assert fault.startswith("shard 1: no answer: ")
    assert (report.running, report.now_ms, report.since_ms) == (True, NOON, 0)
    assert {node: line.waiting for node, line in lines_of(report).items()} == {
        "wait": 40,
        "mail": 0,
        "rest": 0,
    }


def test_a_folder_has_the_numbers_of_its_last_snapshots(stopped: Path) -> None:
    report = uvloop.run(numbers_of(stopped, Asked()))
    j, other = report.journeys
    assert (report.running, report.now_ms) == (False, NOON + 3 * DAY_MS - HOUR)
    assert (j.in_force, j.total.counts["entered"], j.total.waiting) == (True, 40, 30)
    assert (other.journey, other.total.counts, other.conversion) == ("other", {"entered": 40}, None)
    nodes = lines_of(report)
    assert list(nodes) == ["wait", "mail", "rest"]
    assert nodes["rest"].counts == {"entered": 40, "left/exited: bye": 10}
    assert nodes["mail"].counts["entered"] == 40


def test_of_a_folder_without_a_snapshot_it_says_that_and_no_more(tmp_path: Path) -> None:
    open_store(tmp_path, 1, "events")
    with console.capture() as said:
        show_numbers(uvloop.run(numbers_of(tmp_path, Asked())))
    assert said.get().strip() == (
        "Nothing runs, and there is no snapshot yet: the first start takes them."
    )


def test_only_what_came_in_time_is_a_conversion_and_lift_is_against_who_was_held_out(
    stopped: Path,
) -> None:
    report = uvloop.run(numbers_of(stopped, Asked(journey="j")))
    (j,) = report.journeys
    found = j.conversion
    assert found is not None
    assert found.converted + found.held_out_converted == 10
    assert found.entered + found.held_out == 40
    assert 0 < found.held_out_converted < found.held_out
    assert found.rate == found.converted / found.entered
    assert found.held_out_rate == found.held_out_converted / found.held_out
    assert found.lift == found.rate / found.held_out_rate - 1


@pytest.mark.parametrize(
    ("since", "entered", "left"), [("2d", 0, 10), ("4d", 40, 10), ("2023-11-17T22:00", 0, 0)]
)
def test_since_counts_from_then_on_and_who_waits_is_as_of_now(
    stopped: Path, since: str, entered: int, left: int
) -> None:
    report = uvloop.run(numbers_of(stopped, asked_for("j", since, "hour")))
    rest = lines_of(report)["rest"]
    assert rest.counts.get("entered", 0) == entered
    assert rest.counts.get("left/exited: bye", 0) == left
    assert rest.waiting == 30
    assert sum(each.get("entered", 0) for each in rest.course.values()) == entered


@pytest.mark.parametrize(
    ("asked", "window", "by"),
    [
        (Asked(), Window("", 0, HOUR, NOON // HOUR * HOUR - 24 * HOUR), "hour"),
        (
            Asked(since_ms=HOUR, is_span=True),
            Window("", (NOON - HOUR) // 60_000 * 60_000, 60_000, (NOON - HOUR) // 60_000 * 60_000),
            "minute",
        ),
        (
            Asked(journey="j", since_ms=NOON - 20 * DAY_MS),
            Window(
                "j",
                (NOON - 20 * DAY_MS) // DAY_MS * DAY_MS,
                DAY_MS,
                (NOON - 20 * DAY_MS) // DAY_MS * DAY_MS,
            ),
            "day",
        ),
        (Asked(by="day"), Window("", 0, DAY_MS, (NOON - 30 * DAY_MS) // DAY_MS * DAY_MS), "day"),
    ],
)
def test_what_is_asked_fits_what_is_kept(asked: Asked, window: Window, by: str) -> None:
    assert window_of(asked, NOON) == (window, by)


def test_the_command_tells_all_as_tables_and_as_json(stopped: Path) -> None:
    told = anlass("numbers", "--data", stopped)
    assert "Nothing runs; as of the last snapshots, Fri 2023-11-17 21:13:20 UTC." in told.stdout
    assert "j: 40 entered, 30 wait" in told.stdout
    assert "10 exited:" in told.stdout
    assert "buy within 2d: " in told.stdout
    answer = json.loads(anlass("numbers", "j", "--json", "--data", stopped).stdout)
    assert [each["journey"] for each in answer["journeys"]] == ["j"]
    assert answer["journeys"][0]["nodes"][2]["waiting"] == 30
    wrong = anlass("numbers", "jj", "--data", stopped)
    assert "there is no journey 'jj'; did you mean `j`?" in wrong.stderr


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_that_is_too_wide_is_parted_and_no_head_name_or_figure_is_cut(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "left/no_consent: email: none, needed double_opt_in"
    counts = {"entered": 123_456, "passed": 120_000, why: 3_456, "no_consent": 3_456}
    line = Line(journey="j", node="ask-for-consent", waiting=7, counts=counts)
    line.course = {
        NOON // HOUR * HOUR - 29 * HOUR + i * HOUR: {"entered": i + 1} for i in range(30)
    }
    hello = JourneyNumbers(
        journey="j",
        version=2,
        state="live",
        in_test=False,
        queued=0,
        in_force=True,
        total=line,
        conversion=None,
        nodes=[line],
    )
    report = NumbersReport(
        running=True,
        now_ms=NOON,
        since_ms=0,
        from_ms=0,
        by="hour",
        course_from_ms=NOON // HOUR * HOUR - 29 * HOUR,
        journeys=[hello],
    )
    monkeypatch.setattr(console, "width", width)
    with console.capture() as said:
        show_numbers(report)
    lines = [line for line in said.get().splitlines() if line and line[0] in "┏┃┡│└"]
    assert max(map(len, lines)) <= width
    heads = [each.strip() for line in lines if line[0] == "┃" for each in line[1:-1].split("┃")]
    figures = ["entered", "wait", "passed", "entered, by hour"]
    assert [each for each in heads if each != "node"] == [*figures, "left", "messages"]
    assert (heads.count("node") == 1) == (width == 200)
    text = "\n".join(lines)
    assert all(
        each in text for each in ("ask-for-consent", " 123,456 ", " 120,000 ", "3,456 no_consent")
    )


@pytest.mark.parametrize(
    ("since", "by", "text"),
    [
        ("often", "", "--since 'often' cannot be read; write whole numbers and units"),
        ("", "year", "--by year is unknown; use minute, hour, day"),
    ],
)
def test_what_cannot_be_read_is_said(since: str, by: str, text: str) -> None:
    with pytest.raises(OperatorError, match=text.replace("(", r"\(")):
        asked_for("", since, by)


def test_a_little_bar_shows_each_count_and_one_is_never_empty() -> None:
    assert sparkline([0, 1, 400, 800]) == " ▁▄█"
    assert sparkline([0, 0]) == sparkline([]) == ""


def test_conversion_is_told_with_what_it_is_compared_with() -> None:
    alone = Conversion(goal="buy", within_ms=DAY_MS, entered=10, converted=2, rate=0.2)
    assert conversion_words(alone) == "buy within 1d: 2 (20.0%)"
    nobody = Conversion(goal="buy", within_ms=DAY_MS, entered=0, converted=0)
    assert conversion_words(nobody) == "buy within 1d: 0"


def test_what_is_beyond_the_bound_is_said() -> None:
    total = Line(journey=OTHER, node="", counts={OTHER: 7})
    beyond: Any = {
        "journey": OTHER,
        "in_force": False,
        "in_test": False,
        "version": 0,
        "state": "ended",
        "queued": 0,
        "conversion": None,
        "nodes": [],
    }
    report = NumbersReport(
        running=True,
        now_ms=NOON,
        since_ms=NOON - HOUR,
        from_ms=0,
        by="hour",
        course_from_ms=0,
        journeys=[JourneyNumbers(total=total, **beyond)],
    )
    with console.capture() as said:
        show_numbers(report)
    assert "7 more are counted together" in said.get()
    assert "Counting began Tue 2023-11-14 21:13:20 UTC" in said.get()
