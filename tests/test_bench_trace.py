"""That a trace can be asked for costs the fold next to nothing while nobody asks: counted."""

from bench.trace import MOST, cost_of

EVENTS = 300


def test_the_fold_without_a_trace_runs_hardly_an_instruction_more_than_one_that_has_none() -> None:
    gone, off, on = (cost_of(kind, 0, EVENTS) for kind in ("gone", "off", "on"))
    assert gone.asked > 10, "the questions were found, and taken out"
    assert off.asked == on.asked == 0
    assert gone.instructions < off.instructions <= MOST * gone.instructions
    assert on.instructions > 1.05 * off.instructions, "with one, there is something to count"
