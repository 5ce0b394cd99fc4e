"""What a demo prints at its end: places to look at that are there, commands as they were typed."""

import sys
from io import StringIO

import pytest
from rich.console import Console

from console import screen
from console.system import demo_screen
from console.system.demo import DemoReport
from console.system.demo_screen import show_demo
from ingest.readers import LineRejection

MESSAGE = {
    "contact": "anonymous/a b",
    "to": "a@example.com",
    "journey": "favourites",
    "channel": "email",
    "subject": "Hello",
    "body": "You",
}


def shown(monkeypatch: pytest.MonkeyPatch, command: str, *messages: dict[str, str]) -> str:
    """Return what is printed."""
    written = StringIO()
    both = Console(file=written, width=200)
    monkeypatch.setattr(demo_screen, "console", both)
    monkeypatch.setattr(screen, "errors", both)
    monkeypatch.setattr(sys, "argv", [command, "demo"])
    report = DemoReport(
        events=4,
        accepted=2,
        repeated=1,
        rejected=1,
        failed=0,
        contacts=1,
        sessions=1,
        outcomes={"favourites": {"sent": len(messages)}},
        decision_us={"p50": 1.0, "p99": 2.0, "p999": 3.0},
        ack_ms={"p50": 1.0, "p99": 2.0},
        events_per_s=1.0,
        wall_s=3.0,
        log_bytes=1,
        commits=1,
        messages=list(messages),
        folder="/d",
        rejections=[LineRejection(2, "$.name", "there is none")],
    )
    show_demo(report, "a.jsonl")
    return written.getvalue()


def test_what_can_be_looked_at_stands_in_two_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, ".venv/bin/anlass", MESSAGE)
    lines = text.partition("Where to look next\n")[2].splitlines()
    assert [line[2:].split("   ")[0] for line in lines] == [
        "/d/messages.jsonl",
        ".venv/bin/anlass explain 'anonymous/a b' --data /d",
        "/d/outcomes.jsonl",
        "examples/journeys/",
        ".venv/bin/anlass replay --help",
        ".venv/bin/anlass run --help",
    ]
    assert len({line.rindex("   ") for line in lines}) == 1


def test_refused_lines_are_told_and_no_message_is_pointed_at_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = shown(monkeypatch, "/x/console/__main__.py")
    assert text.startswith("a.jsonl, line 2: there is none - at `$.name`\n")
    assert "messages.jsonl" not in text
    assert "explain" not in text
    assert "\n  anlass run --help " in text
