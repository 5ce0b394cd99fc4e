"""Replay of the workload W1: two abandonment rules over a million events, on one core."""

import subprocess
import sys
from pathlib import Path
from typing import Final
from zlib import crc32

from msgspec import Struct

from actors.folder import read_folder
from console.replay.replay import Replay, ReplayReport, replay_chunks
from console.replay.source import chunks_of
from engine.decision import SENT

RULES: Final = Path(__file__).parent / "w1"
EVENTS: Final = 1_000_000
RIGHT: Final = {"browse_abandon": 21_184, "checkout_abandon": 5_780}
RIGHT_CAPPED: Final = 10_268
RIGHT_CHECKSUM: Final = 57_861_903_266_975
CHECKSUM_MODULUS: Final = 1 << 61


class W1Result(Struct, frozen=True):
    """What a replay of W1 came to, and whether its answers are right."""

    report: ReplayReport
    checksum: int
    right: bool


def generate_w1(generator: Path, folder: Path) -> Path:
    """Run W1's own generator; return the file of a million events, made once."""
    path = folder / "w1.jsonl"
    if not path.exists():
        command = [sys.executable, str(generator), "--events", str(EVENTS), "--contacts", "50000"]
        subprocess.run([*command, "--seed", "7", "--out", str(path)], check=True)
    return path


def replay_w1(path: Path) -> W1Result:
    """Replay the file with W1's two rules, and check counts and checksum."""
    replay = Replay(read_folder(RULES).source)
    wall_s = replay_chunks(replay, chunks_of(path, "w1", consent_all=False), lambda _: None)
    report = replay.report(0, wall_s)
    sent = [outcome for outcome in replay.outcomes.values() if outcome.outcome == SENT]
    checksum = 0
    for each in sent:
        line = f"{each.journey}|{each.contact}|{each.at_ms}"
        checksum = (checksum + crc32(line.encode())) % CHECKSUM_MODULUS
    counts = {journey: of.get(SENT, 0) for journey, of in report.outcomes.items()}
    capped = sum(of.get("capped", 0) for of in report.outcomes.values())
    right = (counts, capped, checksum) == (RIGHT, RIGHT_CAPPED, RIGHT_CHECKSUM)
    return W1Result(report, checksum, right)
