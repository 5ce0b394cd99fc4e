"""The command: `python -m tests.simulation --seeds 2000`; `--seed 17` shows one with its trace."""

import argparse
import sys
import time

from tests.simulation.breakage import BREAKAGES
from tests.simulation.simulation import simulate


def main() -> int:
    """Run seeds until one breaks a promise; return 1 then."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=2000, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="this one only, and show its trace")
    parser.add_argument("--breakages", action="store_true", help="when each breakage is found")
    arguments = parser.parse_args()
    if arguments.breakages:
        return show_breakages(arguments.seeds)
    if arguments.seed is not None:
        ended = simulate(arguments.seed)
        print(ended.report(400))
        print(f"{ended.turns} turns, digest {ended.digest:016x}")
        return 1 if ended.problem else 0
    began = time.process_time()
    turns = 0
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        ended = simulate(seed)
        turns += ended.turns
        if ended.problem:
            print(ended.report())
            print(f"again: python -m tests.simulation --seed {seed}")
            return 1
    span_s = time.process_time() - began
    pace = f"{arguments.seeds / span_s * 60:,.0f} a minute of one core, {turns:,} turns"
    print(f"{arguments.seeds} seeds kept every promise: {pace}")
    return 0


def show_breakages(seeds: int) -> int:
    """Say with which seed each deliberate breakage is found; return 1 if one is not."""
    missed = 0
    for breakage in BREAKAGES:
        found = (each for each in range(seeds) if simulate(each, breakage).problem)
        seed = next(found, None)
        missed += seed is None
        print(f"{breakage.__name__:34}", "not found" if seed is None else f"seed {seed}")
    return 1 if missed else 0


sys.exit(main())
