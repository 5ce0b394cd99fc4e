"""Mistakes in waits for events: each with the path of what is wrong, and what to do."""

from typing import Any

import pytest

from tests.engine.compile.test_mistakes import Found, mistakes_in
from tests.engine.nodes.test_await import CHEAP, OUT, wait_for
from tests.engine.situation import mail
from tests.publications import journey


def wrong(*events: Any, **fields: Any) -> Found:
    nodes = [wait_for(*events, **fields), mail(), OUT]
    return mistakes_in(journey(nodes=nodes))


@pytest.mark.parametrize(
    ("found", "mistake"),
    [
        (
            wrong(),
            ("$.nodes[0].wait_for", "this waits for nothing", "list at least one event, or use"),
        ),
        (
            wrong(*(f"e-{i}" for i in range(101))),
            ("$.nodes[0].wait_for", "101 events", "100 at most"),
        ),
        (
            wrong({"event": "a", "again": True, "then": "out"}, "b"),
            (
                "$.nodes[0].wait_for[0].then",
                "an event that starts the wait again leads nowhere",
                "remove `then`, or `again`",
            ),
        ),
        (
            wrong("a", {"event": "b", "then": "oot"}),
            ("$.nodes[0].wait_for[1].then", "there is no node 'oot'", "did you mean `out`?"),
        ),
        (
            wrong("a", **{"else": "oot"}),
            ("$.nodes[0].else", "there is no node 'oot'", "did you mean `out`?"),
        ),
        (wrong("a", timeout="0s"), ("$.nodes[0].timeout", "0s is out of range", "use 1ms to 400d")),
        (wrong(" "), ("$.nodes[0].wait_for[0].event", "an event without a name", "write the name")),
        (
            wrong("segment_enter/vip"),
            ("$.nodes[0].wait_for[0].event", "there is no segment 'vip'", "there is none yet"),
        ),
        (
            wrong("a", {"event": "a", "when": CHEAP}),
            (
                "$.nodes[0].wait_for[1]",
                "never reached: [0] takes every 'a'",
                "give [0] a `when` or `same`",
            ),
        ),
        (
            wrong({"event": "a", "same": ["x..y"]}),
            ("$.nodes[0].wait_for[0].same[0]", "'x..y' is no path", "write names with single dots"),
        ),
        (
            wrong({"event": "a", "same": ["x"] * 11}),
            ("$.nodes[0].wait_for[0].same", "11 fields", "10 at most"),
        ),
        (
            wrong({"event": "a", "when": {"all": []}}),
            ("$.nodes[0].wait_for[0].when.all", "an empty list decides nothing", "list at least"),
        ),
        (
            wrong({"event": "a", "then": "mail"}, then="mail", **{"else": "out"}),
            ("$.nodes[0].then", "nothing leads there: each event and the timeout go elsewhere", ""),
        ),
        (
            wrong({"event": "a", "then": "out"}, **{"else": "out"}),
            ("$.nodes[1]", "no way leads to 'mail'", "name it in"),
        ),
    ],
)
def test_a_mistake_says_where_it_is_and_what_to_do(
    found: Found, mistake: tuple[str, str, str]
) -> None:
    ((path, problem, fix),) = found
    assert (path, problem) == mistake[:2]
    assert fix.startswith(mistake[2])
