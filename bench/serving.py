"""`anlass run` with snapshots as a measurement wants them: one walk after the other, or none."""

import argparse
import sys
from pathlib import Path
from typing import Final

import uvloop

from actors.settings import SnapshotSettings, SystemSettings
from console.system.run import System, run_system

NEVER: Final = "never"
ALWAYS: Final = "always"
SETTINGS: Final = {
    NEVER: SnapshotSettings(log_bytes=1 << 60, interval_s=1e9),
    ALWAYS: SnapshotSettings(interval_s=0),
}


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--journeys", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--snapshots", choices=sorted(SETTINGS), required=True)
    told = parser.parse_args()
    settings = SystemSettings(
        data=told.data, journeys=told.journeys, snapshots=SETTINGS[told.snapshots]
    )
    system = System(settings, None, "127.0.0.1", told.port)
    system.start_ray()

    def ready() -> None:
        print(f"listens on {system.url}", file=sys.stderr, flush=True)

    uvloop.run(run_system(system, ready))


if __name__ == "__main__":
    main()
