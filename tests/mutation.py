"""The command: `python -m tests.mutation window cron`; without modules, all that pyproject names.

Runs mutmut, again for mutants that survived before, and says of each module how many were killed.
"""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

KILLED_PERCENT_MIN = 85
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
KILLED = {1, 3}
TIMED_OUT = {-24, -9, 24, 36, 152}
SURVIVED = {0: "survived", 5: "reached by no test", 33: "reached by no test"}


def main(modules: list[str]) -> int:
    """Run what is not known yet and print the table; return 1 where a module has too few killed."""
    patterns = [f"engine.*.{module}.*" for module in modules]
    mutmut(patterns)
    if not modules:
        survivors = [name for name, code in exit_codes().items() if code in SURVIVED]
        if survivors:
            mutmut(survivors)
    return report(exit_codes(), modules)


def mutmut(names: list[str]) -> None:
    """Run these mutants, and those of which nothing is known where none is named."""
    subprocess.run([MUTMUT, "run", *names], check=True)


def exit_codes() -> dict[str, int]:
    """Return what pytest said of each mutant that ran, by name: ....<module>.x_<function>...."""
    found: dict[str, int] = {}
    for path in sorted(Path("mutants/engine").rglob("*.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        found |= {name: code for name, code in codes.items() if code is not None}
    return found


def report(codes: dict[str, int], modules: list[str]) -> int:
    """Print the survivors and the table; return 1 where a module has too few killed."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    broken = 0
    for name, code in codes.items():
        module = name.split(".")[-2]
        if modules and module not in modules:
            continue
        counts[module]["mutants"] += 1
        counts[module]["killed"] += code in KILLED | TIMED_OUT
        if code in SURVIVED:
            print(f"{SURVIVED[code]}: {name}")
        elif code not in KILLED | TIMED_OUT:
            # mutmut shows these as timeouts: the tests were not even begun.
            broken += 1
            print(f"not run, exit code {code}: {name}")
    print("\n| module | mutants | killed | percent |\n|---|---|---|---|")
    worst = 100.0
    for module, count in sorted(counts.items()):
        percent = 100 * count["killed"] / count["mutants"]
        worst = min(worst, percent)
        print(f"| {module} | {count['mutants']} | {count['killed']} | {percent:.1f} |")
    return 1 if broken or worst < KILLED_PERCENT_MIN else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
