"""A sweep: values at a place of a file, each a draft of its own."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.errors import OperatorError
from actors.folder import Folder, read_folder
from console.replay.against.sweep import VARIANTS_MAX, variants_of
from engine.errors import AuthorError
from engine.language.journey import Publication

EXAMPLES = Path(__file__).parents[4] / "examples" / "journeys"


@pytest.fixture(scope="module")
def draft() -> Folder:
    return read_folder(EXAMPLES)


def publication_of(source: bytes) -> Publication:
    return msgspec.json.decode(source, type=Publication)


def test_without_a_place_it_is_the_draft_alone(draft: Folder) -> None:
    assert [(each.name, each.source) for each in variants_of(draft, [])] == [
        ("draft", draft.source)
    ]


def test_each_value_makes_a_draft_that_differs_in_that_place_alone(draft: Folder) -> None:
    found = variants_of(draft, ["anlass.yaml:caps[0].messages=1,2,3"])
    assert [each.name for each in found] == [f"caps[0].messages={count}" for count in (1, 2, 3)]
    assert [publication_of(each.source).settings["caps"][0]["messages"] for each in found] == [
        1,
        2,
        3,
    ]
    assert found[1].source == draft.source


def test_several_places_make_each_value_with_each(draft: Folder) -> None:
    vary = ["favourites.yaml:nodes[patience].wait=1h,3h", "anlass.yaml:session_gap=10m,20m"]
    found = variants_of(draft, vary)
    assert [each.name for each in found] == [
        "nodes[patience].wait=1h, session_gap=10m",
        "nodes[patience].wait=1h, session_gap=20m",
        "nodes[patience].wait=3h, session_gap=10m",
        "nodes[patience].wait=3h, session_gap=20m",
    ]
    last = publication_of(found[-1].source)
    assert last.journeys["favourites.yaml"]["nodes"][1] == {"id": "patience", "wait": "3h"}
    assert last.settings["session_gap"] == "20m"


@pytest.mark.parametrize(
    ("vary", "path", "value"),
    [
        ("journeys/favourites.yaml:nodes[1].wait=3h", ["nodes", 1, "wait"], "3h"),
        ("favourites.yaml:$.priority=7", ["priority"], 7),
        ("favourites.yaml:reentry=once", ["reentry"], "once"),
        ("favourites.yaml:exit_on=[purchase, refund]", ["exit_on"], ["purchase", "refund"]),
        (
            "favourites.yaml:caps[0]={messages: 3, per: 1d}",
            ["caps", 0],
            {"messages": 3, "per": "1d"},
        ),
        ("favourites.yaml:hold_out=12.5", ["hold_out"], 12.5),
        ("favourites.yaml:title='A, B'", ["title"], "A, B"),
        ("favourites.yaml:title=2026-01-02", ["title"], "2026-01-02"),
    ],
)
def test_a_place_is_named_as_mistakes_name_it(
    draft: Folder, vary: str, path: list[Any], value: Any
) -> None:
    (variant,) = variants_of(draft, [vary])
    place = publication_of(variant.source).journeys["favourites.yaml"]
    for part in path:
        place = place[part]
    assert place == value


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        ("favourites.yaml", "says no file, path and values; write FILE:PATH=VALUE"),
        ("caps[0].messages=1", "says no file, path and values"),
        ("favourites.yaml:priority=", "says no file, path and values"),
        ("favourites.yaml:priority=[1", "are no values"),
        ("favourites.yaml:priority=1,2,1", "a value stands there twice"),
    ],
)
def test_what_is_no_place_with_values_is_refused(draft: Folder, vary: str, said: str) -> None:
    with pytest.raises(OperatorError) as refused:
        variants_of(draft, [vary])
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        (
            "favorites.yaml:priority=1",
            "the draft has no such file - at `$`; did you mean `favourites.yaml`?",
        ),
        ("favourites.yaml:cap[0].messages=1", "there is no 'cap' - at `$`; did you mean `caps`?"),
        (
            "favourites.yaml:nodes[patienc].wait=1h",
            "there is no 'patienc' - at `$.nodes`; did you mean `patience`?",
        ),
        (
            "favourites.yaml:nodes[9].wait=1h",
            "there is no '9' - at `$.nodes`; known here: consent, mail, patience",
        ),
        ("favourites.yaml:priority.high=1", "1 has no part 'high' - at `$.priority`"),
        ("favourites.yaml:nodes[patience=1h", "this is no path"),
        ("favourites.yaml:nodes[patience].wait=soon", "with nodes[patience].wait=soon: "),
        (
            "favourites.yaml:prioritty=1",
            "unknown field 'prioritty' - at `$.prioritty`; did you mean `priority`?",
        ),
    ],
)
def test_a_mistake_names_file_and_path(draft: Folder, vary: str, said: str) -> None:
    with pytest.raises(AuthorError) as refused:
        variants_of(draft, [vary])
    assert str(refused.value).startswith(vary.partition(":")[0])
    assert said in str(refused.value)


def test_there_are_not_too_many(draft: Folder) -> None:
    values = ",".join(map(str, range(VARIANTS_MAX + 1)))
    with pytest.raises(OperatorError, match=f"asks for {VARIANTS_MAX + 1} variants"):
        variants_of(draft, [f"favourites.yaml:priority={values}"])
