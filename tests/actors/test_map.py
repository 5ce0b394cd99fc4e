"""Which shard owns which partitions."""

from actors.map import partitions_of, shard_of
from engine.limits import PARTITIONS


def test_every_partition_has_one_owner() -> None:
    for shards in (1, 2, 3, 7, 64):
        owners = [
            slot for slot in range(shards) for number in partitions_of(slot, shards) if number >= 0
        ]
        assert len(owners) == PARTITIONS
        for number in range(PARTITIONS):
            assert number in partitions_of(shard_of(number, shards), shards)
