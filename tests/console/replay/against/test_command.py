"""`anlass replay --against`: the command, its processes, its JSON and its page."""

import json
import re
from html.parser import HTMLParser
from operator import is_not
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from actors.errors import OperatorError
from actors.folder import read_folder
from console.replay.against.comparison import Question, Variant, compared, survey, tasks_of
from console.replay.against.course import run_course
from console.replay.against.page import page_of
from console.replay.against.plot import heat_of, nice_top, slot_ms
from console.replay.against.summary import summary_of
from console.replay.against.sums import HOUR_MS
from console.replay.against.sweep import variants_of
from console.replay.command import replay
from console.replay.crew import parts_of
from console.system.simulator import START_MS, simulate
from engine.input import Event
from tests.console.command import anlass
from tests.console.past import Past, minutes
from tests.console.test_command import EXAMPLES
from tests.engine.situation import mail, wait
from tests.publications import journey, source_of

JOURNEY = journey(nodes=[wait("1h"), mail()], exit_on=["bye"])
DRAFT = """
journey: hello
entry: {event: hi}
nodes:
  - {id: wait, wait: 3h}
  - {id: mail, send: email, template: hello, purpose: transactional}
exit_on: [bye]
caps: [{messages: 9, per: 1d}]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("against") / "data"
    past = Past(data, JOURNEY)
    for number in range(60):
        past.event(f"c-{number % 23}", "hi" if number % 4 else "bye")
        past.pass_ms(minutes(20))
        past.deliver()
    past.close()
    return data


@pytest.fixture(scope="module")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("draft")
    (folder / "hello.yaml").write_text(DRAFT)
    (folder / "templates").mkdir()
    (folder / "templates" / "hello.en.liquid").write_text(
        "---\nsubject: Hello\n---\nHello {{ contact.id }}\n"
    )
    return folder


NONE = Path("/none")
SWEEP = ("--vary", "hello.yaml:nodes[wait].wait=1h,3h")


def test_it_says_what_differs_as_json_lines_and_page(
    data: Path, draft: Path, tmp_path: Path
) -> None:
    out, page = tmp_path / "out", tmp_path / "page.html"
    arguments = ["replay", "--from-log", data, "--against", draft, *SWEEP]
    result = anlass(*arguments, "--out", out, "--html", page, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    said = json.loads(result.stdout)
    same, later = said["variants"]
    assert (same["variant"], same["differences"]) == ("nodes[wait].wait=1h", 0)
    assert same["total"]["same"] == same["total"]["real"] > 20
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == later["differences"] > 20
    assert {line["variant"] for line in lines} == {later["variant"]}
    for kind in ("moved", "only_real", "only_draft"):
        assert sum(line["kind"] == kind for line in lines) == later["total"][kind]
    assert [line["contact"] for line in lines] != sorted(line["contact"] for line in lines)
    text = page.read_text()
    assert text == page_of(said)
    table = anlass(*arguments).stdout
    assert "nodes[wait].wait=3h" in table
    assert "later: by 2 h" in table


@pytest.mark.parametrize(("wait_h", "code"), [("1h", 0), ("3h", 1)])
def test_with_same_it_fails_where_something_differs(
    data: Path, draft: Path, wait_h: str, code: int
) -> None:
    vary = ["--vary", f"hello.yaml:nodes[wait].wait={wait_h}", "--same"]
    result = anlass("replay", "--from-log", data, "--against", draft, *vary)
    assert (result.returncode, result.stderr) == (code, "")
    assert ("Nothing would have been different" in result.stdout) == (code == 0)


def test_a_draft_with_mistakes_is_refused_as_by_validate(data: Path, tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text(DRAFT.replace("wait: 3h", "wait: soon"))
    refused = anlass("replay", "--from-log", data, "--against", tmp_path)
    validated = anlass("validate", tmp_path)
    assert refused.returncode == validated.returncode == 2
    assert refused.stderr == validated.stderr
    assert "`$.nodes[0].wait`" in refused.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"against": EXAMPLES}, "--against compares with a log; name its store with --from-log"),
        ({"from_log": NONE, "against": EXAMPLES}, "/none is no data folder of Anlass"),
        ({"from_log": NONE, "against": EXAMPLES, "events": NONE}, "takes no --events; leave one"),
        ({"from_log": NONE, "vary": ["a:b=1"]}, "--vary goes with --against only"),
        ({"from_log": NONE, "html": NONE}, "--html goes with --against only"),
        ({"from_log": NONE, "since": "0"}, "--from goes with --against only"),
        ({"from_log": NONE, "same": True}, "--same goes with --against only"),
        ({"from_log": NONE, "against": EXAMPLES, "within": "long"}, "is no span; write"),
        ({"from_log": NONE, "against": EXAMPLES, "since": "soon"}, "--from 'soon' is no"),
        (
            {"from_log": NONE, "against": EXAMPLES, "since": "9", "until": "1"},
            "--from 9 is after --until 1; swap them",
        ),
    ],
)
def test_a_mistake_in_use_is_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OperatorError) as refused:
        replay(**options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_read(
    data: Path, draft: Path, tmp_path: Path
) -> None:
    for option in ("out", "html"):
        options: dict[str, Any] = {option: tmp_path / "no" / "such"}
        with pytest.raises(OperatorError, match="cannot be written"):
            replay(from_log=data, against=draft, **options)


def question_of(data: Path, draft: Path, processes: int) -> Question:
    variants = variants_of(read_folder(draft), [SWEEP[1]])
    return Question(data=data, variants=variants, processes=processes)


def told(data: Path, draft: Path, processes: int) -> tuple[dict[str, Any], list[Any]]:
    question = question_of(data, draft, processes)
    progress: list[float] = []
    with compared(question, survey(data, None), progress.append) as comparison:
        report = summary_of(comparison.report)
        differences = list(comparison.differences())
    assert round(sum(progress)) == survey(data, None)[0].end
    for name in ("wall_s", "events_per_s", "processes", "records"):
        del report[name]
    return report, differences


def test_several_processes_come_to_the_same(data: Path, draft: Path) -> None:
    assert told(data, draft, 3) == told(data, draft, 1)


def test_what_a_process_refuses_is_refused_and_a_dead_one_named(
    data: Path, draft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = tasks_of(question_of(data, draft, 2), survey(data, None), tmp_path)
    for task in tasks:
        task.data = tmp_path / "none"
    with pytest.raises(OperatorError, match="is no data folder of Anlass"):
        parts_of(run_course, tasks, 2, lambda _: None)
    monkeypatch.setattr("console.replay.crew.serve", is_not)
    with pytest.raises(OperatorError, match="a process that read the log has died"):
        parts_of(run_course, tasks, 2, lambda _: None)


def test_the_temporary_files_go(data: Path, draft: Path, tmp_path: Path) -> None:
    result = anlass("replay", "--from-log", data, "--against", draft, temporary=tmp_path)
    assert (result.returncode, list(tmp_path.iterdir())) == (0, [])


class Numbers(HTMLParser):
    """Collects what a page shows in tables and tiles, and what it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.tiles: list[str] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "data", "srcset"):
                self.links.append(value or "")
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["b"]:
            self.tiles.append(data)
        elif {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        while self._open.pop() != tag:
            pass


def test_the_page_needs_nothing_beside_it_and_says_what_the_json_says(
    data: Path, draft: Path
) -> None:
    with compared(question_of(data, draft, 1), survey(data, None), lambda _: None) as comparison:
        summary = summary_of(comparison.report)
    page = page_of(summary)
    shown = Numbers(page)
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(shown.tags)
    assert [link for link in shown.links if not link.startswith("#")] == []
    assert not re.search(r"https?:|//\w|url\(|@import", page)
    assert shown.tags.count("svg") == 1 + sum(
        len(each["hours"]) + 3 * bool(each["differences"]) for each in summary["variants"]
    )
    for each in summary["variants"]:
        total = each["total"]
        row = next(row for row in shown.rows if row[0] == each["variant"])
        names = ("draft", "same", "moved", "only_draft", "only_real")
        assert [row[1], *row[3:]] == [f"{total[name]:,}" for name in names]
        counts = each["journeys"]["hello"]
        row = ["hello", *(f"{counts.get(name, 0):,}" for name in ("real", "draft"))]
        assert row in [found[:3] for found in shown.rows]
    assert f"{summary['variants'][1]['total']['moved']:,}" in shown.tiles
    titles = re.findall(r"<title>[^<]*: (\d+) went out, the draft sends (\d+)</title>", page)
    for side, name in enumerate(("real", "draft")):
        drawn = sum(int(found[side]) for found in titles)
        assert drawn == sum(each["total"][name] for each in summary["variants"])


def test_what_people_wrote_cannot_break_the_page(tmp_path: Path) -> None:
    past = Past(tmp_path / "data", JOURNEY)
    past.event("<script>alert(1)</script>")
    past.pass_ms(minutes(60))
    past.close()
    question = Question(data=past.data, variants=[Variant("<b>=1", source_of(journey()))])
    with compared(question, survey(past.data, None), lambda _: None) as comparison:
        page = page_of(summary_of(comparison.report))
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "<b>=1" not in page


def test_heat_counts_by_the_zone_of_the_settings() -> None:
    monday_23 = 1_772_492_400_000  # 2026-03-02T23:00Z, which is Tuesday in Berlin.
    counts = heat_of([[monday_23, 2, 5], [monday_23 + HOUR_MS, 1, 0]], ZoneInfo("Europe/Berlin"))
    assert (counts[1][0], counts[1][1]) == ([2, 5], [1, 0])
    assert sum(sum(cell) for row in counts for cell in row) == 8


@pytest.mark.parametrize(("hours", "slot_h"), [(0, 1), (119, 1), (130, 2), (24 * 90, 24)])
def test_a_course_has_no_more_slots_than_can_be_seen(hours: int, slot_h: int) -> None:
    assert slot_ms(0, hours * HOUR_MS) == slot_h * HOUR_MS


@pytest.mark.parametrize(("count", "top"), [(1, 1), (3, 4), (17, 20), (99, 100), (410, 600)])
def test_an_axis_ends_at_a_round_number(count: int, top: int) -> None:
    assert nice_top(count) == top


def test_the_demo_s_stream_with_its_own_journeys_differs_in_nothing(tmp_path: Path) -> None:
    """The shipped journeys over the simulated shop, with sessions, caps, consent and repeats."""
    source = read_folder(EXAMPLES).source
    past = Past(tmp_path / "data", now_ms=START_MS)
    past.put_in_force(source)
    for event in simulate(5, 3_000):
        play(past, event)
    past.pass_ms(minutes(60 * 24))
    past.deliver()
    report, differences = past.against(source)
    past.close()
    assert (differences, report.refolded_otherwise) == ([], 0)
    assert report.variants[0].total("same") > 30


def play(past: Past, event: Event) -> None:
    assert event.at_ms is not None
    if event.at_ms - past.now_ms > minutes(1):
        past.pass_ms(event.at_ms - past.now_ms)
    payload = msgspec.to_builtins(event.payload)
    past.event(event.contact, event.name, payload, id=event.id, late_ms=past.now_ms - event.at_ms)
