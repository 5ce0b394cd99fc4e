"""How the system is, what it was sent, and what was changed through this API."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from console.control.audit import AuditLine
from console.control.endpoint import Call, Endpoint, no_such
from console.events import EventLine, EventReport, line_of, report_of, sightings_of
from console.status import SystemStatus, status_of
from engine.author import nearest
from engine.sighting import Sightings

LINES_MAX: Final = 1_000
NUMBER_MAX: Final = 1 << 53


class AuditQuery(Struct, forbid_unknown_fields=True):
    """Which part of the log."""

    before: Annotated[int, Meta(ge=1, le=NUMBER_MAX)] = NUMBER_MAX
    """Only changes with numbers below: to go on behind a page."""
    limit: Annotated[int, Meta(ge=1, le=LINES_MAX)] = 100


class EventNames(Struct, kw_only=True):
    """The event names that were seen, the latest first."""

    events: list[EventLine]
    names_dropped: int
    """How often a name was let go, as there were more than are kept."""
    uncounted: int
    """Inputs that came too fast to be counted by name."""
    faults: list[str]
    """What could not be had, and why."""


def _status(call: Call) -> SystemStatus:
    system = call.system
    system.running()
    return system.wait(lambda: status_of(system.data, system.key_file))


def _events(call: Call) -> EventNames:
    seen, faults = _seen(call)
    lines = [line_of(name, sighting) for name, sighting in seen.events.items()]
    lines.sort(key=lambda line: (-line.last_ms, line.name))
    return EventNames(
        events=lines, names_dropped=seen.names_dropped, uncounted=seen.uncounted, faults=faults
    )


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
    return system.wait(lambda: sightings_of(system.data, system.key_file))


def _audit(call: Call) -> list[AuditLine]:
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
        summary="Who asked for which change when, and what came of it, the latest first.",
        handle=_audit,
        query=AuditQuery,
        answer=list[AuditLine],
    ),
)
