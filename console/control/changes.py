"""Changes: the draft, what publishing it would do, and what puts something in force."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from console.control.draft import Draft, checked
from console.control.endpoint import LONG_S, Call, Endpoint
from console.control.faults import RefusedError, fault_of, refused
from console.journeys.diff import Diff
from console.journeys.publication import (
    ENTRIES_S,
    Considered,
    Make,
    Maps,
    Request,
    considered,
    of_draft,
    roll_back_words,
    to_older,
    to_state,
)
from console.journeys.validation import Checked, checked_of
from console.remote.field_words import in_fields
from console.reports.events import sightings_of
from engine.fold.succession import State

DAYS_MAX: Final = 400
NOTE_CHARS_MAX: Final = 1_000

InFlight = Literal["follow", "stay", "migrate"]
Note = Annotated[str, Meta(max_length=NOTE_CHARS_MAX)]
Number = Annotated[int, Meta(ge=0, le=10**9)]


Days = Annotated[int, Meta(ge=0, le=DAYS_MAX)]
"""Say who would have entered in so many days, by folding the log again; 0: do not."""


class DiffBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """A draft that might be published."""

    draft: Draft | None = None
    """Left out: the draft that is kept."""
    in_flight: InFlight = "follow"
    map: Maps = {}
    """Of a journey: visits at this node go to that one."""
    days: Days = 0


class PublishBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """A draft to publish."""

    draft: Draft | None = None
    """Left out: the draft that is kept."""
    in_flight: InFlight = "follow"
    map: Maps = {}
    days: Days = 0
    note: Note = ""
    after: Number | None = None
    """Only if this is the number of the last publication still; else 409."""
    dry: bool = False
    """Say what it would do, and do not."""


class StateBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """Why a journey's state changes."""

    note: Note = ""
    after: Number | None = None
    dry: bool = False


class RollBackBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """To what."""

    to: Number
    """A version of the journey; or a publication, of all."""
    journey: str | None = None
    in_flight: InFlight = "follow"
    map: Maps = {}
    days: Days = 0
    note: Note = ""
    after: Number | None = None
    dry: bool = False


Body = PublishBody | StateBody | RollBackBody


def _get_draft(call: Call) -> Draft:
    return call.system.drafts.read()


def _put_draft(call: Call) -> Checked:
    found = _validate(call)
    call.system.drafts.write(call.body)
    return found


def _validate(call: Call) -> Checked:
    system = call.system
    folder = checked(call.body, system.operator)
    seen, faults = system.wait(lambda: sightings_of(system.data, system.key_file))
    return checked_of(folder, seen, tuple(faults))


def _diff(call: Call) -> Considered:
    body: DiffBody = call.body
    make = of_draft(call.system.source(body.draft), body.in_flight, body.map)
    return _considered(
        call, Request(data=call.system.store, what="diff", make=make, days=body.days)
    )


def _publish(call: Call) -> Considered:
    body: PublishBody = call.body
    make = of_draft(call.system.source(body.draft), body.in_flight, body.map)
    return _change(call, "publish", make)


def _roll_back(call: Call) -> Considered:
    body: RollBackBody = call.body
    publications = call.system.publications()
    make = to_older(publications, body.journey, body.to, body.in_flight, body.map)
    return _change(call, "roll-back", make)


def _set_state(what: str, state: State, call: Call) -> Considered:
    return _change(call, what, to_state(call.path["journey"], state))


def _change(call: Call, what: str, make: Make) -> Considered:
    """Publish; or say what stands in the way. Raises RefusedError."""
    body: Body = call.body
    system = call.system
    with system.changing():
        notes = system.notes()
        last = notes[-1].number if notes else 0
        if body.after is not None and body.after != last:
            text = f"publication {last} is in force, not {body.after}; look at what it changed"
            raise refused(HTTPStatus.CONFLICT, text, "$.after")
        request = Request(data=system.store, what=what, make=make, note=body.note)
        if not isinstance(body, StateBody):
            request.days, request.most_s = body.days, ENTRIES_S
        found = _considered(call, request, publish=not body.dry)
    if found.problems and not body.dry:
        raise RefusedError(HTTPStatus.CONFLICT, *map(fault_of, found.problems))
    return found


def _considered(call: Call, request: Request, *, publish: bool = False) -> Considered:
    system = call.system
    system.running()
    problems: list[str] = []

    def agreed(_: Diff, found: list[str]) -> bool:
        problems.extend(map(in_fields, found))
        return publish and not found

    request.by, request.key_file = call.caller.name, system.key_file
    diff, said = system.wait(lambda: considered(request, agreed))
    return Considered(diff=diff, problems=problems, published=said)


def _journey_of(call: Call) -> str:
    return call.path["journey"]


def _state_endpoint(what: str, state: State, summary: str) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/v1/journeys/{{journey}}/{what}",
        scope="publish",
        summary=summary,
        handle=partial(_set_state, what, state),
        body=StateBody,
        answer=Considered,
        what=what,
        about=_journey_of,
        limit_s=LONG_S,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/draft",
        scope="read",
        summary="The draft that is kept.",
        handle=_get_draft,
        answer=Draft,
    ),
    Endpoint(
        method="PUT",
        path="/v1/draft",
        scope="publish",
        summary="Check a draft, and keep it in the place of the one before.",
        handle=_put_draft,
        body=Draft,
        answer=Checked,
        what="draft",
    ),
    Endpoint(
        method="POST",
        path="/v1/validate",
        scope="read",
        summary="Check a draft: every mistake of every file at once, with path and fix.",
        handle=_validate,
        body=Draft,
        answer=Checked,
    ),
    Endpoint(
        method="POST",
        path="/v1/diff",
        scope="read",
        summary="What publishing a draft would change, with numbers from the live state.",
        handle=_diff,
        body=DiffBody,
        answer=Considered,
        limit_s=LONG_S,
    ),
    Endpoint(
        method="POST",
        path="/v1/publish",
        scope="publish",
        summary="Put a draft in force.",
        handle=_publish,
        body=PublishBody,
        answer=Considered,
        what="publish",
        limit_s=LONG_S,
    ),
    _state_endpoint("pause", "paused", "Let a journey's entries and due nodes wait."),
    _state_endpoint("resume", "live", "Let a paused journey go on, or take an ended one up again."),
    _state_endpoint("end", "ended", "End all visits of a journey, and let nobody in any more."),
    Endpoint(
        method="POST",
        path="/v1/roll-back",
        scope="publish",
        summary="Publish what an older version said, under a new number.",
        handle=_roll_back,
        body=RollBackBody,
        answer=Considered,
        what="roll-back",
        about=lambda call: roll_back_words(call.body.journey, call.body.to),
        limit_s=LONG_S,
    ),
)
