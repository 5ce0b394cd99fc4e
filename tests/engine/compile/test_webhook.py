"""What authors write for a webhook: its server, headers and values, and mistakes in them."""

from typing import Any

import pytest

from engine.compile.publication import compile_publication
from engine.language.journey import Publication
from tests.publications import journey

URL = "https://shop.example/hook"


def mistakes_of(**fields: Any) -> list[tuple[str, str]]:
    """Return path and problem of each mistake in a journey with this webhook."""
    node = {"id": "ask", "webhook": URL} | fields
    publication = Publication(journeys={"a.yaml": journey(nodes=[node])})
    _, mistakes = compile_publication(publication)
    return [(each.path.removeprefix("$.nodes[0]."), each.problem) for each in mistakes]


@pytest.mark.parametrize(
    "value",
    [
        1,
        "text",
        None,
        [1, {"a": True}],
        {"from": "trigger.a.b"},
        {"from": "contact.id", "default": ""},
        {"from": "answers.ask.body.tier"},
        {"deep": {"from": "visit.key"}},
    ],
)
def test_values_that_can_be(value: Any) -> None:
    assert mistakes_of(body={"a": value}) == []


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        ({"from": "trigger"}, ".from", "'trigger' names nothing"),
        ({"from": "trigger..a"}, ".from", "'trigger..a' names nothing"),
        ({"from": 5}, ".from", "5 names nothing"),
        ({"from": "contacts.tier"}, ".from", "'contacts.tier' names nothing"),
        ({"from": "trigger.a", "otherwise": 1}, ".otherwise", "unknown field 'otherwise'"),
        ({"from": "visit.tier"}, ".from", "'visit.tier' names nothing"),
        ({"from": "visit.key.a"}, ".from", "'visit.key.a' names nothing"),
        ({"deep": {"from": "x.y"}}, ".deep.from", "'x.y' names nothing"),
    ],
)
def test_values_that_cannot_be(value: Any, path: str, problem: str) -> None:
    assert mistakes_of(body={"a": value}) == [(f"body.a{path}", problem)]


def test_values_nested_too_deep_are_refused() -> None:
    value: Any = {"from": "trigger.a"}
    for _ in range(100):
        value = {"a": value}
    ((_, problem),) = mistakes_of(body={"a": value})
    assert problem == "values are nested too deep"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example/hook",
        "ftp://shop.example/hook",
        "https://",
        "https:///hook",
        "https://user:secret@shop.example/hook",
        "https://shop.example/hook#part",
        "https://shop.example/two words",
        "https://shop.example/line\nbreak",
        "https://shop.example:port/",
        "https://[::1/",
        "https://shop.example/{contact.id}",
        "https://shop.example/ä",
        "https://shop.example/" + "x" * 2_000,
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    ((path, _),) = mistakes_of(webhook=url)
    assert path == "webhook"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"headers": {"Host": "x"}}, "headers.Host"),
        ({"headers": {"Idempotency-Key": "x"}}, "headers.Idempotency-Key"),
        ({"headers": {"X Y": "x"}}, "headers.X Y"),
        ({"headers": {"X": ["x"]}}, "headers.X"),
        ({"headers": {f"X-{i}": "x" for i in range(21)}}, "headers"),
        ({"method": "GET", "body": {"a": {"b": 1}}}, "body.a"),
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": "500d"}, "timeout"),
        ({"else": "nowhere"}, "else"),
    ],
)
def test_a_request_that_cannot_be_is_refused(fields: dict[str, Any], path: str) -> None:
    assert [found for found, _ in mistakes_of(**fields)] == [path]


def test_a_webhook_that_leads_to_itself_goes_round_for_ever() -> None:
    ((_, problem),) = mistakes_of(**{"else": "ask"})
    assert "ask -> ask" in problem
