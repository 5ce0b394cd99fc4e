"""Plays one seed: a world, its harms, and the verdict."""

import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random

from msgspec import Struct

from tests.chaos.erased import erased_wrong, verify_wrong
from tests.chaos.harms import do_harm, script_of
from tests.chaos.kernel import can_mount
from tests.chaos.replayed import replay_wrong
from tests.chaos.verdict import wrong_in
from tests.chaos.world import WAIT_AGAIN_MS, WAIT_MS, World

WAITS_MS = {
    "hello": {"mail": 0},
    "slow": {"mail": WAIT_MS, "mail2": WAIT_MS + WAIT_AGAIN_MS},
}
PAUSE_S = 0.7
CLOCK_SLACK_MS = 2_000


class Report(Struct, kw_only=True):
    """What one seed came to."""

    seed: int
    ways: list[str]
    """How its world was made: `file` or `smtp`, and `small disk`."""
    harms: list[str]
    acknowledged: int
    unacknowledged: int
    refused: dict[int, int]
    """Requests by status."""
    retries: int
    messages: int
    erased: int
    """Contacts."""
    refused_erased: int
    """Events that came late of them."""
    seconds: float
    wrong: list[str]
    """Empty where every promise was kept."""
    folder: str = ""
    """What is left of it, where it is not green."""


def play(seed: int) -> Report:
    """Play a seed: its harms, in a world of its own, and the verdict."""
    random = Random(seed)
    smtp, small_disk = random.random() < 0.3, random.random() < 0.4
    script = script_of(random, small_disk=small_disk)
    return play_script(seed, script, smtp=smtp, small_disk=small_disk)


def play_script(seed: int, script: Iterable[str], *, smtp: bool, small_disk: bool) -> Report:
    """Do these harms, with the seed's own choices in each, and judge."""
    began = time.monotonic()
    random = Random(seed)
    folder = Path(tempfile.mkdtemp(prefix=f"anlass-chaos-{seed}-"))
    small_disk = small_disk and can_mount(folder / "probe")
    world = World(folder, random, smtp=smtp, small_disk=small_disk)
    wrong = []
    try:
        with world:
            for name in script:
                time.sleep(random.expovariate(1 / PAUSE_S))
                do_harm(world, name, random)
            time.sleep(PAUSE_S)
            ending = time.monotonic()
            wrong = world.end()
            judging = time.monotonic()
            wrong += judge(world)
            took = f"end {judging - ending:.1f} s, verdict {time.monotonic() - judging:.1f} s"
            world.notes.append(took)
    except Exception as error:  # noqa: BLE001 - a world that breaks is a verdict too
        wrong.append(f"{type(error).__name__}: {error}")
    connections = world.ledger.connections
    report = Report(
        seed=seed,
        ways=["smtp" if smtp else "file", *["small disk"] * small_disk],
        harms=world.notes,
        acknowledged=world.ledger.acknowledged,
        unacknowledged=sum(len(each.begun) for each in connections) - world.ledger.acknowledged,
        refused=dict(sorted(world.ledger.refused.items())),
        retries=world.ledger.retries,
        messages=world.messages,
        erased=len(world.erasures.done),
        refused_erased=world.ledger.refused_erased,
        seconds=round(time.monotonic() - began, 1),
        wrong=wrong,
    )
    if wrong:
        (folder / "said").write_text("".join(world.system.lines))
        report.folder = str(folder)
    else:
        shutil.rmtree(folder)
    return report


def judge(world: World) -> list[str]:
    """Return what is wrong with a world that was stopped."""
    ended_ms = world.clock.now_ms()  # Judging takes a minute on a busy machine.
    erased = world.erasures.begun
    message_ids = None
    if world.mailbox is not None:
        addresses = world.mailbox.addresses
        message_ids = [
            id for id in world.mailbox.message_ids if addresses[id].partition("@")[0] not in erased
        ]
    at_rest = world.at_rest
    if erased:  # The log does not tell any more whose sessions ended.
        at_rest = {name: count for name, count in at_rest.items() if name != "sessions_ended"}
    history, wrong = wrong_in(
        world.data, world.ledger.connections, WAITS_MS, message_ids, at_rest,
        snapshots=True, erased=erased,
    )  # fmt: skip
    wrong += [*erased_wrong(world.data, erased), *verify_wrong(world.data)]
    wrong += replay_wrong(world.data)
    ahead_ms = history.latest_ms - max(world.clock.latest_ms, ended_ms)
    if not -CLOCK_SLACK_MS - 60_000 < ahead_ms <= 0:
        wrong.append(f"the log's latest moment is {ahead_ms} ms ahead of the clock's")
    world.messages = len(history.sent)
    return wrong
