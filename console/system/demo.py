"""Demo: the whole system on a stream of shop events, in a folder of its own, and a summary."""

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from actors.errors import OperatorError
from actors.shards.tally import Durations, merge_tallies
from console.replay.logbook import outcomes_in
from console.replay.replay import RUN_ON_MS, write_outcomes
from engine.decision import SENT, Outcome
from engine.limits import FAR_MS
from ingest.readers import Chunk, LineRejection
from ingest.sender import Sender, SendReport

if TYPE_CHECKING:  # It imports Ray, which takes most of a second.
    from console.system.run import System

LAST_MS: Final = FAR_MS - 1
"""The end of simulated time."""

OUTCOMES_FILE: Final = "outcomes.jsonl"
DELIVERY_S: Final = 60.0
"""How long the courier may take for what is left, once all events are in."""

SHOWN_MESSAGES: Final = 3


class DemoReport(Struct, kw_only=True):
    """What a demo came to."""

    events: int
    accepted: int
    repeated: int
    rejected: int
    failed: int
    contacts: int
    sessions: int
    outcomes: dict[str, dict[str, int]]
    decision_us: dict[str, float]
    ack_ms: dict[str, float]
    events_per_s: float
    wall_s: float
    log_bytes: int
    commits: int
    messages: list[dict[str, Any]]
    """A few, as their contacts would read them."""
    folder: str
    rejections: list[LineRejection]
    """Of those refused the first few, each with its line in the file."""


async def play(
    system: "System", chunks: Iterable[Chunk], folder: Path, progress: Callable[[SendReport], None]
) -> DemoReport:
    """Send chunks through the gateway of a started system, let time run out, and sum up."""
    began = time.perf_counter()
    sent = await Sender(system.url).send(chunks, progress)
    wall_s = time.perf_counter() - began
    if sent.error:
        raise OperatorError(sent.error)
    await system.cluster.run_out(last_ms(await system.cluster.status()))
    statuses = await _settled(system)
    outcomes = outcomes_in(folder)
    write_outcomes(folder / OUTCOMES_FILE, outcomes.values())
    decisions = Durations()
    for status in statuses:
        decisions.merge(status["decision_ns_counts"])
    posted = sent.accepted + sent.repeated
    return DemoReport(
        events=posted + sent.rejected,
        accepted=sent.accepted,
        repeated=sent.repeated,
        rejected=sent.rejected,
        failed=sum(status["events_failed"] for status in statuses),
        contacts=sum(status["contacts"] for status in statuses),
        sessions=sum(status["sessions_ended"] for status in statuses),
        outcomes=merge_tallies([status["outcomes"] for status in statuses]),
        decision_us={
            name: round(decisions.quantile_ns(ratio) / 1000, 1)
            for name, ratio in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
        },
        ack_ms={
            name: round(sent.latency_ms(ratio), 2) for name, ratio in (("p50", 0.5), ("p99", 0.99))
        },
        events_per_s=round(posted / wall_s),
        wall_s=round(wall_s, 2),
        log_bytes=sum(status["log_bytes"] for status in statuses),
        commits=sum(status["commits"] for status in statuses),
        messages=sample_messages(folder / "messages.jsonl", outcomes),
        folder=str(folder),
        rejections=sent.rejections,
    )


def last_ms(statuses: list[dict[str, Any]]) -> int:
    """Return how far time runs on: schedules have no end, so not for ever where there are any."""
    if any(status["timed"] for status in statuses):
        return max(int(status["now_ms"]) for status in statuses) + RUN_ON_MS
    return LAST_MS


async def _settled(system: "System") -> list[dict[str, Any]]:
    """Wait until every message is with its channel; return how the shards are then."""
    end = time.monotonic() + DELIVERY_S
    while True:
        statuses = await system.cluster.status()
        if not any(status["outbox"] for status in statuses):
            return statuses
        if time.monotonic() > end:
            waiting = sum(status["outbox"] for status in statuses)
            raise OperatorError(f"{waiting} messages did not reach their channel in {DELIVERY_S} s")
        await asyncio.sleep(0.05)


def sample_messages(path: Path, outcomes: dict[str, Outcome]) -> list[dict[str, Any]]:
    """Pick messages to show: of each journey one, then of further languages."""
    chosen: list[dict[str, Any]] = []
    kinds: set[tuple[str, str]] = set()
    if not path.is_file():
        return chosen
    with path.open("rb") as file:
        for line in file:
            message = msgspec.json.decode(line)
            journeys = {kind[0] for kind in kinds}
            kind = (message["journey"], message["language"])
            sent = outcomes.get(message["key"])
            if sent is None or sent.outcome != SENT or kind in kinds:
                continue
            wanted = {outcome.journey for outcome in outcomes.values()} - journeys
            if kind[0] in wanted or not wanted:
                chosen.append(message)
                kinds.add(kind)
            if len(chosen) == SHOWN_MESSAGES:
                break
    return chosen
