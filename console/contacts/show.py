"""The command `anlass contact show`: what is known of a contact, now or at any moment before."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from actors.errors import OperatorError, UnknownError
from actors.kept.kept import StorePlace
from actors.kept.past import Begin, Past
from console.contacts.held import readable
from console.contacts.story import decode_publication
from console.contacts.story_words import Teller
from console.options import (
    ArchiveUrl,
    AsJson,
    Data,
    KeyFile,
    Redis,
    RedisCa,
    RedisPrefix,
    print_json,
    store_place,
)
from console.remote.client import Control, ControlClient, ControlKeyOption, part, told_there
from console.replay.recorded import moment_ms
from console.reports.standing import Standing, standing_words, standings_of
from console.screen import console
from engine.contacts.contact import Contact, Visit, decode_contact
from engine.contacts.zone import zone_for
from engine.fold.version import is_held
from engine.limits import FAR_MS

MESSAGES_SHOWN = 10


class Known(Struct, kw_only=True):
    """What was known of a contact. Moments are epoch milliseconds, UTC."""

    contact: str
    at_ms: int | None
    """None: now."""
    zone: str
    """Of its local times."""
    journeys: list[Standing]
    """Those that it has visits of, or entries that wait; `queued` are entries of its own."""
    state: dict[str, Any] | None
    """As engine.contacts.contact.Contact names it; None where nothing was known."""


def show(  # noqa: PLR0913, PLR0917 - the options of a command
    contact: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, or `anonymous/` and its anonymous id.")
    ],
    data: Data = Path("data"),
    at: Annotated[str, typer.Option(help="As it was then: a moment, ISO or epoch ms.")] = "",
    key_file: KeyFile = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Show what is known of a contact now, or was known at a moment; the system may run."""
    if control:
        client = ControlClient(control, control_key)
        told_there(client, f"/v1/contacts/{part(contact)}", json=json, at=at)
        return
    at_ms = moment_ms(at, "--at") if at else None
    place = store_place(data, redis, redis_prefix, redis_ca, archive)
    known, kept = known_of(place, contact, at_ms, key_file)
    if kept is None:
        raise unknown_contact(contact, at)
    if json:
        print_json(known)
    else:
        show_contact(kept, known)


def known_of(
    data: StorePlace, contact: str, at_ms: int | None = None, key_file: Path | None = None
) -> tuple[Known, Contact | None]:
    """Fold a contact's past up to a moment, the inputs of its last millisecond included.

    Raises OperatorError where the archive does not go back so far, LogCorruptError.
    """
    until_ms = FAR_MS if at_ms is None else at_ms
    past = Past(data, contact, key_file, near_ms=until_ms)
    _check_reach(past.begin, until_ms, data)
    for _ in past.walk(until_ms):
        past.decisions.clear()
    partition = past.partition
    state = partition.contact_bytes(contact)
    kept = None if state is None else decode_contact(state)
    rules = partition.programs.rules
    zone = rules.zone if kept is None else zone_for(kept, rules)
    told = None if kept is None else readable(kept)
    journeys = [] if kept is None else _journeys(partition.published, kept)
    return Known(contact=contact, at_ms=at_ms, zone=zone.key, journeys=journeys, state=told), kept


def _journeys(published: bytes, kept: Contact) -> list[Standing]:
    if not published:
        return []
    queued = Counter(each.journey for each in kept.queued)
    concerned = {each.journey for each in kept.visits} | queued.keys()
    standings = standings_of(decode_publication(published), queued)
    return [each for each in standings if each.journey in concerned]


def unknown_contact(contact: str, at: str = "") -> UnknownError:
    """Return the error that nothing is known of a contact, at that moment if one was named."""
    when = f" at {at}" if at else ""
    fix = "look for its id in the sender's system, or for `anonymous/` and its anonymous id"
    return UnknownError(f"nothing is known of contact {contact!r}{when}; {fix}")


def _check_reach(begin: Begin, until_ms: int, data: StorePlace) -> None:
    if begin.from_snapshot and begin.now_ms > until_ms:
        text = f"the archive of {data} goes back to {begin.now_ms} (epoch ms) for this contact"
        raise OperatorError(f"--at: {text}; name a later moment")


def show_contact(kept: Contact, known: Known) -> None:
    """Print what is known of a contact."""
    teller = Teller(ZoneInfo(known.zone))
    when = "now" if known.at_ms is None else f"at {teller.moment(known.at_ms)}"
    console.print(Text(f"{kept.key} {when}, times of {known.zone}", style="bold"))
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, lines in _rows(kept, known, teller).items():
        table.add_row(name, "\n".join(lines) or "-")
    console.print(table)


def _rows(kept: Contact, known: Known, teller: Teller) -> dict[str, list[str]]:
    session = kept.session
    return {
        "attributes": [f"{name}: {_json(value)}" for name, value in kept.attributes.items()],
        "consent": [
            f"{name}: {each.level}, {teller.moment(each.at_ms)} by {each.event_id}"
            for name, each in kept.consents.items()
        ],
        "lists": [f"{name} since {teller.moment(at)}" for name, at in kept.lists.items()],
        "segments": [f"{name} since {teller.moment(at)}" for name, at in kept.segments.items()],
        "session": []
        if session is None
        else [
            f"since {teller.moment(session.started_at_ms)}: "
            + ", ".join(f"{count} {name}" for name, count in session.counts.items())
        ],
        "visits": [_visit_words(each, teller) for each in kept.visits],
        "entries that wait": [
            f"{each.journey} on {each.name} {each.event_id}, since {teller.moment(each.since_ms)}"
            for each in kept.queued
        ],
        "journeys": [
            f"{each.journey}: {standing_words(each) or 'live'}" for each in known.journeys
        ],
        "events": [f"{len(past)} {name}" for name, past in kept.history.items()],
        "messages": [
            f"{teller.moment(each.at_ms)} {each.journey} by {each.channel} ({each.key})"
            for each in kept.messages[-MESSAGES_SHOWN:]
        ],
        "on their way": [each.key for each in kept.pending],
    }


def _visit_words(visit: Visit, teller: Teller) -> str:
    """Say where a visit is and until when, or that its time is put off."""
    text = f"{visit.journey} waits at {visit.node}"
    if visit.version:
        text += f" of version {visit.version}"
    if visit.dry:
        text += ", without messages as it is no test contact's"
    if is_held(visit):
        return f"{text}, until the journey is resumed (due {teller.moment(visit.was_due_ms)})"
    return text + (f" until {teller.moment(visit.due_at_ms)}" if visit.due_at_ms < FAR_MS else "")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
