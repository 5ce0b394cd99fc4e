"""How the system is, what it was sent, and what was changed through this API."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from actors.errors import OperatorError
from actors.kept.opening import store_of
from console.control.endpoint import Call, Endpoint, no_such
from console.control.faults import refused
from console.journeys.audit import AuditLine
from console.reports.cluster_status import cluster_status_of, system_status_of
from console.reports.events import EventNames, EventReport, names_of, report_of, sightings_of
from console.reports.numbers import Asked, NumbersReport, numbers_of
from console.reports.numbers_screen import asked_for
from console.reports.status import SystemStatus, status_of
from engine.language.author import nearest
from engine.seen.sighting import Sightings

NAME_CHARS_MAX: Final = 128
LINES_MAX: Final = 1_000
NUMBER_MAX: Final = 1 << 53


class AuditQuery(Struct, forbid_unknown_fields=True):
    """Which part of the log."""

    before: Annotated[int, Meta(ge=1, le=NUMBER_MAX)] = NUMBER_MAX
    """Only changes with numbers below: to go on behind a page."""
    limit: Annotated[int, Meta(ge=1, le=LINES_MAX)] = 100


class NumbersQuery(Struct, forbid_unknown_fields=True):
    """Which numbers."""

    journey: Annotated[str, Meta(max_length=NAME_CHARS_MAX)] = ""
    """Only of this one."""
    since: Annotated[str, Meta(max_length=64)] = ""
    """How long ago, `7d`, or a moment, `2026-03-02T10:00` (UTC); empty: all there was."""
    by: Literal["", "minute", "hour", "day"] = ""
    """Spans of the course; empty: as fits."""


def _status(call: Call) -> SystemStatus:
    system = call.system
    running = system.running()
    place = system.store
    if isinstance(place, Path):
        return system.wait(lambda: status_of(place, system.key_file))
    whole = system.wait(lambda: cluster_status_of(place.redis, place.keys, place.archive))
    return system_status_of(whole, running, store_of(place).clock)


def _numbers(call: Call) -> NumbersReport:
    system, query = call.system, call.query
    system.running()
    try:
        asked = asked_for(query.journey, query.since, query.by)
    except OperatorError as error:
        raise refused(HTTPStatus.BAD_REQUEST, str(error).removeprefix("--"), "since") from None
    found = system.wait(lambda: numbers_of(system.store, asked, system.key_file))
    if query.journey and not found.journeys:
        whole = system.wait(lambda: numbers_of(system.store, Asked(), system.key_file))
        known = [each.journey for each in whole.journeys]
        raise no_such(f"there is no journey {query.journey!r}; {nearest(query.journey, known)}")
    return found


def _events(call: Call) -> EventNames:
    seen, faults = _seen(call)
    return names_of(seen, faults)


def _event(call: Call) -> EventReport:
    seen, _ = _seen(call)
    name = call.path["name"]
    sighting = seen.events.get(name)
    if sighting is None:
        raise no_such(f"no event {name!r} was seen yet; {nearest(name, [*seen.events])}")
    return report_of(name, sighting)


def _seen(call: Call) -> tuple[Sightings, list[str]]:
    system = call.system
    system.running()
    return system.wait(lambda: sightings_of(system.store, system.key_file))


def _audit(call: Call) -> list[AuditLine]:
    call.system.refusals.write()
    return call.system.audit.lines(call.query.before, call.query.limit)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/status",
        scope="read",
        summary="How each shard is; takes a second.",
        handle=_status,
        answer=SystemStatus,
    ),
    Endpoint(
        method="GET",
        path="/v1/numbers",
        scope="read",
        summary="How many visits and messages there are by journey and node, and conversions.",
        handle=_numbers,
        query=NumbersQuery,
        answer=NumbersReport,
    ),
    Endpoint(
        method="GET",
        path="/v1/events",
        scope="read",
        summary="The event names that were seen.",
        handle=_events,
        answer=EventNames,
    ),
    Endpoint(
        method="GET",
        path="/v1/events/{name}",
        scope="read",
        summary="The fields of an event as they were seen, and which operators fit.",
        handle=_event,
        answer=EventReport,
    ),
    Endpoint(
        method="GET",
        path="/v1/audit",
        scope="operate",
        summary="Who asked for which change when, and what came of it; and who was refused.",
        handle=_audit,
        query=AuditQuery,
        answer=list[AuditLine],
    ),
)
