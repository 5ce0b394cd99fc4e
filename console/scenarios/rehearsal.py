"""Rehearsal: plays scenarios over the real engine in simulated time, and says how they went."""

import time
from datetime import tzinfo

import msgspec
from msgspec import Struct

from actors.folder import Folder
from channels.render import Renderer
from console.moment import moment_words, read_moment, read_span
from console.scenarios.cast import Cast, cast_of, zone_named
from console.scenarios.expectation import Expecter, Miss
from console.scenarios.scenario import (
    ConsentScene,
    EventScene,
    ExpectScene,
    IdentifyScene,
    ReceiptScene,
    Scene,
    Script,
)
from console.scenarios.stage import Stage, StageError
from engine.input import CONSENT, IDENTIFY
from engine.language.journey import Settings


class Result(Struct, kw_only=True):
    """How one scenario went."""

    file: str
    path: str
    """Of the scenario, or of the entry that it failed at."""
    test: str
    passed: bool
    expectations: int
    """How many were met."""
    seconds: float
    moment: str = ""
    """Of a scenario that failed: when, in its own time."""
    expected: str = ""
    instead: list[str] = []
    timelines: dict[str, list[str]] = {}
    """Of a scenario that failed: by contact, what happened."""


class ScenarioReport(Struct, kw_only=True):
    """What the tests of a folder, or of a draft, came to."""

    folder: str
    """Empty: they were sent along with a draft."""
    tests: int
    passed: int
    failed: int
    seconds: float
    results: list[Result]


def report_of(folder: str, results: list[Result], seconds: float) -> ScenarioReport:
    """Add up results that took so long."""
    failed = sum(not result.passed for result in results)
    return ScenarioReport(
        folder=folder,
        tests=len(results),
        passed=len(results) - failed,
        failed=failed,
        seconds=round(seconds, 3),
        results=results,
    )


class Rehearsal:
    """Plays the scenarios of one folder of journeys, each from the beginning."""

    def __init__(self, folder: Folder) -> None:
        """Take a folder without mistakes."""
        self.cast = cast_of(folder)
        publication = folder.publication
        self._source = folder.source
        language = publication.settings.get("language", Settings().language)
        self._renderer = Renderer(publication.templates, language)

    def play(self, script: Script) -> Result:
        """Play a scenario; one that fails a second time, to tell its contacts' timelines."""
        began = time.perf_counter()
        performance = self._perform(script, traced=False)
        if performance.miss is not None:
            performance = self._perform(script, traced=True)
        miss = performance.miss
        return Result(
            file=script.file,
            path=script.path if miss is None else performance.path,
            test=script.scenario.test,
            passed=miss is None,
            expectations=performance.met,
            seconds=round(time.perf_counter() - began, 6),
            moment="" if miss is None else performance.moment(),
            expected="" if miss is None else miss.expected,
            instead=[] if miss is None else miss.instead,
            timelines={} if miss is None else performance.timelines(),
        )

    def _perform(self, script: Script, *, traced: bool) -> "_Performance":
        zone = zone_named(script.scenario.zone or self.cast.time_zone)
        assert zone is not None, "scenarios are checked before they are played"
        start = read_moment(script.scenario.start, zone)
        assert start is not None
        stage = Stage(self._source, self._renderer, start.ms, zone)
        if traced:
            stage.trace()
        performance = _Performance(script, stage, self.cast)
        performance.perform()
        return performance


class _Performance:
    """One scenario on its way."""

    def __init__(self, script: Script, stage: Stage, cast: Cast) -> None:
        self.met = 0
        self.miss: Miss | None = None
        self.path = script.path
        self._script = script
        self._stage = stage
        self._cast = cast
        for scene in script.scenario.given:
            if isinstance(scene, ReceiptScene):
                stage.announce(self._contact_of(scene), scene.receipt)

    def perform(self) -> None:
        """Play scene by scene, up to the first expectation that is missed."""
        for i, scene in enumerate(self._script.scenario.given):
            self.path = f"{self._script.path}.given[{i}]"
            try:
                self._play(scene)
            except StageError as error:
                self.miss = Miss("that this can happen", [str(error)])
            if self.miss is not None:
                return

    def moment(self) -> str:
        """Return how far the scenario's time has come."""
        return moment_words(self._stage.now_ms, self._stage.zone)

    def timelines(self) -> dict[str, list[str]]:
        """Return what happened, by contact, if the stage kept it."""
        timeline = self._stage.timeline
        if timeline is None:
            return {}
        contacts = dict.fromkeys(each.contact for each in timeline.happenings)
        return {contact: timeline.of(contact) for contact in contacts}

    def _contact_of(self, scene: Scene) -> str:
        return scene.contact or self._script.scenario.contact

    def _play(self, scene: Scene) -> None:
        stage = self._stage
        contact = self._contact_of(scene)
        if scene.after or scene.until:
            stage.advance(_moment_after(scene, stage.now_ms, stage.zone))
        if isinstance(scene, EventScene):
            self._play_events(scene, contact)
        elif isinstance(scene, IdentifyScene):
            said = msgspec.to_builtins(scene.identify)
            stage.event(contact, IDENTIFY, {name: value for name, value in said.items() if value})
        elif isinstance(scene, ConsentScene):
            stage.event(contact, CONSENT, dict(scene.consent))
        elif isinstance(scene, ReceiptScene):
            stage.receive(contact, scene.receipt)
        elif isinstance(scene, ExpectScene):
            self.miss = Expecter(stage, self._cast, contact).miss(scene.expect)
            self.met += self.miss is None

    def _play_events(self, scene: EventScene, contact: str) -> None:
        every = read_span(scene.every) if scene.every else None
        late = read_span(scene.late) if scene.late else None
        late_ms = 0 if late is None else late.ms
        for i in range(scene.times):
            if i and every is not None:
                self._stage.advance(self._stage.now_ms + every.ms)
            self._stage.event(contact, scene.event, scene.payload, scene.id, late_ms)


def _moment_after(scene: Scene, now_ms: int, zone: tzinfo) -> int:
    """Return the moment up to which time passes before a scene."""
    if scene.after:
        span = read_span(scene.after)
        assert span is not None, "scenarios are checked before they are played"
        return now_ms + span.ms
    until = read_moment(scene.until, zone)
    assert until is not None
    return until.ms
