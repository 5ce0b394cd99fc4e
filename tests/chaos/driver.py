"""`anlass` as it is, but that its shards take snapshots all the time: runs are short here."""

from functools import partial

from actors.settings import SnapshotSettings, SystemSettings
from console import __main__ as command

SNAPSHOTS = SnapshotSettings(log_bytes=200_000, interval_s=3.0)

if __name__ == "__main__":
    # setattr: to mypy a class that a module imports is nothing to be replaced.
    setattr(command, "SystemSettings", partial(SystemSettings, snapshots=SNAPSHOTS))  # noqa: B010
    command.main()
