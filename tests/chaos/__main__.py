"""`make chaos`: seeds of harm to the real system, one line each, and a table at the end."""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

import orjson
import structlog
from msgspec import to_builtins
from rich.console import Console
from rich.table import Table

from tests.chaos.cluster_harms import CLUSTER_HARMS
from tests.chaos.cluster_play import play_cluster
from tests.chaos.play import Report, play
from tests.chaos.ray_nodes import RayNodes

SEEDS = 100
screen = Console(stderr=True)


def show(report: Report) -> None:
    verdict = "[green]green[/green]" if not report.wrong else "[red]WRONG[/red]"
    numbers = f"{report.acknowledged:,} acknowledged, {report.retries} retries"
    line = f"seed {report.seed}: {verdict}, {report.seconds:.0f} s, {numbers}"
    screen.print(
        f"{line}, {report.messages:,} messages ({', '.join(report.ways)})", highlight=False
    )
    for harm in report.harms:
        screen.print(f"    {harm}", highlight=False, markup=False)
    for each in report.wrong:
        screen.print(f"  WRONG: {each}", style="red", highlight=False, markup=False)
    if report.folder:
        screen.print(f"  its folder: {report.folder}", highlight=False, markup=False)


def table_of(reports: list[Report]) -> Table:
    table = Table(title="Chaos", title_justify="left")
    columns = ("seed", "harms", "acknowledged", "refused", "retries", "messages", "verdict")
    for name in columns:
        table.add_column(name, justify="left" if name == "verdict" else "right")
    for report in reports:
        table.add_row(
            str(report.seed),
            str(len(report.harms)),
            f"{report.acknowledged:,}",
            ", ".join(f"{count}x{status}" for status, count in report.refused.items()),
            f"{report.retries:,}",
            f"{report.messages:,}",
            "green" if not report.wrong else "; ".join(report.wrong),
        )
    return table


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one again")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many")
    parser.add_argument("--first", type=int, help="the first of them; else one by chance")
    parser.add_argument("--cluster", action="store_true", help="a cluster, with its store in Redis")
    parser.add_argument(
        "--harm", action="append", default=[], choices=CLUSTER_HARMS, help="with --cluster: only it"
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON a seed on stdout")
    asked = parser.parse_args()
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )  # JSON goes to stdout.
    first = secrets.randbelow(1_000_000) if asked.first is None else asked.first
    seeds = [asked.seed] if asked.seed is not None else range(first, first + asked.seeds)
    reports = []
    with tempfile.TemporaryDirectory() as folder, RayNodes(Path(folder)) as nodes:
        for seed in seeds:
            report = play_cluster(seed, nodes, asked.harm) if asked.cluster else play(seed)
            reports.append(report)
            show(report)
            if asked.json:
                sys.stdout.buffer.write(orjson.dumps(to_builtins(report, str_keys=True)) + b"\n")
                sys.stdout.flush()
    screen.print(table_of(reports))
    red = [report.seed for report in reports if report.wrong]
    screen.print(f"{len(reports) - len(red)} of {len(reports)} seeds green", highlight=False)
    for seed in red:
        more = " ARGS=--cluster" if asked.cluster else ""
        screen.print(f"again: SEED={seed} make chaos{more}", highlight=False)
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
