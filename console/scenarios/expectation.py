"""Expectation: is what a scenario expects so, and if not, what is so instead."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from console.moment import Moment, moment_words, read_moment, read_span
from console.scenarios.cast import Cast
from console.scenarios.scenario import (
    NOTHING_MORE,
    NOWHERE,
    AttributesExpectation,
    ConvertedExpectation,
    Expectation,
    ExpectedGoal,
    ExpectedMessage,
    ExpectedNone,
    MessageExpectation,
    NoneExpectation,
    SegmentsExpectation,
    WaitingExpectation,
    When,
)
from console.scenarios.stage import SeenMessage, SeenOutcome, Stage
from console.scenarios.timeline import counted, why_words
from engine.contacts.contact import Visit
from engine.decision import CONVERTED

TEXT_CHARS_SHOWN: Final = 300


class Miss(Struct):
    """An expectation that was not met."""

    expected: str
    instead: list[str]


class Expecter:
    """Checks the expectations of one contact against what is on the stage now."""

    def __init__(self, stage: Stage, cast: Cast, contact: str) -> None:
        self._stage = stage
        self._cast = cast
        self._contact = contact

    def miss(self, expected: str | Expectation) -> Miss | None:
        """Return how the expectation is missed, or None; what meets it is taken."""
        if isinstance(expected, str):
            assert expected == NOTHING_MORE
            return self._nothing()
        if isinstance(expected, MessageExpectation):
            return self._message(expected.message)
        if isinstance(expected, NoneExpectation):
            return self._none(expected.none)
        if isinstance(expected, WaitingExpectation):
            return self._waiting(expected)
        if isinstance(expected, ConvertedExpectation):
            return self._converted(expected.converted)
        if isinstance(expected, SegmentsExpectation):
            return self._segments(expected.segments)
        assert isinstance(expected, AttributesExpectation)
        return self._attributes(expected.attributes)

    def _nothing(self) -> Miss | None:
        left = [self._seen_words(each) for each in self._messages_left()]
        return Miss("nothing more", left) if left else None

    def _message(self, expected: ExpectedMessage) -> Miss | None:
        left = self._messages_left()
        misses: list[list[str]] = []
        for seen in left:
            differences = self._differences(expected, seen)
            if not differences:
                seen.taken = True
                return None
            misses.append(differences)
        instead: list[str] = []
        if left:
            nearest = min(range(len(left)), key=lambda i: len(misses[i]))
            instead = [self._seen_words(left[nearest]), *misses[nearest]]
            instead += [self._seen_words(each) for each in left if each is not left[nearest]]
        else:
            for journey in self._cast.senders(expected):
                instead += self._why_no_message(journey)
        return Miss(self._message_words(expected), instead)

    def _none(self, expected: ExpectedNone) -> Miss | None:
        found = [each for each in self._held_back(expected.journey) if not each.taken]
        for each in found:
            if (
                expected.node in ("", each.outcome.node)
                and expected.why in why_words(each.outcome)
                and self._is_then(expected, each.at_ms)
            ):
                each.taken = True
                return None
        words = f"no message from {_place(expected.journey, expected.node)}"
        words += f": {expected.why}" if expected.why else ""
        instead = [self._held_back_words(each) for each in found]
        instead += [
            self._seen_words(each)
            for each in self._stage.messages
            if (each.delivery.contact, each.delivery.journey) == (self._contact, expected.journey)
        ]
        return Miss(
            words + self._when_words(expected), instead or self._why_no_message(expected.journey)
        )

    def _waiting(self, expectation: WaitingExpectation) -> Miss | None:
        expected = expectation.waiting
        visits = self._visits()
        if isinstance(expected, str):
            assert expected == NOWHERE
            return Miss("in no journey", [*map(self._visit_words, visits)]) if visits else None
        until = read_moment(expected.until, self._stage.zone)
        for visit in visits:
            if (
                visit.journey == expected.journey
                and expected.node in ("", visit.node)
                and (until is None or until.meets(visit.due_at_ms))
            ):
                return None
        words = f"waits in {_place(expected.journey, expected.node)}"
        words += f" until {moment_words(until.ms, self._stage.zone)}" if until else ""
        own = [each for each in visits if each.journey == expected.journey]
        instead = [*map(self._visit_words, own)] or self._why_no_message(expected.journey)
        return Miss(words, instead)

    def _attributes(self, expected: dict[str, Any]) -> Miss | None:
        contact = self._stage.partition.contact(self._contact)
        attributes = contact.attributes if contact is not None else {}
        other = {
            name: attributes.get(name)
            for name, value in expected.items()
            if _value_words(attributes.get(name)) != _value_words(value)
        }
        if not other:
            return None
        words = ", ".join(f"{name} {_value_words(expected[name])}" for name in other)
        return Miss(words, [f"{name} is {_value_words(value)}" for name, value in other.items()])

    def _segments(self, expected: dict[str, bool]) -> Miss | None:
        contact = self._stage.partition.contact(self._contact)
        other = [
            name
            for name, inside in expected.items()
            if inside != (contact is not None and self._stage.is_in(contact, name))
        ]
        if not other:
            return None
        words = ", ".join(f"{'in' if expected[name] else 'not in'} {name}" for name in other)
        return Miss(words, [f"{'not in' if expected[name] else 'in'} {name}" for name in other])

    def _converted(self, expected: ExpectedGoal) -> Miss | None:
        found = [each for each in self._outcomes(expected.journey) if _is_goal(each)]
        for each in found:
            reached = each.outcome.reason
            if not each.taken and expected.goal in reached and self._is_then(expected, each.at_ms):
                each.taken = True
                return None
        words = f"a goal of {expected.journey}"
        words += f": {expected.goal}" if expected.goal else ""
        instead = [f"{each.outcome.reason}, {self._moment(each.at_ms)}" for each in found]
        instead = instead or [f"no visit of {expected.journey} came to a goal"]
        return Miss(words + self._when_words(expected), instead)

    def _differences(self, expected: ExpectedMessage, seen: SeenMessage) -> list[str]:
        """Say in what a message is not as expected."""
        sent, message = seen.delivery, seen.message
        found = []
        for name, wanted, got in (
            ("journey", expected.journey or None, sent.journey),
            ("node", expected.node or None, sent.node),
            ("channel", expected.channel or None, sent.channel),
            ("template", expected.template or None, sent.template),
            ("language", expected.language or None, message.language),
            ("to", expected.to, message.to),
            ("subject", expected.subject, message.subject),
        ):
            if wanted is not None and wanted != got:
                found.append(f"its {name} is {got!r}, not {wanted!r}")
        if not self._is_then(expected, sent.at_ms):
            found.append(
                f"it came at {self._moment(sent.at_ms)},{self._when_words(expected, 'not ')}"
            )
        texts = [expected.contains] if isinstance(expected.contains, str) else expected.contains
        found += [
            f"neither subject nor body has {text!r}; it says:\n{_shortened(seen)}"
            for text in texts
            if text not in message.subject and text not in message.body
        ]
        return found

    def _why_no_message(self, journey: str) -> list[str]:
        """Say how far a contact came in a journey, as far as can be told from outside."""
        found = [self._held_back_words(each) for each in self._held_back(journey)]
        found += [self._visit_words(each) for each in self._visits() if each.journey == journey]
        if found:
            return found
        contact = self._stage.partition.contact(self._contact)
        if contact is None:
            return [f"nothing is known of contact {self._contact}"]
        if journey in contact.entered:
            return [f"no message from {journey} that is not taken by an expectation before"]
        session = ""
        if contact.session is not None:
            due = self._moment(contact.session.due_at_ms)
            session = f"; the session is still open until {due} ({counted(contact)})"
        return [f"no message from {journey}: {self._contact} never entered it{session}"]

    def _outcomes(self, journey: str) -> list[SeenOutcome]:
        return [
            each
            for each in self._stage.held_back
            if (each.outcome.contact, each.outcome.journey) == (self._contact, journey)
        ]

    def _held_back(self, journey: str) -> list[SeenOutcome]:
        return [each for each in self._outcomes(journey) if not _is_goal(each)]

    def _messages_left(self) -> list[SeenMessage]:
        return [
            each
            for each in self._stage.messages
            if not each.taken and each.delivery.contact == self._contact
        ]

    def _visits(self) -> list[Visit]:
        contact = self._stage.partition.contact(self._contact)
        return [] if contact is None else contact.visits

    def _is_then(self, expected: When, at_ms: int) -> bool:
        if expected.at:
            return _known(read_moment(expected.at, self._stage.zone)).meets(at_ms)
        if expected.after_start:
            return _known(read_span(expected.after_start)).meets(at_ms - self._stage.start_ms)
        return True

    def _when_words(self, expected: When, before: str = "at ") -> str:
        if expected.at:
            moment = _known(read_moment(expected.at, self._stage.zone))
            return f" {before}{self._moment(moment.ms)}"
        if expected.after_start:
            span = _known(read_span(expected.after_start))
            return f" {before}{self._moment(self._stage.start_ms + span.ms)}"
        return ""

    def _message_words(self, expected: ExpectedMessage) -> str:
        named = [
            f"{name} {text}"
            for name, text in (
                ("node", expected.node),
                ("channel", expected.channel),
                ("template", expected.template),
                ("language", expected.language),
                ("to", expected.to),
                ("subject", expected.subject),
            )
            if text
        ]
        texts = [expected.contains] if isinstance(expected.contains, str) else expected.contains
        named += [f"containing {text!r}" for text in texts]
        words = f"a message from {expected.journey}" if expected.journey else "a message"
        words += f" ({', '.join(named)})" if named else ""
        return words + self._when_words(expected)

    def _seen_words(self, seen: SeenMessage) -> str:
        sent = seen.delivery
        words = f"message from {sent.journey}, node {sent.node} ({sent.channel})"
        return f"{words} at {self._moment(sent.at_ms)}: {seen.message.subject!r}"

    def _held_back_words(self, seen: SeenOutcome) -> str:
        outcome = seen.outcome
        words = f"no message from {_place(outcome.journey, outcome.node)}: {why_words(outcome)}"
        return f"{words}, {self._moment(seen.at_ms)}"

    def _visit_words(self, visit: Visit) -> str:
        return f"{visit.journey} waits at {visit.node} until {self._moment(visit.due_at_ms)}"

    def _moment(self, at_ms: int) -> str:
        return moment_words(at_ms, self._stage.zone)


def _is_goal(seen: SeenOutcome) -> bool:
    return seen.outcome.outcome == CONVERTED


def _known(moment: Moment | None) -> Moment:
    assert moment is not None, "scenarios are checked before they are played"
    return moment


def _place(journey: str, node: str) -> str:
    return f"{journey}, node {node}" if node else journey


def _value_words(value: Any) -> str:
    return "not there" if value is None else msgspec.json.encode(value).decode()


def _shortened(seen: SeenMessage) -> str:
    text = f"{seen.message.subject}\n{seen.message.body}".strip()
    return text if len(text) <= TEXT_CHARS_SHOWN else f"{text[:TEXT_CHARS_SHOWN]} ..."
