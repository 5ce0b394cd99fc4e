"""The zone of a contact: its attribute's, else that of the settings."""

from typing import Any

import pytest

from engine.contacts.contact import Contact
from engine.contacts.zone import zone_for
from tests.engine.situation import Situation


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("America/New_York", "America/New_York"),
        ("Mars/Olympus", "Europe/Berlin"),
        ("../etc", "Europe/Berlin"),
        (7, "Europe/Berlin"),
        (["UTC"], "Europe/Berlin"),
        (None, "Europe/Berlin"),
    ],
)
def test_a_contact_lives_in_the_zone_it_names_else_in_the_shop_s(said: Any, expected: str) -> None:
    situation = Situation(time_zone="Europe/Berlin")
    contact = Contact("c-1", attributes={"time_zone": said})
    assert zone_for(contact, situation.partition.programs.rules).key == expected


def test_without_a_setting_it_is_utc() -> None:
    assert zone_for(Contact("c-1"), Situation().partition.programs.rules).key == "UTC"
