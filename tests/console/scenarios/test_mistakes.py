"""Mistakes in files of scenarios: each with its file, its path and what to do about it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.folder import read_folder
from console.scenarios.reader import ScenarioReader
from console.scenarios.rehearsal import Rehearsal
from console.scenarios.scenario import EXPECTATION_KINDS, SCENE_KINDS
from engine.errors import Mistake
from tests.console.scenarios.played import EXAMPLES, mistakes_in, scenarios

ENDS = "\n- expect: nothing"


@pytest.mark.parametrize(
    ("entry", "below", "problem", "fix"),
    [
        ("evnt: x", "", "cannot tell what this is: evnt", "did you mean `event`?"),
        ("{}", "", "cannot tell what this is: empty", "write one of `identify`, `consent`, `ev"),
        ("{contact: a}", "", "cannot tell what this is: contact", "write one of `identify`"),
        ("{event: x, consent: {}}", "", "consent and event together", "keep one here"),
        ("7", "", "expected fields, got 7", "write it as `key: value` lines"),
        ("{event: x, evry: 5m}", ".evry", "unknown field 'evry'", "did you mean `every`?"),
        ("{event: x, times: 0}", ".times", "0 is out of range", "write 1 to 1000"),
        (
            "{event: x, every: soon}",
            ".every",
            "cannot read 'soon' as a span",
            "write whole numbers",
        ),
        ("{event: x, every: 5}", ".every", "Expected `str`, got `int` (5)", "write a text"),
        ("event: ''", ".event", "the event has no name", "write `event: product_view`"),
        (
            "event: session_end",
            ".event",
            "session_end is derived by the engine",
            "send what the gateway",
        ),
        (
            "{event: cart_update, payload: {items: [5]}}",
            ".payload.items[0]",
            "an item must be an object",
            "send what the gateway would take",
        ),
        ("identify: {attribute: {}}", ".identify.attribute", "unknown field", "did you mean `attr"),
        ("consent: {email: maybe}", ".consent.email", "Invalid enum value", "write one of opt_out"),
        ("consent: {}", ".consent", "consent must say a level", "send what the gateway would take"),
        ("after: soon", ".after", "cannot read 'soon' as a span", "write whole numbers and units"),
        ("{after: 1h, until: 2026-03-02T11:00}", "", "`after` and `until` together", "keep one"),
        ("until: 2026-03-02T09:59", ".until", "2026-03-02T09:59 is over by then", "write a later"),
        ("until: noon", ".until", "there is no moment 'noon' in Europe/Berlin", "write a moment"),
        ("after: 999999999w", "", "this is more than ten years after the start", "be quicker"),
        (
            "receipt: {message: mial, kind: failed}",
            ".receipt.message",
            "there is no node",
            "did yo",
        ),
        (
            "receipt: {message: mail, kind: failed, journey: favorites}",
            ".receipt.journey",
            "there is no journey 'favorites'",
            "did you mean `favourites`?",
        ),
        (
            "receipt: {message: mail, kind: lost}",
            ".receipt.kind",
            "Invalid enum value",
            "write one",
        ),
        ("receipt: {kind: failed}", ".receipt", "the field 'message' is missing", "add `message:`"),
        ("expect: nothin", ".expect", "cannot expect 'nothin'", "write `nothing`, or one of `mess"),
        ("expect: {mesage: {}}", ".expect", "cannot tell what this is", "did you mean `message`?"),
        (
            "expect: {message: {template: favorites}}",
            ".expect.message.template",
            "no journey sends with the template 'favorites'",
            "did you mean `favourites`?",
        ),
        (
            "expect: {message: {channel: sms}}",
            ".expect.message.channel",
            "no journey sends with the channel 'sms'",
            "known here: email",
        ),
        (
            "expect: {message: {journey: favourites, template: checkout-help}}",
            ".expect.message",
            "no node of any journey sends such a message",
            "see which node sends what",
        ),
        (
            "expect: {message: {at: 2026-03-02T10:00, after_start: 0m}}",
            ".expect.message",
            "`at` and `after_start` together",
            "keep one of them",
        ),
        ("expect: {message: {at: '12'}}", ".expect.message.at", "there is no moment '12'", "write"),
        (
            "expect: {none: {journey: favourites, after_start: x}}",
            ".expect.none.after_start",
            "cannot read 'x' as a span",
            "write whole numbers and units",
        ),
        (
            "expect: {none: {journey: favorites}}",
            ".expect.none.journey",
            "there is no journey 'favorites'",
            "did you mean `favourites`?",
        ),
        (
            "expect: {waiting: {journey: favourites, node: patients}}",
            ".expect.waiting.node",
            "the journey 'favourites' has no node 'patients'",
            "did you mean `patience`?",
        ),
        ("{event: x, late: soon}", ".late", "cannot read 'soon' as a span", "write whole numbers"),
        (
            "identify: {lists: {news: maybe}}",
            ".identify.lists.news",
            "Expected `bool`, got `str`",
            "write true or false",
        ),
        (
            "consent: {email: {marketing: maybe}}",
            ".consent.email.marketing",
            "Invalid enum value 'maybe'",
            "write one of opt_out",
        ),
        (
            "expect: {segments: {vip: true}}",
            ".expect.segments.vip",
            "there is no segment 'vip'",
            "there is none yet",
        ),
        (
            "expect: {converted: {journey: favorites}}",
            ".expect.converted.journey",
            "there is no journey 'favorites'",
            "did you mean `favourites`?",
        ),
        (
            "expect: {waiting: {journey: favourites, until: noon}}",
            ".expect.waiting.until",
            "there is no moment 'noon'",
            "write a moment",
        ),
    ],
)
def test_each_mistake_of_an_entry_is_named(
    entry: str, below: str, problem: str, fix: str, tmp_path: Path
) -> None:
    (mistake,) = mistakes_in(scenarios(tmp_path / "journeys", f"- {entry}{ENDS}"))
    assert (mistake.file, mistake.path) == ("tests/it.yaml", f"$.tests[0].given[0]{below}")
    assert mistake.problem.startswith(problem)
    assert mistake.fix.startswith(fix)


@pytest.mark.parametrize(
    ("head", "below", "problem"),
    [
        ("start: 2026-03-29T02:30", ".start", "there is no moment '2026-03-29T02:30' in Europe/Be"),
        ("zone: Europe/Berln", ".zone", "there is no time zone 'Europe/Berln'"),
        ("starts: now", ".starts", "unknown field 'starts'"),
    ],
)
def test_each_mistake_of_a_tests_head_is_named(
    head: str, below: str, problem: str, tmp_path: Path
) -> None:
    (mistake,) = mistakes_in(scenarios(tmp_path / "journeys", "- expect: nothing", head))
    assert mistake.path == f"$.tests[0]{below}"
    assert mistake.problem.startswith(problem)


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("- test: a", "$", "there are no tests"),
        ("tests: []", "$", "there are no tests"),
        ("tests: [", "line 2", "expected the node content"),
        ("zone: UTC\ntests: [{test: a, given: [expect: nothing]}]", "$.zone", "unknown field 'zo"),
        ("tests: [{test: a, given: [event: x]}]", "$.tests[0].given", "nothing is expected here"),
        (
            "tests: [{test: a, given: [expect: nothing]}, {test: a, given: [expect: nothing]}]",
            "$.tests[1].test",
            "'a' is the name of $.tests[0] already",
        ),
    ],
)
def test_each_mistake_of_a_file_is_named(
    text: str, path: str, problem: str, tmp_path: Path
) -> None:
    folder = scenarios(tmp_path / "journeys", "- expect: nothing")
    (folder / "tests" / "it.yaml").write_text(text + "\n")
    (mistake,) = mistakes_in(folder)
    assert (mistake.file, mistake.path) == ("tests/it.yaml", path)
    assert mistake.problem.startswith(problem)


def test_all_mistakes_of_all_files_come_at_once(tmp_path: Path) -> None:
    folder = scenarios(tmp_path / "journeys", "- evnt: x\n- {event: x, times: 5, evry: 1m}")
    other = folder / "tests" / "other.json"
    other.write_text('{"tests": [{"test": "a", "given": [{"expect": "nothing"}], "zone": "x"}]}')
    assert [(each.file, each.path) for each in mistakes_in(folder)] == [
        ("tests/it.yaml", "$.tests[0].given[0]"),
        ("tests/it.yaml", "$.tests[0].given[1].evry"),
        ("tests/other.json", "$.tests[0].zone"),
    ]
    assert all(isinstance(each, Mistake) and each.fix for each in mistakes_in(folder))


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.sampled_from(
        ["", "x", "1h", "2026-03-02T12:00", "nothing", "nowhere", "favourites", "\ud800"]
    ),
    st.just([]),
    st.just({}),
    st.sampled_from([*SCENE_KINDS, *EXPECTATION_KINDS]).map(lambda key: {key: {"a": [1]}}),
    st.dictionaries(st.one_of(st.integers(), st.booleans(), st.text(max_size=2)), st.none()),
)
REHEARSALS = [Rehearsal(read_folder(EXAMPLES.parent / name)) for name in ("journeys", "scenarios")]
DOCUMENTS = [
    (rehearsal, {"tests": [test]})
    for rehearsal, name in zip(REHEARSALS, ("journeys", "scenarios"), strict=True)
    for file in sorted((EXAMPLES.parent / name / "tests").iterdir())
    for test in yaml.safe_load(file.read_text())["tests"]
]


def with_junk(data: Any, draw: Any) -> Any:
    """Return a copy of a document in which one place, found by chance, holds something else."""
    if isinstance(data, list) and data and draw(st.integers(0, 9)):
        i = draw(st.integers(0, len(data) - 1))
        return [*data[:i], with_junk(data[i], draw), *data[i + 1 :]]
    if isinstance(data, dict) and data and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(list(data)))
        return data | {key: with_junk(data[key], draw)}
    return draw(JUNK)


def test_half_a_surrogate_pair_is_a_mistake(tmp_path: Path) -> None:
    folder = scenarios(tmp_path / "journeys", '- {contact: "\\ud800", event: x}\n- expect: nothing')
    (mistake,) = mistakes_in(folder)
    assert (mistake.path, mistake.fix) == ("$.tests[0]", "write plain texts and numbers")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_a_file_is_a_mistake_or_can_be_played(data: st.DataObject) -> None:
    rehearsal, document = data.draw(st.sampled_from(DOCUMENTS))
    document = with_junk(document, data.draw)
    reader = ScenarioReader("it.yaml", rehearsal.cast)
    scripts = reader.read_file(document)
    if not reader.mistakes:
        for script in scripts:
            rehearsal.play(script)
