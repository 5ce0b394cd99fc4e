"""Decision time: input decoded -> decisions, the contact thawed each time."""

import gc
import time
from pathlib import Path
from typing import Final

from actors.folder import read_folder
from console.system.simulator import simulate
from engine.contacts.identity import partition_of
from engine.decision import Decision
from engine.input import Event, Publish
from engine.limits import PARTITIONS
from engine.partition import Partition

EXAMPLES: Final = Path(__file__).parent.parent / "examples" / "journeys"
EVENTS: Final = 40_000


def shop_of(decisions: list[Decision], count: int) -> list[tuple[Partition, Event, int]]:
    """Publish all shipped journeys; return simulated shopping: what to fold, where and when."""
    source = read_folder(EXAMPLES).source
    partitions = [Partition(number, decisions) for number in range(PARTITIONS)]
    for partition in partitions:
        partition.fold(Publish(source), 0)
    return [
        (partitions[partition_of(event.contact)], event, event.at_ms or 0)
        for event in simulate(7, count)
    ]


def decision_times_us(*, thaw: bool) -> list[float]:
    """Fold simulated shopping with all shipped journeys live; return each event's time, sorted.

    With `thaw`, every contact is held as bytes before each of its events.
    """
    decisions: list[Decision] = []
    shop = shop_of(decisions, EVENTS)
    times: list[int] = []
    clock = time.perf_counter_ns
    gc.disable()
    for partition, event, at_ms in shop:
        began = clock()
        partition.fold(event, at_ms)
        times.append(clock() - began)
        decisions.clear()
        if thaw:
            partition.cool()
    gc.enable()
    return sorted(each / 1000 for each in times)


def quantile(ordered: list[float], ratio: float) -> float:
    """Return the value that `ratio` of the ordered ones stay within."""
    return ordered[min(int(len(ordered) * ratio), len(ordered) - 1)]
