"""The command `anlass events`: what event names and fields were seen, and which operators fit."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from actors.errors import OperatorError, UnknownError
from actors.kept.kept import StorePlace
from actors.kept.opening import open_kept
from actors.kept.served import served_store
from actors.links.credentials import Credentials
from actors.links.link import AskSightings, LinkClient, LinkError, Seen
from console.options import (
    ArchiveUrl,
    AsJson,
    Data,
    KeyFile,
    Keys,
    Redis,
    RedisCa,
    RedisPrefix,
    print_json,
    store_place,
)
from console.remote.client import Control, ControlClient, ControlKeyOption, part
from console.screen import console, errors
from engine.language.author import nearest
from engine.seen.sighting import EventSighting, FieldSighting, Sightings, merged, operators_for

ANSWER_S: Final = 3.0
"""How long a shard may take to answer before it counts as one that does not."""


class EventLine(Struct, kw_only=True):
    """One event name, as it was seen. Moments are epoch milliseconds, UTC."""

    name: str
    count: int
    """Events in the log since the record began, repeats too."""
    first_ms: int
    last_ms: int
    fields: int


class EventNames(Struct, kw_only=True):
    """The event names that were seen, the latest first."""

    events: list[EventLine]
    names_dropped: int
    """How often a name was let go, as there were more than are kept."""
    uncounted: int
    """Inputs that came too fast to be counted by name."""
    faults: list[str]
    """What could not be had, and why."""


class FieldLine(Struct, kw_only=True):
    """One field of an event's payload, as it was seen."""

    field: str
    types: dict[str, int]
    """How often each was seen, among the events that were looked into."""
    low: float | None
    high: float | None
    """Of its numbers, rounded outward to two digits."""
    samples: list[str]
    """Texts that several contacts have told."""
    operators: list[str]


class EventReport(Struct, kw_only=True):
    """All that was seen of one event name."""

    name: str
    count: int
    first_ms: int
    last_ms: int
    looked: int
    """Events of which the payload was looked into."""
    more_fields: bool
    """Whether there were more fields than are kept."""
    fields: list[FieldLine]


def events(  # noqa: PLR0913, PLR0917 - the options of a command
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show the fields of this event.")
    ] = None,
    data: Data = Path("data"),
    key_file: KeyFile = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    keys: Keys = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """List the event names that were seen; of one name, its fields, and which operators fit."""
    if control:
        client = ControlClient(control, control_key)
        if name is None:
            _tell_names(client.ask("GET", "/v1/events", EventNames), json=json)
        else:
            _tell_event(client.ask("GET", f"/v1/events/{part(name)}", EventReport), json=json)
        return
    place = store_place(data, redis, redis_prefix, redis_ca, archive, keys)
    seen, faults = uvloop.run(sightings_of(place, key_file))
    if name is None:
        _tell_names(names_of(seen, faults), json=json)
        return
    for fault in faults:
        errors.print(Text(fault), soft_wrap=True)
    sighting = seen.events.get(name)
    if sighting is None:
        raise UnknownError(f"no event {name!r} was seen yet; {nearest(name, list(seen.events))}")
    _tell_event(report_of(name, sighting), json=json)


def _tell_names(found: EventNames, *, json: bool) -> None:
    for fault in found.faults:
        errors.print(Text(fault), soft_wrap=True)
    if json:
        print_json(found.events)
    else:
        show_names(found)


def _tell_event(report: EventReport, *, json: bool) -> None:
    if json:
        print_json(report)
    else:
        show_event(report)


async def sightings_of(
    data: StorePlace, key_file: Path | None = None
) -> tuple[Sightings, list[str]]:
    """Return what all shards have seen, and what could not be had and why.

    By the running shards' own word, else from their files. Raises OperatorError where there is no
    store, or the key is missing.
    """
    served = await asyncio.to_thread(served_store, data)
    if served is not None:
        here, addresses = served.credentials, served.addresses
        asked = await asyncio.gather(*[_ask(each, here) for each in addresses.values()])
        found = dict(zip(addresses, asked, strict=True))
    else:
        found = await asyncio.to_thread(_read, data, key_file)
    faults = [f"shard {slot}: {each}" for slot, each in found.items() if isinstance(each, str)]
    return merged(each for each in found.values() if isinstance(each, Sightings)), faults


def names_of(seen: Sightings, faults: list[str]) -> EventNames:
    """Return the list of names, the latest first."""
    lines = [line_of(name, sighting) for name, sighting in seen.events.items()]
    lines.sort(key=lambda line: (-line.last_ms, line.name))
    return EventNames(
        events=lines, names_dropped=seen.names_dropped, uncounted=seen.uncounted, faults=faults
    )


def line_of(name: str, sighting: EventSighting) -> EventLine:
    """Return one line of the list of names."""
    return EventLine(
        name=name,
        count=sighting.count,
        first_ms=sighting.first_ms,
        last_ms=sighting.last_ms,
        fields=len(sighting.fields),
    )


def report_of(name: str, sighting: EventSighting) -> EventReport:
    """Return what was seen of a name, with the operators that fit."""
    return EventReport(
        name=name,
        count=sighting.count,
        first_ms=sighting.first_ms,
        last_ms=sighting.last_ms,
        looked=sighting.looked,
        more_fields=sighting.more_fields,
        fields=[_field_line(path, field) for path, field in sorted(sighting.fields.items())],
    )


def show_names(found: EventNames) -> None:
    """Print the list of names."""
    if not found.events:
        console.print("No event was seen yet.")
        return
    table = Table()
    for column in ("event", "count", "fields", "last seen (UTC)"):
        table.add_column(column, justify="right" if column in {"count", "fields"} else "left")
    for line in found.events:
        count, fields = f"{line.count:,}", str(line.fields)
        table.add_row(Text(line.name), count, fields, moment_words(line.last_ms))
    console.print(table)
    if found.names_dropped:
        text = f"There were more names than are kept: {found.names_dropped:,} times one was let go."
        console.print(text, soft_wrap=True)
    if found.uncounted:
        text = f"{found.uncounted:,} more inputs came too fast to be counted by name."
        console.print(text, soft_wrap=True)


def show_event(report: EventReport) -> None:
    """Print what was seen of one event."""
    head = f"{report.name}: {report.count:,} events, last {moment_words(report.last_ms)}"
    console.print(Text(f"{head}; {report.looked:,} of them looked into"), soft_wrap=True)
    table = Table()
    for column in ("field", "types", "seen", "operators that fit"):
        table.add_column(column, overflow="fold")
    for line in report.fields:
        range_ = [] if line.low is None else [f"{line.low:,g} to {line.high:,g}"]
        types = sorted(line.types, key=lambda type: -line.types[type])
        table.add_row(
            Text(line.field),
            ", ".join(types),
            Text(", ".join([*range_, *line.samples])),
            " ".join(line.operators),
        )
    console.print(table)
    if report.more_fields:
        console.print("It has more fields than are kept.")


def moment_words(at_ms: int) -> str:
    """Return a moment for a person, to the second, UTC."""
    try:
        return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError):
        return str(at_ms)


def _field_line(path: str, field: FieldSighting) -> FieldLine:
    return FieldLine(
        field=path,
        types=field.types,
        low=field.low,
        high=field.high,
        samples=field.samples,
        operators=operators_for(field.types),
    )


async def _ask(socket: str, here: Credentials | None) -> Sightings | str:
    try:
        async with asyncio.timeout(ANSWER_S):
            client = await LinkClient.connect(socket, here)
            try:
                reply = await client.ask(AskSightings(0))
            finally:
                client.close()
    except TimeoutError:
        return f"no answer within {ANSWER_S:.0f} s"
    except (OSError, LinkError) as error:
        return f"no answer: {error}"
    assert isinstance(reply, Seen)
    return reply.error or reply.sightings


def _read(data: StorePlace, key_file: Path | None) -> dict[int, Sightings | str]:
    found: dict[int, Sightings | str] = {}
    with closing(open_kept(data, key_file)) as kept:
        for slot in kept.slots():
            try:
                found[slot] = kept.sightings(slot) or Sightings()
            except (OperatorError, OSError) as error:
                found[slot] = str(error)
    return found
