"""Rehearsals: a draft tried out on what did not happen here: its tests, and events sent along."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from console.control.draft import Draft, checked, is_document
from console.control.endpoint import LONG_S, Call, Endpoint, Reply
from console.control.faults import refused
from console.control.work import EVENTS, RESULT_BYTES_MAX, Folding
from console.remote.job import Job
from console.scenarios.reader import TESTS_FOLDER, picked, scripts_of
from console.scenarios.rehearsal import Rehearsal, Result, ScenarioReport, report_of
from engine.errors import AuthorError, Mistake

PLAYING_S: Final = 60.0
"""For so long tests are played; a folder of hundreds takes a second."""
EVENTS_BYTES_MAX: Final = 64 << 20


class ScenariosBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """Tests to play with a draft."""

    draft: Draft | None = None
    """Left out: the draft that is kept."""
    tests: dict[str, Any]
    """`tests/NAME.yaml` -> what the file says, see docs/journeys.md."""
    only: Annotated[str, Meta(max_length=1_000)] = ""
    """Only tests with this text in name or file."""


class EventsBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """Events to fold with a draft, in simulated time."""

    draft: Draft | None = None
    """Left out: the draft that is kept."""
    events: list[Raw]
    """As `POST /v1/events` of the gateway takes them; what is none is counted as rejected."""
    consent: Literal["asked", "all"] = "asked"
    """`all`: every contact opts in first."""


def _play(call: Call) -> ScenarioReport:
    body: ScenariosBody = call.body
    rehearsal = Rehearsal(checked(call.system.draft(body.draft), call.system.operator))
    _check_names(body.tests)
    scripts, mistakes = scripts_of(body.tests, rehearsal.cast)
    if mistakes:
        raise AuthorError(mistakes)
    if not scripts:
        text = f"there are no tests; write one under `{TESTS_FOLDER}/welcome.yaml`"
        raise refused(HTTPStatus.BAD_REQUEST, text, "$.tests")
    began = time.perf_counter()
    results: list[Result] = []
    for script in picked(scripts, body.only):
        if time.perf_counter() - began > PLAYING_S:
            text = f"only {len(results):,} tests were played in {PLAYING_S:.0f} s; send fewer"
            raise refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, "$.tests")
        results.append(rehearsal.play(script))
    return report_of("", results, time.perf_counter() - began)


def _check_names(tests: Mapping[str, Any]) -> None:
    """Refuse files that would not be read from a folder by such a name. Raises AuthorError."""
    fix = f"call it {TESTS_FOLDER}/<name>.yaml"
    misnamed = [
        Mistake(name, "$", "no file of a folder is called that", fix)
        for name in tests
        if not name.startswith(f"{TESTS_FOLDER}/") or not is_document(name.partition("/")[2])
    ]
    if misnamed:
        raise AuthorError(misnamed)


def _fold(call: Call) -> Reply:
    body: EventsBody = call.body
    system = call.system
    source = checked(system.draft(body.draft), system.operator).source

    def start(out: str) -> Folding:
        with (Path(out) / EVENTS).open("wb") as file:
            file.writelines(_line_of(each) for each in body.events)
        return Folding(
            place=system.place(out),
            source=source,
            consent_all=body.consent == "all",
            bytes_max=RESULT_BYTES_MAX,
        )

    return Reply(system.jobs.begin(call.caller.name, "events", start), HTTPStatus.ACCEPTED)


def _line_of(event: Raw) -> bytes:
    """Return an event on one line, whatever way it was written."""
    return msgspec.json.format(bytes(event), indent=-1) + b"\n"


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/tests",
        scope="publish",
        summary="Play tests with a draft, in simulated time; nothing is sent.",
        handle=_play,
        body=ScenariosBody,
        answer=ScenarioReport,
        what="test",
        limit_s=LONG_S,
    ),
    Endpoint(
        method="POST",
        path="/v1/replays/events",
        scope="publish",
        summary="Begin to fold events with a draft, in simulated time; the job says what came.",
        handle=_fold,
        body=EventsBody,
        body_bytes_max=EVENTS_BYTES_MAX,
        answer=Job,
        status=HTTPStatus.ACCEPTED,
        what="replay events",
    ),
)
