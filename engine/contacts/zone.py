"""The time zone that a contact lives in."""

from zoneinfo import ZoneInfo

from engine.calendar.zone import zone_of
from engine.contacts.contact import Contact
from engine.language.rules import Rules


def zone_for(contact: Contact, rules: Rules) -> ZoneInfo:
    """Return the zone that the attribute `time_zone` names, if it is known; else the settings'."""
    zone = zone_of(contact.attributes.get("time_zone"))
    return rules.zone if zone is None else zone
