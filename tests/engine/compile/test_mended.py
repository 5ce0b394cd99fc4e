"""Of a journey with mistakes all the rest is checked as well, and no mistake is made up."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from actors.folder import read_folder
from engine.compile.publication import compile_publication
from engine.language.journey import Publication
from tests.engine.situation import mail, wait
from tests.publications import journey

EXAMPLES = Path(__file__).parents[3] / "examples"
FOLDERS = [EXAMPLES / "journeys", EXAMPLES / "scenarios"]
FREE = {"payload", "set", "headers", "body", "cases"}
"""Fields whose names are the author's own."""


def mistakes_in(*journeys: Any) -> list[tuple[str, str]]:
    files = {f"{i}.yaml": each for i, each in enumerate(journeys)}
    publication = Publication(journeys=files, templates={"hello.en": "Hello"})
    return [(each.path, each.problem) for each in compile_publication(publication)[1]]


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        (wait("1h", "b", tpyo=1), ("$.nodes[1].tpyo", "unknown field 'tpyo'")),
        ({"id": "b", "wait": 5}, ("$.nodes[1].wait", "Expected `str | object`, got `int` (5)")),
        ({"id": "b"}, ("$.nodes[1]", "cannot tell what this is: none in ['id']")),
        (7, ("$.nodes[1]", "expected fields, got 7")),
        (mail("b", then=7), ("$.nodes[1].then", "Expected `str | null`, got `int` (7)")),
    ],
)
def test_a_span_that_cannot_be_read_is_told_beside_what_cannot_be_read_at_all(
    beside: Any, said: tuple[str, str]
) -> None:
    wrong = journey(nodes=[wait("2 hurs", "a"), beside, mail()])
    assert mistakes_in(wrong) == [
        ("$.nodes[0].wait", "cannot read '2 hurs' as a span"),
        said,
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [("titel", 7), ("goal", 7), ("caps", [{"messages": "x"}]), ("entry", {"evnt": "hi"})],
)
def test_what_else_a_journey_says_is_checked_all_the_same(field: str, value: Any) -> None:
    wrong = journey(nodes=[wait("2 hurs"), mail(template="hallo")], **{field: value})
    found = {path for path, _ in mistakes_in(wrong)}
    assert {"$.nodes[0].wait", "$.nodes[1].template"} < found
    assert all(each.startswith((f"$.{field}", "$.nodes")) for each in found)


def test_who_starts_a_journey_with_a_mistake_is_told_of_none() -> None:
    starts = journey("a", nodes=[{"id": "go", "start": "b"}])
    started = journey("b", nodes=[mail(tpyo=1)])
    assert mistakes_in(starts, started) == [("$.nodes[0].tpyo", "unknown field 'tpyo'")]


def spoiled(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield a document with one thing wrong that cannot be read: everywhere, in several ways."""
    for path, part in parts_of(document, ()):
        if isinstance(part, dict) and not FREE & set(path):
            yield "more", changed(document, path, part | {"no_such_field": 1})
    for i, node in enumerate(document["nodes"]):
        for wrong in ({"id": node["id"]}, {"id": node["id"], "wait": 5}):
            yield f"$.nodes[{i}]", changed(document, ("nodes", i), wrong)


def parts_of(part: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield path, part
    if not isinstance(part, dict | list):
        return
    for key, each in part.items() if isinstance(part, dict) else enumerate(part):
        yield from parts_of(each, (*path, key))


def changed(document: Any, path: tuple[Any, ...], part: Any) -> Any:
    if not path:
        return part
    whole = deepcopy(document)
    at = whole
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = part
    return whole


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda each: each.name)
def test_one_mistake_anywhere_in_the_examples_is_told_alone(folder: Path) -> None:
    said = read_folder(folder).publication
    tried = 0
    for file, document in said.journeys.items():
        for where, wrong in spoiled(document):
            changed_files = said.journeys | {file: wrong}
            publication = Publication(
                journeys=changed_files,
                settings=said.settings,
                settings_file=said.settings_file,
                templates=said.templates,
                segments=said.segments,
            )
            found = compile_publication(publication)[1]
            assert len(found) == 1, found
            assert found[0].file == file
            assert where == "more" or found[0].path.startswith(where), found
            tried += 1
    assert tried > 30
