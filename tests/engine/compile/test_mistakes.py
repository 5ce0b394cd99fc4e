"""Every mistake an author can make is found at once, with file, path and what to do."""

from typing import Any

import msgspec
import pytest

from engine.compile.publication import compile_publication, programs_of
from engine.compile.ways import ROUND_FIX
from engine.errors import AuthorError
from engine.language.author import BOOL_FIX
from engine.language.journey import Publication
from engine.language.node import NODE_KINDS
from engine.limits import CONDITION_DEPTH_MAX, JOURNEYS_MAX, NODES_MAX
from tests.engine.situation import decide, mail, wait
from tests.publications import journey

Found = list[tuple[str, str, str]]
NODE_CHOICES = f"give exactly one of {', '.join(f'`{key}`' for key in NODE_KINDS)}"


def mistakes_in(*journeys: Any, **settings: Any) -> Found:
    """Return path, problem and fix of each mistake in these journeys, files a.yaml, b.yaml ..."""
    files = {f"{chr(ord('a') + i)}.yaml": each for i, each in enumerate(journeys)}
    templates = {"hello.en": "Hello"}
    publication = Publication(journeys=files, settings=settings, templates=templates)
    programs, mistakes = compile_publication(publication)
    assert (programs is None) == bool(mistakes)
    assert mistakes == sorted(mistakes)
    return [(each.path, each.problem, each.fix) for each in mistakes]


def mistakes_if(condition: Any) -> Found:
    return mistakes_in(journey(entry={"event": "hi", "when": condition}))


def test_a_journey_without_mistakes_has_none() -> None:
    assert mistakes_in(journey()) == []


def test_eight_mistakes_of_one_file_come_at_once() -> None:
    condition = {"any": [{"field": "price"}, {"happened": "hi", "within": "401d"}]}
    wrong = journey(
        "Hello World",
        entry={"event": "hi", "when": condition},
        reentry="sometimes",
        caps=[{"messages": 0, "per": "24h"}],
        nodes=[wait("soon", then="mial"), mail(template="hallo")],
    )
    assert [path for path, _, _ in mistakes_in(wrong)] == [
        "$.caps[0].messages",
        "$.entry.when.any[0]",
        "$.entry.when.any[1].within",
        "$.journey",
        "$.nodes[0].then",
        "$.nodes[0].wait",
        "$.nodes[1]",  # No way leads to it: the only edge is the one mistyped.
        "$.nodes[1].template",
        "$.reentry",
    ]


def test_wrong_shapes_of_one_file_come_at_once() -> None:
    wrong = {
        "journey": 7,
        "titel": "x",
        "entry": {"event": "hi", "wen": {}},
        "nodes": [{"id": "a"}, {"id": "b", "wait": 5, "send": "email"}, {"id": "c", "wait": 5}],
        "priority": "high",
        "exit_on": [3],
        "caps": {"messages": 1},
    }
    assert mistakes_in(wrong) == [
        (
            "$.caps",
            "Expected `array`, got `object` ({'messages': 1})",
            "write a list of such values",
        ),
        ("$.entry.wen", "unknown field 'wen'", "did you mean `when`?"),
        ("$.exit_on[0]", "Expected `str | object`, got `int` (3)", "write a text"),
        ("$.journey", "Expected `str`, got `int` (7)", "write a text"),
        (
            "$.nodes[0]",
            "cannot tell what this is: none in ['id']",
            NODE_CHOICES,
        ),
        (
            "$.nodes[1]",
            "cannot tell what this is: wait and send together",
            NODE_CHOICES,
        ),
        ("$.nodes[2].wait", "Expected `str | object`, got `int` (5)", "write a text"),
        ("$.priority", "Expected `int`, got `str` ('high')", "write a whole number"),
        ("$.titel", "unknown field 'titel'", "did you mean `title`?"),
    ]


def test_mistakes_of_several_files_and_of_the_settings_come_at_once() -> None:
    publication = Publication(
        journeys={"b.yaml": journey(reentry="x"), "a.yaml": [], "c.yaml": {"journey": "c"}},
        settings={"session_gap": "2d", "langage": "de"},
        settings_file="anlass.yaml",
    )
    _, mistakes = compile_publication(publication)
    assert [(each.file, each.path) for each in mistakes] == [
        ("a.yaml", "$"),
        ("anlass.yaml", "$.langage"),
        ("anlass.yaml", "$.session_gap"),
        ("b.yaml", "$.nodes[0].template"),
        ("b.yaml", "$.reentry"),
        ("c.yaml", "$"),
        ("c.yaml", "$"),
    ]
    assert str(mistakes[1]) == (
        "anlass.yaml: unknown field 'langage' - at `$.langage`; did you mean `language`?"
    )
    assert [each.problem for each in mistakes[5:]] == [
        "the field 'entry' is missing",
        "the field 'nodes' is missing",
    ]


def test_programs_of_raises_what_an_author_can_read() -> None:
    source = msgspec.json.encode(Publication(journeys={"a.yaml": journey(reentry="x")}))
    with pytest.raises(AuthorError) as raised:
        programs_of(source)
    assert len(raised.value.mistakes) == 2
    assert str(raised.value).splitlines() == [
        "a.yaml: there is no template 'hello' - at `$.nodes[0].template`; there is none yet",
        "a.yaml: cannot read 'x' - at `$.reentry`; write always, once or "
        "a whole number and a unit: 45s, 30m, 2h, 7d or 2w",
    ]


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        (
            {"exit_onn": []},
            ("$.exit_onn", "unknown field 'exit_onn'", "did you mean `exit_on`?"),
        ),
        ({True: "purchase"}, ("$.True", "unknown field True", BOOL_FIX)),
        (
            {"entry": {"event": "hi", "late_after": False}},
            (
                "$.entry.late_after",
                "Expected `str`, got `bool` (False)",
                BOOL_FIX,
            ),
        ),
        (
            {"nodes": [mail(template="helo")]},
            ("$.nodes[0].template", "there is no template 'helo'", "did you mean `hello`?"),
        ),
        (
            {"nodes": [mail(template="zzz")]},
            ("$.nodes[0].template", "there is no template 'zzz'", "known here: hello"),
        ),
        (
            {"nodes": [mail(then="mial")]},
            ("$.nodes[0].then", "there is no node 'mial'", "did you mean `mail`?"),
        ),
        (
            {"nodes": [decide({"field": "a", "equals": 1}, **{"else": "mial"}), mail()]},
            ("$.nodes[0].else", "there is no node 'mial'", "did you mean `mail`?"),
        ),
        (
            {"nodes": [mail(), mail()]},
            ("$.nodes[1].id", "'mail' is there twice", "give each node its own id"),
        ),
        (
            {"nodes": [mail("a", then="c"), mail("b"), mail("c")]},
            ("$.nodes[1]", "no way leads to 'b'", "name it in a `then` or `else`"),
        ),
        (
            {"nodes": [{"id": "out", "exit": "bye"}, mail()]},
            ("$.nodes[1]", "no way leads to 'mail'", "name it in a `then` or `else`"),
        ),
        (
            {"nodes": [wait("1h"), {"id": "out", "exit": "bye", "then": "wait"}]},
            ("$.nodes[1].then", "an exit goes nowhere", "remove `then`"),
        ),
        (
            {"nodes": [mail(then="mail")]},
            (
                "$.nodes[0].then",
                "this goes round without a wait: mail -> mail",
                ROUND_FIX,
            ),
        ),
        (
            {"nodes": [mail("A b")]},
            (
                "$.nodes[0].id",
                "'A b' cannot be an id",
                "use a-z, 0-9, - and _, 64 characters at most, a letter or digit first",
            ),
        ),
        (
            {"nodes": []},
            ("$.nodes", "a journey without nodes does nothing", "add at least a `send`"),
        ),
        (
            {"nodes": [wait("0s")]},
            ("$.nodes[0].wait", "0s is out of range", "use 1ms to 400d"),
        ),
        (
            {"nodes": [wait("401d")]},
            ("$.nodes[0].wait", "401d is out of range", "use 1ms to 400d"),
        ),
        (
            {"nodes": [wait("1.5h")]},
            (
                "$.nodes[0].wait",
                "cannot read '1.5h' as a span",
                "write a whole number and a unit: 45s, 30m, 2h, 7d or 2w",
            ),
        ),
        (
            {"nodes": [mail(purpose="spam")]},
            (
                "$.nodes[0].purpose",
                "there is no purpose 'spam'",
                "known here: marketing, transactional",
            ),
        ),
        (
            {"caps": [{"messages": 101, "per": "24h"}]},
            ("$.caps[0].messages", "101 is out of range", "write 1 to 100"),
        ),
        (
            {"caps": [{"messages": 1, "per": "367d"}]},
            ("$.caps[0].per", "367d is out of range", "use 1ms to 366d"),
        ),
        (
            {"caps": [{"messages": 1}]},
            ("$.caps[0]", "the field 'per' is missing", "add `per:`"),
        ),
        (
            {"reentry": "0d"},
            (
                "$.reentry",
                "cannot read '0d'",
                "write always, once or a whole number and a unit: 45s, 30m, 2h, 7d or 2w",
            ),
        ),
        (
            {"exit_on": [{"event": "bye", "when": {"all": []}}]},
            (
                "$.exit_on[0].when.all",
                "an empty list decides nothing",
                "list at least one condition",
            ),
        ),
    ],
)
def test_a_mistake_says_where_it_is_and_what_to_do(
    fields: dict[Any, Any], mistake: tuple[str, str, str]
) -> None:
    assert mistakes_in(journey() | fields) == [mistake]


COMPARISONS = (
    "equals, not_equals, at_least, more_than, at_most, less_than, between, one_of, none_of, "
    "contains, contains_any, contains_all, starts_with, ends_with, exists, "
    "before, after, within_last, within_next"
)


@pytest.mark.parametrize(
    ("condition", "mistake"),
    [
        ({"all": []}, ("$.entry.when.all", "an empty list decides nothing")),
        ({"any": []}, ("$.entry.when.any", "an empty list decides nothing")),
        ({"not": {"any": []}}, ("$.entry.when.not.any", "an empty list decides nothing")),
        ({"field": "price"}, ("$.entry.when", "no comparison for 'price'")),
        (
            {"field": "price", "at_least": 1, "at_most": 2},
            ("$.entry.when", "at_least and at_most for 'price'"),
        ),
        (
            {"attribute": "a", "equals": 1, "exists": True},
            ("$.entry.when", "equals and exists for 'a'"),
        ),
        ({"field": "a..b", "equals": 1}, ("$.entry.when", "'a..b' is no path")),
        ({"field": "a", "one_of": []}, ("$.entry.when.one_of", "an empty list never holds")),
        (
            {"field": "a", "at_least": True},
            ("$.entry.when.at_least", "Expected `int | float | str | null`, got `bool` (True)"),
        ),
        ({"happened": "hi", "within": "401d"}, ("$.entry.when.within", "401d is out of range")),
        ({"happened": "hi", "at_least": -1}, ("$.entry.when", "a count of -1 is out of range")),
        ({"happened": "hi", "at_most": 201}, ("$.entry.when", "a count of 201 is out of range")),
        (
            {"happened": "hi", "at_least": 3, "at_most": 2},
            ("$.entry.when", "at least 3 and at most 2 cannot both be"),
        ),
        (
            {"consent": "email", "is": "opt_out"},
            ("$.entry.when.is", "Invalid enum value 'opt_out' ('opt_out')"),
        ),
        ({"consent": "email"}, ("$.entry.when", "the field 'is' is missing")),
        ({}, ("$.entry.when", "cannot tell what this is: none in []")),
        (
            {"field": "a", "all": [], "equals": 1},
            ("$.entry.when", "cannot tell what this is: all and field together"),
        ),
        ({"field": "a", "equal": 1}, ("$.entry.when.equal", "unknown field 'equal'")),
        ([1], ("$.entry.when", "Expected `object | null`, got `array` ([1])")),
        ({"all": {"field": "a"}}, ("$.entry.when.all", "Expected `array`, got `object`")),
    ],
)
def test_a_condition_that_means_nothing_is_refused(
    condition: Any, mistake: tuple[str, str]
) -> None:
    (found,) = mistakes_if(condition)
    assert found[0] == mistake[0]
    assert found[1].startswith(mistake[1])
    assert found[2]


def test_two_operators_are_answered_with_all_there_are() -> None:
    ((_, _, fix),) = mistakes_if({"field": "price", "at_least": 1, "less_than": 2})
    assert fix == f"give exactly one of {COMPARISONS}"


def test_conditions_nest_twenty_deep_and_not_more() -> None:
    condition: dict[str, Any] = {"field": "a", "equals": 1}
    for _ in range(CONDITION_DEPTH_MAX):
        condition = {"not": condition}
    assert mistakes_if(condition) == []
    ((_, problem, fix),) = mistakes_if({"not": condition})
    assert (problem, fix) == ("conditions are nested too deep", "20 levels at most")


def test_conditions_nested_out_of_all_reason_are_a_mistake_too() -> None:
    condition: dict[str, Any] = {"field": "a", "equals": 1}
    for _ in range(600):
        condition = {"not": condition}
    ((_, problem, _),) = mistakes_if(condition)
    assert problem == "conditions are nested too deep"


def test_two_journeys_cannot_have_one_id() -> None:
    assert mistakes_in(journey("x"), journey("x")) == [
        ("$.journey", "'x' is the journey of a.yaml already", "give it another id")
    ]


def test_there_are_bounds_for_nodes_and_journeys() -> None:
    nodes = [mail(f"n-{i}") for i in range(NODES_MAX + 1)]
    assert mistakes_in(journey(nodes=nodes[:-1])) == []
    assert mistakes_in(journey(nodes=nodes)) == [("$.nodes", "201 nodes", "200 at most")]
    journeys = {f"{i}": journey(f"j-{i}") for i in range(JOURNEYS_MAX + 1)}
    many = Publication(journeys=journeys, templates={"hello.en": ""})
    assert [each.problem for each in compile_publication(many)[1]] == [
        f"{JOURNEYS_MAX + 1} journeys"
    ]


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"session_gap": "25h"}, ("$.session_gap", "25h is out of range", "use 1ms to 1d")),
        (
            {"consent": {"email": "maybe"}},
            (
                "$.consent.email",
                "Invalid enum value 'maybe' ('maybe')",
                "write one of opt_in, double_opt_in",
            ),
        ),
        (
            {"no_session": "hi"},
            ("$.no_session", "Expected `array`, got `str` ('hi')", "write a list of such values"),
        ),
        (
            {"caps": [{"messages": 0, "per": "1d", "purpos": "marketing"}]},
            ("$.caps[0].purpos", "unknown field 'purpos'", "did you mean `purpose`?"),
        ),
        (
            {"caps": [{"messages": 0, "per": "1d"}]},
            ("$.caps[0].messages", "0 is out of range", "write 1 to 100"),
        ),
    ],
)
def test_settings_are_checked_as_journeys_are(
    settings: dict[str, Any], mistake: tuple[str, str, str]
) -> None:
    assert mistakes_in(journey(), **settings) == [mistake]


def test_the_same_source_is_compiled_once() -> None:
    publication = Publication(journeys={"a.yaml": journey()}, templates={"hello.en": ""})
    source = msgspec.json.encode(publication)
    assert programs_of(source) is programs_of(bytes(bytearray(source)))
