"""Mistakes in waits until a moment, and which of these waits a cycle may rest on."""

from typing import Any

import pytest

from tests.engine.compile.test_mistakes import Found, mistakes_in
from tests.engine.situation import mail, wait
from tests.publications import journey

OUT = {"id": "out", "exit": "done"}


def wrong(until: dict[str, Any], **fields: Any) -> Found:
    nodes = [mail(), {"id": "w", "wait": until} | fields, mail("next", then="out"), OUT]
    return mistakes_in(journey(nodes=nodes))


@pytest.mark.parametrize(
    ("until", "mistake"),
    [
        (
            {},
            (
                "",
                "this waits for nothing",
                "give at least one of `until`, `attribute`, `field`, `time`, `between`, `weekdays`",
            ),
        ),
        (
            {"zone": "settings"},
            (
                "",
                "this waits for nothing",
                "give at least one of `until`, `attribute`, `field`, `time`, `between`, `weekdays`",
            ),
        ),
        (
            {"attribute": "a", "field": "b"},
            ("", "attribute and field together", "give one date to wait for"),
        ),
        (
            {"until": "christmas"},
            (
                ".until",
                "'christmas' is no moment",
                "write a date such as 2026-12-24, 2026-12-24T09:00, "
                "2026-12-24T09:00+01:00 or epoch milliseconds",
            ),
        ),
        (
            {"attribute": "a..b"},
            (".attribute", "'a..b' is no path", "write names with single dots in between"),
        ),
        (
            {"field": ""},
            (".field", "'' is no path", "write names with single dots in between"),
        ),
        (
            {"attribute": "a", "offset": "early"},
            (
                ".offset",
                "cannot read 'early' as an offset",
                "write a span after, or with a minus before: 3d, -3d or -2h",
            ),
        ),
        (
            {"attribute": "a", "offset": "-401d"},
            (".offset", "-401d is out of range", "use -400d to 400d"),
        ),
        (
            {"time": "09:00", "offset": "3d"},
            (
                ".offset",
                "there is no date that this is an offset from",
                "give `until`, `attribute` or `field`, or write the wait as a span",
            ),
        ),
        (
            {"attribute": "a", "time": "09:00", "offset": "-3h"},
            (
                ".offset",
                "-3h from a time of the day of that date",
                "use whole days (`-3d`), or remove `time`",
            ),
        ),
        (
            {"time": "9 am"},
            (".time", "'9 am' is no time of day", "write a time of day from 00:00 to 23:59"),
        ),
        (
            {"time": "09:00", "between": ["08:00", "10:00"]},
            (
                "",
                "time and between together",
                "remove `between`: `time` says the moment of the day",
            ),
        ),
        (
            {"between": ["08:00"]},
            (".between", "1 times", 'write two: ["09:00", "18:00"]'),
        ),
        (
            {"between": ["08:00", "24:00"]},
            (
                ".between[1]",
                "'24:00' is no time of day",
                "write a time of day from 00:00 to 23:59",
            ),
        ),
        (
            {"between": ["08:00", "8:00"]},
            (
                ".between",
                "the window opens when it closes",
                "give two different times, or leave it out for the whole day",
            ),
        ),
        (
            {"weekdays": []},
            (
                ".weekdays",
                "no weekday ever comes",
                "write weekdays such as mon, friday or mon-fri",
            ),
        ),
        (
            {"time": "09:00", "weekdays": ["mo"]},
            (
                ".weekdays",
                "cannot read ['mo'] as weekdays",
                "write weekdays such as mon, friday or mon-fri",
            ),
        ),
        (
            {"time": "09:00", "zone": "Berlin"},
            (
                ".zone",
                "there is no time zone 'Berlin'",
                "write contact, settings or a name such as Europe/Berlin",
            ),
        ),
        ({"untl": "x"}, (".untl", "unknown field 'untl'", "did you mean `until`?")),
    ],
)
def test_a_mistake_says_where_it_is_and_what_to_do(
    until: dict[str, Any], mistake: tuple[str, str, str]
) -> None:
    path, problem, fix = mistake
    assert wrong(until) == [(f"$.nodes[1].wait{path}", problem, fix)]


def test_all_mistakes_of_one_wait_come_at_once() -> None:
    until = {"attribute": "a", "until": "b", "time": "c", "weekdays": ["d"], "zone": "e"}
    found = [path for path, _, _ in wrong(until | {"offset": "f"}, **{"else": "g"})]
    below = ("", ".offset", ".time", ".until", ".weekdays", ".zone")
    # Only the first of two dates is looked at.
    assert found == ["$.nodes[1].else", *(f"$.nodes[1].wait{each}" for each in below)]


@pytest.mark.parametrize("until", [{"time": "09:00"}, {"between": ["09:00", "10:00"]}])
def test_an_else_that_is_never_taken_is_refused(until: dict[str, Any]) -> None:
    fix = "remove `else`, or wait for a date (`until`, `attribute` or `field`)"
    problem = "never taken: this moment is known, and not past"
    assert wrong(until, **{"else": "out"}) == [("$.nodes[1].else", problem, fix)]


def test_a_span_has_no_else() -> None:
    nodes = [wait("1h", **{"else": "out"}), mail(then="out"), OUT]
    assert mistakes_in(journey(nodes=nodes)) == [
        (
            "$.nodes[0].else",
            "never taken",
            "remove `else`: a span is always over, and leads to `then`",
        )
    ]


def test_an_else_that_leads_nowhere_is_refused() -> None:
    assert wrong({"attribute": "a"}, **{"else": "oot"}) == [
        ("$.nodes[1].else", "there is no node 'oot'", "did you mean `out`?")
    ]


@pytest.mark.parametrize(
    ("until", "rests"),
    [
        ({"time": "09:00"}, True),
        ({"time": "09:00", "weekdays": ["mon"]}, True),
        ({"between": ["09:00", "10:00"]}, False),  # Inside it nothing is waited.
        ({"weekdays": ["mon"]}, False),
        ({"attribute": "due"}, False),  # It may be past.
        ({"field": "due", "time": "09:00"}, False),
        ({"until": "2026-12-24"}, False),
    ],
)
def test_a_cycle_rests_only_on_waits_that_never_pass_at_once(
    until: dict[str, Any], *, rests: bool
) -> None:
    nodes = [mail(), {"id": "w", "wait": until, "then": "mail"}]
    found = [(path, problem) for path, problem, _ in mistakes_in(journey(nodes=nodes))]
    problem = "this goes round without a wait: mail -> w -> mail"
    assert found == ([] if rests else [("$.nodes[1].then", problem)])


def test_a_cycle_by_the_else_of_a_wait_is_found_too() -> None:
    nodes = [mail(), {"id": "w", "wait": {"attribute": "due"}, "else": "mail"}, mail("next")]
    assert [(path, problem) for path, problem, _ in mistakes_in(journey(nodes=nodes))] == [
        ("$.nodes[1].else", "this goes round without a wait: mail -> w -> mail")
    ]
