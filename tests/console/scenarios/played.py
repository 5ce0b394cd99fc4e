"""Scenarios for tests: a folder of journeys with a file of scenarios beside them."""

from pathlib import Path
from shutil import copytree
from textwrap import dedent, indent

from actors.folder import read_folder
from console.scenarios.reader import read_scripts
from console.scenarios.rehearsal import Rehearsal, Result
from engine.errors import Mistake

EXAMPLES = Path(__file__).parents[3] / "examples" / "journeys"


def scenarios(folder: Path, given: str, head: str = "", shipped: Path = EXAMPLES) -> Path:
    """Make a folder of shipped journeys with one scenario, `given` being its entries."""
    if not folder.exists():
        copytree(shipped, folder)
        for each in (folder / "tests").iterdir():
            each.unlink()
    text = "tests:\n  - test: it\n" + indent(dedent(head), "    ")
    text += "\n    given:\n" + indent(dedent(given), "      ")
    (folder / "tests" / "it.yaml").write_text(text)
    return folder


def played(folder: Path) -> list[Result]:
    """Play all scenarios of a folder; there must be no mistake in them."""
    rehearsal = Rehearsal(read_folder(folder))
    scripts, mistakes = read_scripts(folder, rehearsal.cast)
    assert mistakes == []
    return [rehearsal.play(script) for script in scripts]


def mistakes_in(folder: Path) -> list[Mistake]:
    """Return the mistakes of a folder's scenarios."""
    return read_scripts(folder, Rehearsal(read_folder(folder)).cast)[1]
