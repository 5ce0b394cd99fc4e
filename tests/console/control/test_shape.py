"""Requests of another shape: each fault with its path, the value and the fix; all at once."""

from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec import Meta, Raw, Struct

from console.control import shape
from console.control.app import ENDPOINTS
from console.control.endpoint import Nothing
from console.control.faults import RefusedError
from console.control.shape import read_body, read_query
from console.remote.field_words import in_fields, in_options
from tests.console.control.served import Served


class Inner(Struct, forbid_unknown_fields=True):
    number: Annotated[int, Meta(ge=1, le=9)] | None = None


class Body(Struct, kw_only=True, forbid_unknown_fields=True):
    to: int
    days: Annotated[int, Meta(ge=0, le=400)] = 0
    note: Annotated[str, Meta(max_length=5)] = ""
    how: Literal["a", "b"] = "a"
    few: Annotated[list[str], Meta(max_length=2)] = []
    map: dict[str, dict[str, str]] = {}
    inner: Inner | None = None
    raw: list[Raw] = []
    dry: bool = False


def faults_of(text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(RefusedError) as refused:
        read_body(text.encode(), Body)
    assert refused.value.status == 400
    return [(each.path, each.problem, each.fix) for each in refused.value.faults]


@pytest.mark.parametrize(
    ("said", "path", "problem", "fix"),
    [
        ('{"to": "x"}', "$.to", "expected a whole number, got 'x'", "send a whole number"),
        ('{"to": 1, "days": 401}', "$.days", "expected a whole number from 0 to 400, got 401", ""),
        ('{"to": 1, "days": true}', "$.days", "expected a whole number from 0 to 400, got T", ""),
        ('{"to": 1, "note": "abcdef"}', "$.note", "expected a text of 5 signs at most, got 'a", ""),
        ('{"to": 1, "how": "c"}', "$.how", "expected one of `a`, `b`, got 'c'", ""),
        ('{"to": 1, "few": ["a", 2]}', "$.few[1]", "expected a text, got 2", "send a text"),
        ('{"to": 1, "few": ["a", "b", "c"]}', "$.few", "expected a list of 2 at most, got [", ""),
        ('{"to": 1, "few": {}}', "$.few", "expected a list of 2 at most, got {}", ""),
        ('{"to": 1, "map": {"j": {"a": 7}}}', "$.map.j.a", "expected a text, got 7", ""),
        ('{"to": 1, "map": {"j": []}}', "$.map.j", "expected an object, got []", ""),
        ('{"to": 1, "inner": 7}', "$.inner", "expected an object, or null, got 7", ""),
        (
            '{"to": 1, "inner": {"number": 10}}',
            "$.inner.number",
            "expected a whole number from 1 to 9, or null, got 10",
            "",
        ),
        ('{"to": 1, "raw": 7}', "$.raw", "expected a list, got 7", "send a list"),
        ('{"to": 1, "dry": "yes"}', "$.dry", "expected true or false, got 'yes'", ""),
        ('{"to": 1, "note": null}', "$.note", "expected a text of 5 signs at most, got None", ""),
        ('{"to": 1, "dyas": 1}', "$.dyas", "unknown field 'dyas'", "did you mean `days`?"),
        ("{}", "$", "the field 'to' is missing", "add `to:`"),
        ("[1]", "$", "expected an object, got [1]", "send an object"),
        ('{"to": "x", ', "$", "this is no JSON: Input data was truncated", "send an object"),
        ('{"to": 1', "$", "this is no JSON: Input data was truncated", "send an object"),
    ],
)
def test_a_fault_has_its_path_what_came_and_the_fix(
    said: str, path: str, problem: str, fix: str
) -> None:
    ((at, what, mend),) = faults_of(said)
    assert (at, what[: len(problem)]) == (path, problem)
    assert mend == (fix or f"send {what.removeprefix('expected ').partition(', got ')[0]}")


def test_all_faults_are_told_at_once() -> None:
    said = '{"days": "x", "note": 7, "inner": {"numer": 1}}'
    assert [each[0] for each in faults_of(said)] == ["$.days", "$.note", "$.inner.numer", "$"]


def test_of_very_many_and_very_long_faults_enough_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "FAULTS_MAX", 3)
    fields = {f"{i}{'x' * 1_000}": i for i in range(50)}
    found = faults_of(msgspec.json.encode({"to": 1} | fields).decode())
    assert [len(path) for path, _, _ in found[:3]] == [shape.TEXT_CHARS_MAX] * 3
    assert found[3] == ("$", "and 47 more", "mend these first")


@pytest.mark.parametrize("text", ["abc", "7.5", "0", "401", "1" * 30])
def test_what_stands_behind_the_question_mark_is_read_as_text(text: str) -> None:
    class Query(Struct, forbid_unknown_fields=True):
        limit: Annotated[int, Meta(ge=1, le=400)] = 1

    with pytest.raises(RefusedError) as refused:
        read_query({"limit": text}, Query)
    (fault,) = refused.value.faults
    assert (fault.path, fault.fix) == ("?.limit", "send a whole number from 1 to 400")
    assert read_query({"limit": "400"}, Query).limit == 400


JSON = some.recursive(
    some.none() | some.booleans() | some.integers(-2, 500) | some.text("ab", max_size=7),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text("a"), inner),
    max_leaves=5,
)
BODIES = [each.body for each in ENDPOINTS if each.body is not None]


@given(wanted=some.sampled_from(BODIES), data=some.data())
def test_whatever_is_wrong_is_told_in_our_words(
    wanted: type[Struct], data: some.DataObject
) -> None:
    names = some.sampled_from([each.encode_name for each in msgspec.structs.fields(wanted)])
    said = data.draw(some.dictionaries(names, JSON, max_size=3))
    try:
        read_body(msgspec.json.encode(said), wanted)
    except RefusedError as error:
        for fault in error.faults:
            assert fault.fix
            assert fault.fix != "see /openapi.json", (said, fault)
            assert "Expected" not in fault.problem


def test_requests_over_http_are_read_so(shop: Served) -> None:
    (error,) = shop.asks("POST", "/v1/diff", json={"days": "x"}, status=400)["errors"]
    assert error["problem"] == "expected a whole number from 0 to 400, got 'x'"
    (error,) = shop.asks("GET", "/v1/audit?limit=0", status=400)["errors"]
    assert (error["path"], error["fix"]) == ("?.limit", "send a whole number from 1 to 1000")
    (error,) = shop.asks("GET", "/v1/jobs?x=1", status=400)["errors"]
    assert (error["path"], error["problem"]) == ("?.x", "unknown field 'x'")
    assert Nothing() == read_query({}, Nothing)


TEXTS = [
    "hello: 7 visits stand at a, which is gone; say where they go: --map hello:a=NODE "
    "(nothing behind `=`: they end)",
    "--map: 'helo' is no journey that changes; did you mean `hello`?",
    "--map hello:a=b: the new version has no node 'b'; known here: c",
    "--map hello:a=: what is in force has no node 'a'; there is none yet",
    "--vary 'x' says no file, path and values; write FILE:PATH=VALUE",
    "nothing runs here; start it with `anlass run --mapped`",
]


@pytest.mark.parametrize("text", TEXTS)
def test_options_are_named_as_fields_over_http_and_as_options_by_the_command(text: str) -> None:
    said = in_fields(text)
    assert "--map " not in said
    assert "--map:" not in said
    assert "--vary" not in said
    assert in_options(said) == text
