"""Start: what a system puts in force as it starts: what its folder says, or what is in force."""

from typing import Final

import msgspec

from actors.errors import OperatorError
from actors.publisher import EMPTY, Publisher
from actors.settings import SystemSettings
from console.journeys.diff import Diff, JourneyLine, diff_of
from engine.fold.succession import nodes_before, nodes_of, source_of
from engine.language.journey import Publication

LISTED_MAX: Final = 10
"""Journeys, and nodes of each, that a refusal names."""
WAYS: Final = """\
Nothing was published. What to do:
- `anlass publish --journeys {folder} {store}`: they go elsewhere (--map JOURNEY:OLD=NEW), go on \
as they are (--in-flight stay), or end
- start with --publish, and they end
- start without --journeys, and what is in force goes on"""
GONE: Final = """
- put back the file of a journey that is gone: without it there is nowhere for its visits to go"""


async def source_at_start(
    publisher: Publisher,
    before: Publication,
    draft: Publication | None,
    settings: SystemSettings,
) -> bytes:
    """Return the source to put in force at a start; without a draft what is in force already.

    Raises OperatorError where a draft would end visits in flight and that is not accepted, and
    where nothing is in force.
    """
    if draft is None:
        if before == EMPTY:
            raise OperatorError("nothing is published here yet; name a folder with --journeys")
        return source_of(before)
    source = await publisher.succession_of(draft)
    if not settings.publish and may_end_visits(before, draft):
        after = msgspec.json.decode(source, type=Publication)
        visits = await publisher.visits(source)
        diff = diff_of(before, after, visits, publisher.known().numbers)
        said = refusal_of(diff)
        if said:
            store = f"--data {settings.data}" if settings.cluster is None else "--control URL"
            ways = WAYS.format(folder=settings.journeys, store=store)
            ways += GONE if any(line.change == "gone" for line in diff.journeys) else ""
            raise OperatorError(f"{settings.journeys}: {said}\n{ways}")
    return source


def may_end_visits(before: Publication, draft: Publication) -> bool:
    """Say whether nodes are gone at which visits may stand: only then are they to be counted."""
    there = nodes_of(draft)
    return any(
        not nodes <= there.get(journey, set()) for journey, nodes in nodes_before(before).items()
    )


def refusal_of(diff: Diff) -> str:
    """Say which visits, and which entries that wait, would end; empty where none would."""
    harmed = [(line, sum(node.ends for node in line.visits)) for line in diff.journeys]
    harmed = [(line, ends) for line, ends in harmed if ends or _ends_queued(line)]
    if not harmed:
        return ""
    total = sum(ends for _, ends in harmed)
    queued = sum(_ends_queued(line) for line, _ in harmed)
    whose = f"{total:,} visits in flight"
    whose += f" and {queued:,} entries that wait" if queued else ""
    lines = [f"to publish this at the start would end {whose}:"]
    lines += [_line(line) for line, _ in harmed[:LISTED_MAX]]
    if len(harmed) > LISTED_MAX:
        lines.append(f"- and of {len(harmed) - LISTED_MAX:,} journeys more")
    return "\n".join(lines)


def _line(line: JourneyLine) -> str:
    nodes = [node for node in line.visits if node.ends]
    places = [f"{node.ends:,} at {node.node}" for node in nodes[:LISTED_MAX]]
    if len(nodes) > LISTED_MAX:
        places.append(f"at {len(nodes) - LISTED_MAX:,} nodes more")
    queued = _ends_queued(line)
    places += [f"{queued:,} that wait to enter"] if queued else []
    return f"- {line.journey} ({line.change}): {', '.join(places)}"


def _ends_queued(line: JourneyLine) -> int:
    return line.queued if line.change == "gone" else 0
