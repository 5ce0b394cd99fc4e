"""Plays one seed on a cluster: a world, its harms, and the verdict."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

from tests.chaos.cluster_harms import cluster_script_of, do_cluster_harm, slow_link
from tests.chaos.cluster_verdict import wrong_in_cluster
from tests.chaos.cluster_world import ClusterWorld
from tests.chaos.play import WAITS_MS, Report
from tests.chaos.ray_nodes import RayNodes
from tests.system.other_machine import NoMachineError, other_machine

PAUSE_S = 1.0
JOINED = 0.6
"""Part of the seeds with several nodes and members."""
APART = slow_link.__name__
"""What takes another machine."""


def play_cluster(seed: int, nodes: RayNodes, harms: Sequence[str] = ()) -> Report:
    """Play a seed: its harms, or these instead, in a cluster of its own, and the verdict.

    Some join `nodes`, which stay for the next seed where all went well.
    """
    random = Random(seed)
    joined, replicas = random.random() < JOINED, random.choice([0, 1])
    smtp = joined or random.random() < 0.3
    script = harms or cluster_script_of(random)
    where = nodes if joined else None
    if APART in script:
        nodes.close()
        return _play_apart(seed, script, replicas)
    report = play_cluster_script(seed, script, smtp=smtp, replicas=replicas, nodes=where)
    if report.wrong:
        nodes.close()
    return report


def _play_apart(seed: int, script: Sequence[str], replicas: int) -> Report:
    """Play a script with one of two nodes on another machine, where one can be had."""
    with contextlib.ExitStack() as stack:
        machine = None
        with contextlib.suppress(NoMachineError):
            machine = stack.enter_context(other_machine())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        nodes = stack.enter_context(RayNodes(Path(folder), machine))
        return play_cluster_script(seed, script, smtp=True, replicas=replicas, nodes=nodes)


def play_cluster_script(
    seed: int, script: Iterable[str], *, smtp: bool, replicas: int, nodes: RayNodes | None
) -> Report:
    """Do these harms, with the seed's own choices in each, and judge; see ClusterWorld.

    `smtp` is needed where there are nodes: two members would write two files.
    """
    began = time.monotonic()
    random = Random(seed)
    folder = Path(tempfile.mkdtemp(prefix=f"anlass-chaos-{seed}-"))
    world = ClusterWorld(folder, random, smtp=smtp, replicas=replicas, nodes=nodes)
    wrong: list[str] = []
    try:
        with world:
            started = time.monotonic()
            for name in script:
                time.sleep(random.expovariate(1 / PAUSE_S))
                do_cluster_harm(world, name, random)
            time.sleep(PAUSE_S)
            ending = time.monotonic()
            wrong = world.end()
            judging = time.monotonic()
            ids = None if world.mailbox is None else world.mailbox.message_ids
            history, found = wrong_in_cluster(world.here, world.ledger.connections, WAITS_MS, ids)
            wrong += found
            if wrong:
                world.keep_store()
            world.messages = len(history.sent)
            judged = time.monotonic()
        spans = {
            "start": started - began,
            "harms": ending - started,
            "end": judging - ending,
            "verdict": judged - judging,
            "close": time.monotonic() - judged,
        }
        world.notes.append(", ".join(f"{name} {span:.1f} s" for name, span in spans.items()))
    except Exception as error:  # noqa: BLE001 - a world that breaks is a verdict too
        wrong.append(f"{type(error).__name__}: {error}")
    connections = world.ledger.connections
    report = Report(
        seed=seed,
        ways=[
            "own Ray" if nodes is None else "joined" if world.machine is None else "apart",
            "smtp" if smtp else "file",
            f"{replicas} replicas waited for",
        ],
        harms=world.notes,
        acknowledged=world.ledger.acknowledged,
        unacknowledged=sum(len(each.begun) for each in connections) - world.ledger.acknowledged,
        refused=dict(sorted(world.ledger.refused.items())),
        retries=world.ledger.retries,
        messages=world.messages,
        erased=0,
        refused_erased=0,
        seconds=round(time.monotonic() - began, 1),
        wrong=wrong,
    )
    if wrong:
        for number, member in enumerate(world.members):
            (folder / f"said-{number}").write_text("".join(member.lines))
        report.folder = str(folder)
    else:
        shutil.rmtree(folder)
    return report
