"""What the columns of a file of contacts mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.header import CellError, Header, HeaderError


def said(name: str, cell: str, *, empty_removes: bool = False) -> dict[str, dict[str, Any]]:
    header = Header(["contact", name], empty_removes=empty_removes)
    contact, payload = header.said([" c1 ", cell])
    assert contact == "c1"
    return payload


@pytest.mark.parametrize(
    ("name", "cell", "payload"),
    [
        ("zip", "01067", {"attributes": {"zip": "01067"}}),
        ("note", " x ", {"attributes": {"note": " x "}}),
        ("attributes.zip", "1", {"attributes": {"zip": "1"}}),
        ("attributes.list:text", "true", {"attributes": {"list": "true"}}),
        ("points:number", " 120 ", {"attributes": {"points": 120}}),
        ("points:number", "-37.50", {"attributes": {"points": -37.5}}),
        ("points:number", "1e3", {"attributes": {"points": 1000.0}}),
        ("vip:bool", "TRUE", {"attributes": {"vip": True}}),
        ("vip:bool", "0", {"attributes": {"vip": False}}),
        ("born:date", "2024-02-29", {"attributes": {"born": "2024-02-29"}}),
        ("consent.email", "Double_Opt_In", {"consent": {"email": "double_opt_in"}}),
        ("consent.sms.marketing", "opt_out", {"consent": {"sms": "opt_out"}}),
        ("consent.sms.news", "opt_in", {"consent": {"sms": {"news": "opt_in"}}}),
        ("list.spring-2026", "1", {"lists": {"spring-2026": True}}),
        ("list.spring-2026", "false", {"lists": {"spring-2026": False}}),
        *[(name, "", {}) for name in ("zip", "points:number", "consent.email", "list.news")],
        ("points:number", "  ", {}),
    ],
)
def test_a_cell_says(name: str, cell: str, payload: dict[str, Any]) -> None:
    assert said(name, cell) == payload


def test_purposes_of_one_channel_are_said_together() -> None:
    names = ["contact", "consent.email.news", "consent.email", "consent.sms"]
    contact, payload = Header(names).said(["c-1", "opt_out", "double_opt_in", "opt_in"])
    email = {"news": "opt_out", "marketing": "double_opt_in"}
    assert (contact, payload) == ("c-1", {"consent": {"email": email, "sms": "opt_in"}})


def test_an_empty_cell_may_remove_an_attribute_and_no_consent_and_no_list() -> None:
    assert said("points:number", "", empty_removes=True) == {"attributes": {"points": None}}
    assert said("consent.email", "", empty_removes=True) == {}
    assert said("list.news", "", empty_removes=True) == {}


@pytest.mark.parametrize(
    ("name", "cell", "reason", "fix"),
    [
        ("points:number", "1,5", "no number", "12.5"),
        ("points:number", "nan", "no number", "12.5"),
        ("points:number", "\u0661", "no number", "12.5"),
        ("points:number", "9" * 19, "64 bits", "a text"),
        ("points:number", "9" * 5000, "64 bits", "a text"),
        ("points:number", "1e999", "too large", "a text"),
        ("vip:bool", "ja", "neither true nor false", "true, false, 1 or 0"),
        ("born:date", "05.04.2026", "no date", "2026-04-05"),
        ("born:date", "2023-02-29", "no such day", "2026-04-05"),
        ("consent.email", "yes", "no level of consent", "opt_out, opt_in, double_opt_in"),
        ("list.news", "on", "neither true nor false", "true, false, 1 or 0"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(name: str, cell: str, reason: str, fix: str) -> None:
    with pytest.raises(CellError) as caught:
        said(name, cell)
    error = caught.value
    assert (error.column, error.value) == (name, cell)
    assert reason in error.reason
    assert fix in error.fix


@pytest.mark.parametrize("cells", [["c1"], ["c1", "a", "b"]])
def test_a_row_has_as_many_cells_as_the_header(cells: list[str]) -> None:
    with pytest.raises(CellError, match="the header has 2"):
        Header(["contact", "zip"]).said(cells)


def test_a_row_must_say_whose_it_is() -> None:
    with pytest.raises(CellError, match="contact: empty"):
        Header(["contact", "zip"]).said([" ", "x"])


def test_another_column_may_name_the_contact_and_is_an_attribute_too() -> None:
    header = Header(["name", " email "], "email")
    assert header.said(["Ada", "a@b"]) == ("a@b", {"attributes": {"name": "Ada", "email": "a@b"}})


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (["zip", "email"], "no column `contact`, only `zip`, `email`; name the right one"),
        (["contact", ""], "column 2 has no name"),
        (["contact", "zip", "zip"], "column 3, `zip`: a second one"),
        (["contact", "zip", "attributes.zip:number"], "column 3, .*: a second one"),
        (["contact", "contact"], "column 2, `contact`: a second one"),
        (["contact", "points:int"], "no type `int`; use one of text, number, bool, date"),
        (["contact", "address.city"], "name it without a dot"),
        (["contact", "attributes."], "no journey could read"),
        (["contact", "consent.emial"], "no such channel; use one of email, sms"),
        (["contact", "consent.email.News"], "no purpose can have this name; use a-z"),
        (["contact", "consent.email."], "no purpose can have this name; use a-z"),
        (["contact", "consent.email.transactional"], "needs no consent; take it out"),
        (["contact", "consent.sms", "consent.sms.marketing"], "a second one of it"),
        (["contact", "list.News!"], "no list can have this name; use a-z"),
    ],
)
def test_a_header_that_says_nothing_is_refused_with_the_fix(names: list[str], error: str) -> None:
    with pytest.raises(HeaderError, match=error):
        Header(names)


def test_a_path_of_the_gateway_is_a_column_again() -> None:
    names = ["contact", "a", "attributes.points:number", "consent.email", "list.news"]
    header = Header(names)
    paths = ["contact", "attributes.a", "attributes.points"]
    paths += ["consent.email", "lists.news"]
    assert [header.column_at(path) for path in paths] == names
    assert header.column_at("attributes") == "attributes"


@given(st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_comes_back(number: float) -> None:
    value = said("n:number", repr(number))["attributes"]["n"]
    assert (type(value), value) == (type(number), number)
