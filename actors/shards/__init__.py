"""A shard: folds inputs into partitions, commits, hands over messages, recovers."""
