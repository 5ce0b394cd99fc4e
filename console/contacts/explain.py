"""The command `anlass explain`: why a contact got its messages, and why it did not get others."""

import time
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from msgspec import Struct
from rich.text import Text

from actors.errors import UnknownError
from actors.frame import Frame
from actors.kept.kept import StorePlace
from actors.kept.opening import publications_of
from actors.kept.past import Begin, Past
from console.contacts.imprint import Imprints
from console.contacts.show import unknown_contact
from console.contacts.story import InputTold, StateNote, Story, StoryEntry
from console.contacts.story_words import QUIET, Line, Teller
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
from console.screen import console, progress_bar
from engine.contacts.zone import zone_for
from engine.language.author import nearest
from engine.trace import Trace

BAR_EVERY: Final = 100
"""The bar moves once in so many frames."""


class Explanation(Struct, kw_only=True):
    """A contact's story, as far back as its store goes."""

    contact: str
    zone: str
    """Of its local times."""
    begin: Begin
    entries: list[StoryEntry]


def explain(  # noqa: PLR0913, PLR0917 - the options of a command
    contact: Annotated[
        str, typer.Argument(metavar="CONTACT", help="Its id, or `anonymous/` and anonymous id.")
    ],
    data: Data = Path("data"),
    journey: Annotated[
        str, typer.Option(help="Only what concerns this journey, and what led to it.")
    ] = "",
    since: Annotated[str, typer.Option(help="From this moment on, ISO or epoch ms.")] = "",
    key_file: KeyFile = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Tell a contact's story: each message and each that there is none, with all that made it so.

    From archive, log and snapshots alone; the system may run.
    """
    if control:
        client = ControlClient(control, control_key)
        path = f"/v1/contacts/{part(contact)}/explain"
        told_there(client, path, json=json, journey=journey, since=since)
        return
    since_ms = moment_ms(since, "--since") if since else 0
    place = store_place(data, redis, redis_prefix, redis_ca, archive)
    found = explanation_of(place, contact, key_file, journey)
    found.entries = narrowed(found.entries, journey, since_ms)
    if json:
        print_json(found)
    else:
        show_explanation(found)


def explanation_of(
    data: StorePlace, contact: str, key_file: Path | None = None, journey: str = ""
) -> Explanation:
    """Fold a contact's past again and tell all of it. Raises UnknownError, LogCorruptError.

    A journey that is neither in force nor told of is unknown, too.
    """
    trace = Trace()
    past = Past(data, contact, key_file, trace)
    notes = publications_of(data, key_file).notes()
    story = Story(Imprints(notes, by_time=not past.simulated))
    with progress_bar() as bar:
        task = bar.add_task("reading the log", total=None, rate=0.0)
        began, frames, records = time.perf_counter(), 0, 0

        def advance(frame: Frame) -> None:
            nonlocal frames, records
            frames, records = frames + 1, records + len(frame.records)
            if frames % BAR_EVERY == 0:
                rate = records / (time.perf_counter() - began)
                bar.update(task, completed=records, rate=rate)

        for applied in past.walk(progress=advance):
            story.take(applied, trace)
    partition = past.partition
    kept = partition.contact(contact)
    rules = partition.programs.rules
    zone: ZoneInfo = rules.zone if kept is None else zone_for(kept, rules)
    entries = story.entries
    if kept is None and not any(_is_own(each) for each in entries):
        raise unknown_contact(contact)
    journeys = {*partition.programs.by_journey, *(each.journey for each in entries)} - {""}
    if journey and journey not in journeys:
        text = f"no journey {journey!r} is in force, and none is told of"
        raise UnknownError(f"{text}; {nearest(journey, sorted(journeys))}")
    return Explanation(contact=contact, zone=zone.key, begin=past.begin, entries=entries)


def narrowed(entries: list[StoryEntry], journey: str, since_ms: int) -> list[StoryEntry]:
    """Return the entries of a journey from a moment on, each with the input or timer it is of."""
    kept: list[StoryEntry] = []
    head: list[StoryEntry] = []
    for entry in entries:
        if entry.is_head:
            head = [entry]
        if entry.at_ms < since_ms:
            continue
        if not journey:
            kept.append(entry)
        elif entry.journey == journey:
            kept += [each for each in head if each is not entry] + [entry]
            head = []
    return kept


def show_explanation(found: Explanation) -> None:
    """Print a story, by day."""
    teller = Teller(ZoneInfo(found.zone))
    console.print(Text(f"{found.contact}, times of {found.zone}", style="bold"))
    if found.begin.from_snapshot:
        when = teller.moment(found.begin.now_ms)
        text = f"The archive goes back to {when}; of what was before, only its state then is known."
        console.print(Text(text, style="italic"), soft_wrap=True)
    day = ""
    first = next((i for i, each in enumerate(found.entries) if _is_own(each)), 0)
    if not found.entries:
        console.print(Text("Nothing is told of that.", style="italic"))
    for line in teller.lines(found.entries[first:]):  # Not what was published long before.
        if teller.day(line.at_ms) != day:
            day = teller.day(line.at_ms)
            console.print(Text(f"\n{day}", style="bold underline"))
        console.print(_row(line, teller), soft_wrap=True)


def _row(line: Line, teller: Teller) -> Text:
    row = Text(f"  {'' if line.inner else teller.time(line.at_ms):<8}  ", style=QUIET)
    row.append("  " if line.inner else "")
    if line.journey and line.text.startswith(line.journey):
        row.append(line.journey, style=f"bold {line.style}".strip())
        row.append(line.text.removeprefix(line.journey), style=line.style)
    else:
        row.append(line.text, style=line.style)
    return row


def _is_own(entry: StoryEntry) -> bool:
    """Say whether an entry is the contact's: publishes are told to each of them."""
    published = isinstance(entry.input, InputTold) and entry.input.what == "publish"
    return not published and not isinstance(entry.note, StateNote)
