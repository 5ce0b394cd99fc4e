"""What a decision finds of its caps, and the order in which messages are counted."""

from zoneinfo import ZoneInfo

from engine.contacts.contact import Contact, Sent
from engine.fact import Fact, PastMessage
from engine.language.rules import Cap, Rules
from engine.limits import DAY_MS, MESSAGES_KEPT_MAX
from engine.nodes.cap import cap_facts, forget_uncounted, full_cap, reserve
from engine.program import Program
from tests.engine.calendar.almanac import HOUR_MS, at

MIDNIGHT_MS = at("2024-06-05T00:00+02:00")
NOW_MS = MIDNIGHT_MS + 9 * HOUR_MS


def mailed(at_ms: int, *, dry: bool = False) -> Sent:
    return Sent(at_ms, "a", "mail", "email", "", f"m-{at_ms}", dry=dry)


def caps_of_texts() -> tuple[Rules, Program]:
    """Return caps of two mails in an hour, any texts, and two mails a day in Berlin."""
    rules, program = Rules(), Program("a", 0)
    rules.zone = ZoneInfo("Europe/Berlin")
    hourly, texts, daily = Cap(2, HOUR_MS, "2 in 1h"), Cap(1, DAY_MS, "sms"), Cap(2, 2 * DAY_MS, "")
    texts.channel, daily.period = "sms", "day"
    program.caps = [hourly]
    rules.caps[:] = [texts, daily]
    return rules, program


def told(at_ms: int, *sent: Sent, dry: bool = False) -> list[Fact]:
    rules, program = caps_of_texts()
    contact = Contact("c-1")
    contact.messages = list(sent)
    return cap_facts(rules, program, mailed(at_ms, dry=dry), contact)


def test_each_cap_that_counts_a_message_tells_which_others_it_counted() -> None:
    before, first = mailed(MIDNIGHT_MS - 1), mailed(MIDNIGHT_MS)
    old, new = mailed(NOW_MS - HOUR_MS), mailed(NOW_MS - HOUR_MS + 1)
    past = [PastMessage(each.key, each.at_ms) for each in (new, old, first)]
    assert told(NOW_MS, before, first, old, new) == [
        Fact(
            what="cap of 2 in 1h",
            holds=True,
            wanted="fewer than 2",
            found=1,
            messages=past[:1],
            since_ms=NOW_MS - HOUR_MS,
        ),
        Fact(
            what="cap of ",
            holds=False,
            wanted="fewer than 2",
            found=3,
            messages=past,
            since_ms=MIDNIGHT_MS - 1,
            until_ms=MIDNIGHT_MS + DAY_MS,
        ),
    ]


def test_a_text_is_counted_by_the_cap_of_texts_and_no_mail_is() -> None:
    rules, program = caps_of_texts()
    contact = Contact("c-1")
    contact.messages = [mailed(NOW_MS - 1)]
    text = Sent(NOW_MS, "a", "text", "sms", "", "t")
    assert [fact.found for fact in cap_facts(rules, program, text, contact)] == [1, 0, 1]


def test_what_test_mode_sent_counts_for_test_mode_alone() -> None:
    sent = [mailed(NOW_MS - 2, dry=True), mailed(NOW_MS - 1)]
    assert [(fact.found, fact.until_ms) for fact in told(NOW_MS, *sent)] == [(1, None)] * 2
    assert [(fact.found, fact.until_ms) for fact in told(NOW_MS, *sent, dry=True)] == [
        (2, NOW_MS - 2 + HOUR_MS),
        (2, MIDNIGHT_MS + DAY_MS),
    ]


def test_the_last_millisecond_of_a_day_is_not_the_next_day_s() -> None:
    rules, program = caps_of_texts()
    contact = Contact("c-1")
    contact.messages = [mailed(MIDNIGHT_MS - 1), mailed(MIDNIGHT_MS)]
    later = mailed(MIDNIGHT_MS + 2 * HOUR_MS)
    assert full_cap(rules, program, later, contact) is None


def test_messages_are_counted_in_the_order_of_time_whenever_they_come() -> None:
    contact = Contact("c-1")
    sent = [mailed(at_ms) for at_ms in (5, 9, 9, 7, 10, 1)]
    for each in sent:
        reserve(contact, each)
    assert [each.at_ms for each in contact.messages] == [1, 5, 7, 9, 9, 10]
    assert contact.messages[3] is sent[1]


def test_test_mode_keeps_what_its_caps_count_and_what_those_of_others_do() -> None:
    rules = Rules()
    mails = Cap(1, DAY_MS, "")
    mails.channel = "email"
    rules.caps.append(mails)
    texts = [Sent(at_ms, "a", "t", "sms", "", f"t-{at_ms}") for at_ms in range(MESSAGES_KEPT_MAX)]
    for dry, gone in ((True, 2), (False, 1)):
        contact = Contact("c-1")
        contact.messages = sent = [mailed(0), mailed(1, dry=True), *texts[2:]]
        forget_uncounted(contact, rules, DAY_MS - 1, **({"dry": True} if dry else {}))
        assert contact.messages == sent[:gone] + sent[gone + 1 :]


def test_what_test_mode_sent_goes_first_however_new_it_is() -> None:
    contact = Contact("c-1")
    contact.messages = sent = [mailed(at_ms, dry=at_ms == 5) for at_ms in range(MESSAGES_KEPT_MAX)]
    forget_uncounted(contact, Rules(), DAY_MS)
    assert contact.messages == sent[:5] + sent[6:]
