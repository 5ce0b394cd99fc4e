"""The short form of `make simulate`; that a seed repeats itself, and that it bites."""

import pytest

from tests.simulation.breakage import (
    BREAKAGES,
    Breakage,
    clock_goes_back,
    end_of_a_request_without_its_beginning,
    lost_courier_not_noticed,
    lost_link_counts_as_answer,
    recovered_block_not_synced,
    sent_again_out_of_order,
)
from tests.simulation.simulation import simulate

FOUND_WITHIN = 200
FOUND_LATE: dict[Breakage, int] = {
    lost_courier_not_noticed: 89,
    sent_again_out_of_order: 90,
    clock_goes_back: 94,
}
"""By which seed, last time: it is tried first, and all of them where it finds nothing any more."""

RARE = {
    lost_link_counts_as_answer,
    end_of_a_request_without_its_beginning,
    recovered_block_not_synced,
}
"""Found by the long form only, `python -m tests.simulation --breakages`."""


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_every_promise_is_kept(first: int) -> None:
    for seed in range(first, first + 50):
        ended = simulate(seed)
        assert not ended.problem, ended.report()


def test_a_seed_goes_the_same_way_again() -> None:
    runs = [[simulate(seed).digest for seed in range(10)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 10


@pytest.mark.parametrize(
    "breakage", [each for each in BREAKAGES if each not in RARE], ids=lambda each: each.__name__
)
def test_it_bites(breakage: Breakage) -> None:
    """Each line that keeps a promise, taken out, is found."""
    seeds = [FOUND_LATE.get(breakage, 0), *range(FOUND_WITHIN)]
    assert any(simulate(seed, breakage).problem for seed in seeds)
