"""Mistakes in splits: each with the path of what is wrong, and what to do."""

from typing import Any

import pytest

from tests.engine.compile.test_mistakes import Found, mistakes_in
from tests.engine.nodes.test_await import wait_for
from tests.engine.nodes.test_split import shares, split, switch, take_part, ways
from tests.engine.situation import mail, wait
from tests.publications import journey


def wrong(node: dict[str, Any]) -> Found:
    return mistakes_in(journey(nodes=[wait("1h"), *ways(node, "a", "b")]))


GOES = {"share": 50, "then": "a"}


@pytest.mark.parametrize(
    ("found", "mistake"),
    [
        (
            wrong(split((1, "a"), (2, "c"), **{"else": "b"})),
            ("$.nodes[1].split[1].then", "there is no node 'c'", "known here: a, b, out"),
        ),
        (
            wrong(split((1, "a"), (2, "b"), **{"else": "c"})),
            ("$.nodes[1].else", "there is no node 'c'", "known here: a, b, out"),
        ),
        (
            wrong(split((1, "a"), (2, "b"), then="out")),
            (
                "$.nodes[1].then",
                "each branch says where it leads",
                "remove `then`; where none fits is said by `else`",
            ),
        ),
        (
            wrong({"id": "s", "split": [{"when": {"any": []}, "then": "a"}], "else": "b"}),
            ("$.nodes[1].split[0].when.any", "an empty list decides nothing", "list at least"),
        ),
        (
            wrong(split(*[(i, "a") for i in range(101)], **{"else": "b"})),
            ("$.nodes[1].split", "101 branches", "100 at most"),
        ),
        (
            wrong({"id": "s", "split": [{"when": {"any": []}}, {"then": "a"}]}),
            ("$.nodes[1].split[0]", "the field 'then' is missing", "add `then:`"),
        ),
        (
            wrong(switch({"x": "a", "y": "c"}, **{"else": "b"})),
            ("$.nodes[1].cases.y", "there is no node 'c'", "known here: a, b, out"),
        ),
        (
            wrong(switch({3: "a"}, **{"else": "b"})),  # type: ignore[dict-item]
            ("$.nodes[1].cases.3", "3 is no text", 'put it in quotes: "3"'),
        ),
        (
            wrong(switch({True: "a"}, **{"else": "b"})),  # type: ignore[dict-item]
            ("$.nodes[1].cases.True", "True is no text", 'put it in quotes: "true", or the word'),
        ),
        (
            wrong(switch({"x": "a"}, "status", **{"else": "b"})),
            ("$.nodes[1].switch", "'status' names no value", "write trigger.FIELD, contact."),
        ),
        (
            wrong(switch({"x": "a"}, "trigger..x", **{"else": "b"})),
            ("$.nodes[1].switch", "'trigger..x' names no value", "write trigger.FIELD"),
        ),
        (
            wrong(switch({"x": "a"}, "visit.node", **{"else": "b"})),
            ("$.nodes[1].switch", "'visit.node' names no value", "write trigger.FIELD"),
        ),
        (
            wrong(switch({"x": "a"}, "visit.answers.wiat.x", **{"else": "b"})),
            ("$.nodes[1].switch", "there is no node 'wiat'", "did you mean `wait`?"),
        ),
        (
            wrong(shares(GOES, {"share": 49.8, "then": "b"})),
            ("$.nodes[1].random", "the shares are 99.8 together", "let them be 100"),
        ),
        (
            wrong(shares(GOES, GOES, {"share": 0, "then": "b"})),
            ("$.nodes[1].random[2].share", "0 is out of range", "write a percentage"),
        ),
        (
            wrong(
                shares(GOES, {"share": 50, "then": "c"}) | {"random": [GOES, GOES | {"then": "c"}]}
            ),
            ("$.nodes[1].random[1].then", "there is no node 'c'", "known here: a, b, out"),
        ),
        (
            wrong(take_part("0d", then="a", **{"else": "b"})),
            ("$.nodes[1].participation", "0d is out of range", "use 1ms to 400d"),
        ),
        (
            wrong(take_part(then="a", **{"else": "c"})),
            ("$.nodes[1].else", "there is no node 'c'", "known here: a, b, out"),
        ),
    ],
)
def test_a_mistake_says_where_it_is_and_what_to_do(
    found: Found, mistake: tuple[str, str, str]
) -> None:
    assert mistake[:2] in [(path, problem) for path, problem, _ in found]
    (fix,) = [fix for path, problem, fix in found if (path, problem) == mistake[:2]]
    assert fix.startswith(mistake[2])


def test_an_empty_split_splits_nothing() -> None:
    for node, path, problem in (
        ({"id": "s", "split": []}, "split", "no branches"),
        (switch({}), "cases", "no cases"),
        (shares({"share": 100, "then": "a"}), "random", "1 shares"),
    ):
        assert (f"$.nodes[1].{path}", f"{problem}: this splits nothing") in [
            (path, problem) for path, problem, _ in wrong(node)
        ]


def test_a_share_that_is_no_number_is_refused() -> None:
    found = [path for path, _, _ in wrong(shares(GOES, {"share": float("nan"), "then": "b"}))]
    assert found == ["$.nodes[1].random", "$.nodes[1].random[1].share"]


@pytest.mark.parametrize(
    ("node", "path"),
    [
        (split((1, "a"), (2, "wait"), **{"else": "b"}), "split[1].then"),
        (switch({"x": "a", "y": "wait"}, **{"else": "b"}), "cases.y"),
        (shares(GOES, {"share": 50, "then": "wait"}), "random[1].then"),
        (take_part(then="b", **{"else": "wait"}), "else"),
        (wait_for({"event": "x", "then": "a"}, {"event": "y", "then": "b"}), ""),
    ],
)
def test_a_cycle_through_a_branch_is_refused_there(node: dict[str, Any], path: str) -> None:
    first = mail("wait")
    found = mistakes_in(journey(nodes=[first, *ways(node, "a", "b")]))
    round_ = [each for each, problem, _ in found if problem.startswith("this goes round")]
    assert round_ == ([f"$.nodes[1].{path}"] if path else [])
