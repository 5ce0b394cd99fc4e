"""Checks of a scenario beyond its types: its time, the names in it, what senders may send."""

import zoneinfo
from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any, Final

import msgspec

from console.moment import MOMENT_FORM, SPAN_FORM, Moment, read_moment, read_span
from console.scenarios.cast import Cast, zone_named
from console.scenarios.scenario import (
    ConsentScene,
    ConvertedExpectation,
    EventScene,
    Expectation,
    ExpectedMessage,
    ExpectedNone,
    ExpectedVisit,
    ExpectScene,
    IdentifyScene,
    MessageExpectation,
    NoneExpectation,
    ReceiptScene,
    Scenario,
    Scene,
    SegmentsExpectation,
    WaitingExpectation,
    When,
)
from engine.input import CONSENT, IDENTIFY
from engine.language.author import Reader, nearest
from engine.limits import DAY_MS
from ingest.payload import EventError, check_payload

TIMES_MAX: Final = 1_000
SCENARIO_MS_MAX: Final = 3_660 * DAY_MS
"""How far a scenario's time may go: far enough for every wait, and dates can still be written."""


class ScenarioCheck:
    """Checks what the types of one scenario cannot say, and follows its time meanwhile."""

    def __init__(self, reader: Reader, cast: Cast, scenario: Scenario, path: str) -> None:
        self._reader = reader
        self._cast = cast
        self._scenario = scenario
        self._path = path
        self._zone = self._zone_of()
        self._start_ms = self._moment(scenario.start, f"{path}.start").ms
        self._now_ms = self._start_ms

    def check(self) -> None:
        """Note every mistake, but for those that another one hides."""
        if self._reader.mistakes and self._now_ms == 0:
            return
        scenes = self._scenario.given
        if not any(isinstance(scene, ExpectScene) for scene in scenes):
            fix = "end it with what must come of it, such as `- expect: nothing`"
            self._reader.add(f"{self._path}.given", "nothing is expected here", fix)
        for i, scene in enumerate(scenes):
            path = f"{self._path}.given[{i}]"
            self._check_time(scene, path)
            if isinstance(scene, EventScene):
                self._check_event(scene, path)
            elif isinstance(scene, IdentifyScene):
                said = msgspec.to_builtins(scene.identify)
                payload = {name: value for name, value in said.items() if value}
                self._check_payload(IDENTIFY, payload, f"{path}.identify")
            elif isinstance(scene, ConsentScene):
                self._check_payload(CONSENT, scene.consent, f"{path}.consent")
            elif isinstance(scene, ReceiptScene):
                receipt = scene.receipt
                self._check_node(receipt.journey, receipt.message, f"{path}.receipt", "message")
            elif isinstance(scene, ExpectScene) and isinstance(scene.expect, Expectation):
                self._check_expectation(scene.expect, f"{path}.expect")

    def _zone_of(self) -> tzinfo:
        zone = zone_named(self._scenario.zone or self._cast.time_zone)
        if zone is not None:
            return zone
        name = self._scenario.zone
        fix = nearest(name, sorted(zoneinfo.available_timezones()))
        if not fix.startswith("did you mean"):
            fix = "use a name such as `Europe/Berlin`"
        self._reader.add(f"{self._path}.zone", f"there is no time zone {name!r}", fix)
        return UTC

    def _check_time(self, scene: Scene, path: str) -> None:
        if scene.after and scene.until:
            self._reader.add(path, "`after` and `until` together", "keep one of them")
        if scene.after:
            self._now_ms += self._span(scene.after, f"{path}.after").ms
        elif scene.until:
            until = self._moment(scene.until, f"{path}.until")
            if 0 < until.ms < self._now_ms:
                fix = "write a later one: time does not go back"
                self._reader.add(f"{path}.until", f"{scene.until} is over by then", fix)
            self._now_ms = max(self._now_ms, until.ms)
        if self._now_ms - self._start_ms > SCENARIO_MS_MAX:
            self._reader.add(path, "this is more than ten years after the start", "be quicker")
            self._now_ms = self._start_ms

    def _check_event(self, scene: EventScene, path: str) -> None:
        if not scene.event:
            self._reader.add(
                f"{path}.event", "the event has no name", "write `event: product_view`"
            )
        if not 1 <= scene.times <= TIMES_MAX:
            problem = f"{scene.times} is out of range"
            self._reader.add(f"{path}.times", problem, f"write 1 to {TIMES_MAX}")
        if scene.every:
            every = self._span(scene.every, f"{path}.every")
            self._now_ms += every.ms * (scene.times - 1)
        if scene.late:
            self._span(scene.late, f"{path}.late")
        self._check_payload(scene.event, scene.payload, f"{path}.payload")

    def _check_payload(self, name: str, payload: Mapping[str, Any], path: str) -> None:
        """Refuse what the gateway would refuse."""
        try:
            check_payload(name, msgspec.json.encode(payload))
        except EventError as error:
            below = error.path.removeprefix("$.payload")
            if error.path == "$.name":
                path, below = path.removesuffix(".payload"), ".event"
            self._reader.add(f"{path}{below}", error.error, "send what the gateway would take")
        except (TypeError, ValueError, OverflowError) as error:
            self._reader.add(path, str(error), "write plain texts and numbers")

    def _check_expectation(self, expectation: Expectation, path: str) -> None:
        if isinstance(expectation, MessageExpectation):
            self._check_message(expectation.message, f"{path}.message")
        elif isinstance(expectation, NoneExpectation):
            self._check_none(expectation.none, f"{path}.none")
        elif isinstance(expectation, WaitingExpectation):
            visit = expectation.waiting
            if isinstance(visit, ExpectedVisit):
                self._check_node(visit.journey, visit.node, f"{path}.waiting")
                if visit.until:
                    self._moment(visit.until, f"{path}.waiting.until")
        elif isinstance(expectation, ConvertedExpectation):
            goal = expectation.converted
            self._check_when(goal, f"{path}.converted")
            self._check_node(goal.journey, "", f"{path}.converted")
        elif isinstance(expectation, SegmentsExpectation):
            for name in expectation.segments:
                if name not in self._cast.segments:
                    problem = f"there is no segment {name!r}"
                    fix = nearest(str(name), self._cast.segments)
                    self._reader.add(f"{path}.segments.{name}", problem, fix)

    def _check_message(self, expected: ExpectedMessage, path: str) -> None:
        self._check_when(expected, path)
        before = len(self._reader.mistakes)
        self._check_node(expected.journey, expected.node, path)
        sends = [
            node
            for nodes in self._cast.journeys.values()
            for node in nodes.values()
            if "send" in node
        ]
        for name, key, text in (
            ("channel", "send", expected.channel),
            ("template", "template", expected.template),
        ):
            known = sorted({node[key] for node in sends if key in node})
            if text and text not in known:
                problem = f"no journey sends with the {name} {text!r}"
                self._reader.add(f"{path}.{name}", problem, nearest(text, known))
        if len(self._reader.mistakes) == before and not self._cast.senders(expected):
            fix = "see which node sends what in the journeys' files"
            self._reader.add(path, "no node of any journey sends such a message", fix)

    def _check_none(self, expected: ExpectedNone, path: str) -> None:
        self._check_when(expected, path)
        self._check_node(expected.journey, expected.node, path)

    def _check_when(self, expected: When, path: str) -> None:
        if expected.at and expected.after_start:
            self._reader.add(path, "`at` and `after_start` together", "keep one of them")
        elif expected.at:
            self._moment(expected.at, f"{path}.at")
        elif expected.after_start:
            self._span(expected.after_start, f"{path}.after_start")

    def _check_node(self, journey: str, node: str, path: str, field: str = "node") -> None:
        journeys = self._cast.journeys
        if journey and journey not in journeys:
            problem = f"there is no journey {journey!r}"
            self._reader.add(f"{path}.journey", problem, nearest(journey, list(journeys)))
            return
        known = {
            name for each, nodes in journeys.items() if journey in ("", each) for name in nodes
        }
        if node and node not in known:
            where = f"the journey {journey!r} has" if journey else "there is"
            problem = f"{where} no node {node!r}"
            self._reader.add(f"{path}.{field}", problem, nearest(node, sorted(known)))

    def _moment(self, text: str, path: str) -> Moment:
        moment = read_moment(text, self._zone)
        if moment is None:
            problem = f"there is no moment {text!r} in {self._zone}"
            self._reader.add(path, problem, f"write {MOMENT_FORM}")
            return Moment(0, 1)
        return moment

    def _span(self, text: str, path: str) -> Moment:
        span = read_span(text)
        if span is None:
            self._reader.add(path, f"cannot read {text!r} as a span", f"write {SPAN_FORM}")
            return Moment(0, 1)
        return span
