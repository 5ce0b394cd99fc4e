"""The command: `python -m tests.mutation window cron`; without modules, all that pyproject names.

Runs mutmut, again for mutants that survived before, and says of each module how many it killed.
"""

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

KILLED_PERCENT_MIN = 85
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
NOTICED = {"killed", "timeout", "segfault", "caught by type check"}
NOT_RUN = "not checked"


def main(modules: list[str]) -> int:
    """Run what is not known yet and print the table; return 1 where a module has too few killed."""
    patterns = [f"engine.{module}.*" for module in modules]
    mutmut("run", *patterns)
    if not modules:
        survivors = [name for name, status in results().items() if status not in NOTICED]
        if survivors:
            mutmut("run", *survivors)
    return report(results(), modules)


def mutmut(*arguments: str) -> None:
    """Run mutmut, showing what it says."""
    subprocess.run([MUTMUT, *arguments], check=True)


def results() -> dict[str, str]:
    """Return the status of each mutant, by its name: engine.<module>.x_<function>__mutmut_<n>."""
    said = subprocess.run(
        [MUTMUT, "results", "--all", "true"], check=True, capture_output=True, text=True
    ).stdout
    return dict(line.strip().rsplit(": ", 1) for line in said.splitlines() if ": " in line)


def report(statuses: dict[str, str], modules: list[str]) -> int:
    """Print the survivors and the table; return 1 where a module has too few killed."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for name, status in statuses.items():
        module = name.split(".")[1]
        if modules and module not in modules:
            continue
        counts[module][status] += 1
        if status not in NOTICED | {NOT_RUN}:
            print(f"{status}: {name}")
    print("| module | mutants | killed | percent |\n|---|---|---|---|")
    worst = 100.0
    for module, by_status in sorted(counts.items()):
        ran = by_status.total() - by_status[NOT_RUN]
        killed = sum(by_status[each] for each in NOTICED)
        percent = 100 * killed / ran if ran else 0.0
        worst = min(worst, percent)
        print(f"| {module} | {ran} | {killed} | {percent:.1f} |")
    return 1 if worst < KILLED_PERCENT_MIN else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
