"""One seed from beginning to verdict."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from tests.simulation.loop import Scheduler
from tests.simulation.stage import stage
from tests.simulation.verdict import BrokenError, judge
from tests.simulation.world import World

LINES_SHOWN = 60


class Ended:
    """What came of one seed."""

    def __init__(self, seed: int, scheduler: Scheduler, problem: str) -> None:
        self.seed = seed
        self.problem = problem
        """Which promise was broken; empty where none was."""
        self.turns = scheduler.turns
        self.digest = scheduler.digest
        """Equal for runs that went the same way."""
        self._trace = list(scheduler.trace)

    def report(self, lines: int = LINES_SHOWN) -> str:
        """Return the last steps and the problem, for people."""
        trace = "\n".join(f"{at:9.5f}  {who:10}  {what}" for at, who, what in self._trace[-lines:])
        return f"{trace}\n\nseed {self.seed}: {self.problem or 'all promises kept'}"


def simulate(
    seed: int, breakage: Callable[[], AbstractContextManager[object]] = nullcontext
) -> Ended:
    """Run the world of a seed, with a deliberate breakage if one is given, and judge it."""
    scheduler = Scheduler(seed)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    with stage(scheduler), breakage():
        world = World(seed, scheduler)
        try:
            world.run()
            problem = "; ".join(scheduler.faults)
            if not problem:
                judge(world)
        except BrokenError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - such as a log that cannot be read
            problem = repr(error)
        ended = Ended(seed, scheduler, problem)
        scheduler.dispose()
    return ended
