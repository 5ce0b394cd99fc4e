"""The command: `python -m tests.mutation window cron`; without modules, all that pyproject names.

Mutants that are not known yet run, and those that survived; then it says of each module how many
were killed.
"""

import os
import subprocess
import sys
from collections import Counter, defaultdict

from tests.mutation.mutants import FOLDER, Verdict, make, verdicts

KILLED_PERCENT_MIN = 85
GOOD = {Verdict.KILLED, Verdict.TIMED_OUT}
BAD = {Verdict.SURVIVED, Verdict.REACHED_BY_NO_TEST}


def main(modules: list[str]) -> int:
    """Run what is not known and print the table; return 1 where a module has too few killed."""
    make()
    # The mutants' own process: there `engine` is the folder of the mutants, not the one here.
    command = [sys.executable, "-m", "tests.mutation.runs", *modules]
    subprocess.run(command, check=True, cwd=FOLDER, env=os.environ | {"PYTHONPATH": "."})
    return report(modules)


def report(modules: list[str]) -> int:
    """Print the survivors and the table; return 1 where a module has too few killed."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    unknown = 0
    for name, code in verdicts(FOLDER).items():
        module = name.split(".")[-2]
        if modules and module not in modules:
            continue
        counts[module]["mutants"] += 1
        counts[module]["killed"] += code in GOOD
        if code in BAD:
            print(f"{Verdict(code).name.lower().replace('_', ' ')}: {name}")
        elif code not in GOOD:
            unknown += 1
            print(f"not known, exit code {code}: {name}")
    print("\n| module | mutants | killed | percent |\n|---|---|---|---|")
    worst = 100.0
    for module, count in sorted(counts.items()):
        percent = 100 * count["killed"] / count["mutants"]
        worst = min(worst, percent)
        print(f"| {module} | {count['mutants']} | {count['killed']} | {percent:.1f} |")
    return 1 if unknown or worst < KILLED_PERCENT_MIN else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
