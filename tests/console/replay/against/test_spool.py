"""The spool: any number of outcomes on their way, few of them in memory."""

from pathlib import Path

import pytest

from console.replay.against.spool import Sided, Spool
from engine.decision import Outcome


def outcome(number: int) -> Outcome:
    return Outcome(f"k-{number}", "c", "j", "n", "email", number, "sent")


@pytest.mark.parametrize("held_max", [1, 7, 1_000])
def test_it_gives_back_what_it_took_in_order_and_holds_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_max: int
) -> None:
    monkeypatch.setattr("console.replay.against.spool.HELD_MAX", held_max)
    spool = Spool(tmp_path)
    for number in range(60):
        spool.add(number % 3, number % 2, [outcome(number)])
        assert sum(map(len, spool._held.values())) <= held_max
    for partition in (2, 0, 1):
        numbers = range(partition, 60, 3)
        assert list(spool.take(partition)) == [Sided(each % 2, outcome(each)) for each in numbers]
        assert list(spool.take(partition)) == []
    assert list(tmp_path.iterdir()) == []
