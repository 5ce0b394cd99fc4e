"""A short form of the cluster's harms. `make chaos ARGS=--cluster` does all of them, by seed."""

import pytest

from tests.chaos.cluster_harms import CLUSTER_HARMS
from tests.chaos.cluster_play import play_cluster_script

SCRIPT = ["kill_shard", "fail_over", "scale_without_controller", "zombie"]


@pytest.mark.ray
@pytest.mark.timeout(500)
def test_a_cluster_that_is_harmed_keeps_its_word() -> None:
    report = play_cluster_script(1, SCRIPT, smtp=True, replicas=1, nodes=None)
    assert report.wrong == []
    assert report.unacknowledged == 0
    assert report.acknowledged > 100
    assert report.messages > 10
    assert [harm.partition(" ")[0] for harm in report.harms[: len(SCRIPT)]] == SCRIPT
    assert not [harm for harm in report.harms if "none there" in harm]


def test_a_harm_is_known_by_the_name_of_what_does_it() -> None:
    assert {*SCRIPT} <= {*CLUSTER_HARMS}
