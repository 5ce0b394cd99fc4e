"""How long a start may take."""

import os
from pathlib import Path

from actors.cluster import COLD_START_S, RECOVERY_BYTES_PER_S, start_limit_s


def test_a_shard_with_more_to_recover_from_may_take_longer(tmp_path: Path) -> None:
    assert start_limit_s(tmp_path / "none yet") == COLD_START_S
    for name, seconds in [("log-1.seg", 200), ("snapshots/a.snap", 100), ("archive/a.zst", 999)]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.truncate(path, seconds * RECOVERY_BYTES_PER_S)
    assert start_limit_s(tmp_path) == COLD_START_S + 300
