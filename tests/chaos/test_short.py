"""A short form of every harm, on two worlds. `make chaos` does them by seed, for long."""

import pytest

from tests.chaos.harms import HARMS
from tests.chaos.play import Report, play_script

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]

RUNNING = [
    "erase", "kill_courier", "cut_link", "freeze_gateway", "jump_clock", "freeze_courier",
    "kill_shard", "freeze_shard", "burst_on_frozen_shard",
]  # fmt: skip
STARTS = ["erase", "fill_disk", "kill_driver_of_frozen_shard", "damage_log"]
OF_LONG_RUNS_ONLY = {
    "burst": "burst_on_frozen_shard is more of it",
    "kill_driver": "kill_driver_of_frozen_shard is harder, and tests/system has it too",
    "kill_all": "damage_log begins with it",
    "tear_log": "tests/actors/store tears logs at each place, and it takes a start more",
    "stop": "every world ends with it",
    "publish": "tests/system starts with changed journeys after a kill",
    "damage_end_of_log": "damage_log is of its kind",
}


def check(report: Report, script: list[str]) -> None:
    assert report.wrong == []
    assert report.unacknowledged == 0
    assert report.acknowledged > 200
    assert report.messages > 20
    assert report.erased
    assert report.refused_erased
    done = [harm.partition(" ")[0] for harm in report.harms]
    assert done[: len(script)] == script
    left_out = [harm for harm in report.harms if "left out" in harm or "none there" in harm]
    if left_out:
        pytest.skip("; ".join(left_out))


def test_every_harm_is_in_a_short_form() -> None:
    assert {*RUNNING, *STARTS, *OF_LONG_RUNS_ONLY} == set(HARMS)


def test_a_system_that_is_harmed_while_it_runs_keeps_its_word() -> None:
    check(play_script(1, RUNNING, smtp=False, small_disk=False), RUNNING)


def test_a_full_disk_a_bad_end_and_a_damaged_log_lose_nothing() -> None:
    check(play_script(2, STARTS, smtp=True, small_disk=True), STARTS)
