"""The calculation of how far it grows, and that the page shows what it comes to."""

from pathlib import Path

import pytest

from bench.scale import MACHINES, Costs, estimate

PAGE = Path(__file__).parent.parent / "docs" / "scale.md"


@pytest.mark.parametrize("machines", MACHINES)
def test_the_page_shows_what_the_calculation_comes_to(machines: int) -> None:
    each = estimate(machines, Costs())
    row = (
        f"| {machines} | {each.batched_per_s:,.0f} | {each.single_per_s:,.0f} "
        f"| {each.contacts / 1e6:,.0f} M | {each.servers} | {each.limit} |"
    )
    assert row in PAGE.read_text()


def test_twice_the_machines_carry_twice_as_much_until_something_else_is_full() -> None:
    one, two = estimate(1, Costs()), estimate(2, Costs())
    assert two.batched_per_s == pytest.approx(2 * one.batched_per_s)
    assert (one.limit, one.servers) == ("cores", 1)
    assert estimate(5, Costs(server_commits_per_s=1_000.0)).limit == "Redis: commits"
    assert estimate(5, Costs(server_bytes_per_s=1e6)).limit == "Redis: bytes"
