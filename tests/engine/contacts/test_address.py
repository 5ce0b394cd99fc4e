"""Addresses: a message needs one that can be, on channels for which the settings name it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compile.publication import compile_publication
from engine.contacts.address import is_address
from engine.language.journey import Publication
from tests.engine.situation import Situation, mail, only_delivery, only_outcome
from tests.publications import journey

GOOD = {
    "email": [
        "ida@shop.example",
        "i.d+a_b'c@mail.shop-one.example",
        f"{'a' * 64}@b.example",
        "jörg@müller.example",
        "1@2.de",
    ],
    "sms": ["+4915112345678", "+12345678", "+123456789012345"],
    "push": ["token-1", "x"],
}
BAD = {
    "email": [
        "ida",
        "ida@",
        "@shop.example",
        "ida@shop",
        "ida@@shop.example",
        "i da@shop.example",
        "ida@shop..example",
        "ida@-shop.example",
        "ida@shop-.example",
        "ida@shop.example-",
        "ida@shop.example, bob@shop.example",
        "Ida <ida@shop.example>",
        "ida@shop.example\nBcc: x",
        f"{'a' * 65}@b.example",
        f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 63}.example",
        f"a@{'b' * 64}.example",
    ],
    "sms": [
        "015112345678",
        "+0123456789",
        "+1234567",
        "+1234567890123456",
        "+49 151",
        "+١٢٣٤٥٦٧٨٩",
    ],
    "push": [""],
}


@pytest.mark.parametrize(("channel", "text"), [(c, t) for c, all in GOOD.items() for t in all])
def test_these_can_be_addresses(channel: str, text: str) -> None:
    assert is_address(text, channel)


@pytest.mark.parametrize(("channel", "text"), [(c, t) for c, all in BAD.items() for t in all])
def test_these_cannot(channel: str, text: str) -> None:
    assert not is_address(text, channel)


@given(text=st.text(max_size=400) | st.from_regex(r"[a.@-]{1,300}", fullmatch=True))
def test_an_e_mail_address_has_no_room_for_more(text: str) -> None:
    if is_address(text, "email"):
        assert len(text) <= 254
        assert text.count("@") == 1
        assert text.isprintable() or not any(ord(each) < 33 for each in text)


ADDRESSES = {"email": "email", "sms": "reach.mobile", "push": "token"}


@pytest.mark.parametrize(
    ("channel", "attributes", "reason"),
    [
        ("email", {}, "contact.email is missing"),
        ("email", {"email": " "}, "contact.email is missing"),
        ("email", {"email": 5}, "contact.email is no text"),
        ("email", {"email": "ida"}, "contact.email is not an e-mail address"),
        ("email", {"email": " ida@shop.example "}, ""),
        ("sms", {"reach": "+4915112345678"}, "contact.reach.mobile is missing"),
        ("sms", {"reach": {"mobile": "0151"}}, "contact.reach.mobile is not + and 8-15 digits"),
        ("sms", {"reach": {"mobile": "+4915112345678"}}, ""),
        ("push", {"token": ["a"]}, "contact.token is no text"),
        ("push", {"token": "a"}, ""),
        ("in_app", {}, ""),
    ],
)
def test_without_a_valid_address_there_is_no_message(
    channel: str, attributes: dict[str, Any], reason: str
) -> None:
    situation = Situation(journey(nodes=[mail(send=channel)]), addresses=ADDRESSES)
    situation.event("identify", {"attributes": attributes})
    outcome = only_outcome(situation.event())
    assert outcome.outcome == ("no_address" if reason else "sent")
    assert outcome.reason == reason
    assert outcome.channel == channel


def test_where_no_address_is_named_none_is_needed() -> None:
    assert only_outcome(Situation(journey()).event()).outcome == "sent"


def test_a_message_goes_to_the_address_of_the_handover() -> None:
    situation = Situation(journey(nodes=[mail(send="sms")]), addresses={"sms": "mobile"})
    situation.event("identify", {"attributes": {"mobile": "+4915112345678"}})
    key = only_outcome(situation.event()).key
    situation.event("identify", {"attributes": {"mobile": " +4915187654321 "}})
    assert only_delivery(situation.handover(key)).address == "+4915187654321"


def test_a_path_that_is_none_is_refused() -> None:
    publication = Publication(journeys={}, settings={"addresses": {"email": "a..b"}})
    _, (mistake,) = compile_publication(publication)
    assert (mistake.path, mistake.problem) == ("$.addresses.email", "'a..b' is no path")
