"""Reads the scenarios beside a folder of journeys, and names every mistake with path and fix."""

from pathlib import Path
from typing import Any, Final

from actors.document import read_document
from actors.folder import SUFFIXES
from console.cast import Cast
from console.scenario import (
    EXPECTATION_KINDS,
    SCENE_KINDS,
    Expectation,
    PauseScene,
    Scenario,
    Scene,
    Script,
)
from console.scenario_check import ScenarioCheck
from engine.author import NOTHING, Reader
from engine.errors import Mistake

TESTS_FOLDER: Final = "tests"


def read_scripts(path: Path, cast: Cast) -> tuple[list[Script], list[Mistake]]:
    """Read all files of `path`/tests, in order of their names; no mistakes, or all of them."""
    scripts: list[Script] = []
    mistakes: list[Mistake] = []
    folder = path / TESTS_FOLDER
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for file in files:
        if file.suffix not in SUFFIXES or not file.is_file() or file.name.startswith("."):
            continue
        document = read_document(file, path, mistakes)
        if document is not None:
            reader = ScenarioReader(file.relative_to(path).as_posix(), cast)
            scripts += reader.read_file(document)
            mistakes += reader.mistakes
    return scripts, sorted(set(mistakes))


class ScenarioReader(Reader):
    """Reads one file of scenarios."""

    def __init__(self, file: str, cast: Cast) -> None:
        super().__init__(file)
        self._cast = cast

    def read_file(self, document: Any) -> list[Script]:
        """Return the file's scenarios, those with mistakes left out."""
        tests = document.get("tests") if isinstance(document, dict) else None
        if not isinstance(tests, list) or not tests:
            self.add("$", "there are no tests", "begin the file with `tests:` and a list below it")
            return []
        for key in document:
            if key != "tests":
                self.add(f"$.{key}", f"unknown field {key!r}", "put it into a test, below `tests:`")
        scripts: list[Script] = []
        named: dict[str, str] = {}
        for i, each in enumerate(tests):
            path = f"$.tests[{i}]"
            scenario = self.read(Scenario, each, path)
            if scenario is NOTHING:
                continue
            if scenario.test in named:
                problem = f"{scenario.test!r} is the name of {named[scenario.test]} already"
                self.add(f"{path}.test", problem, "say what is different in this one")
            named[scenario.test] = path
            ScenarioCheck(self, self._cast, scenario, path).check()
            scripts.append(Script(self.file, path, scenario))
        return scripts

    def read(self, wanted: Any, data: Any, path: str = "$") -> Any:
        """See Reader; scenes and expectations are told apart by which key is there."""
        if isinstance(data, dict) and wanted is Scene:
            if not data.keys() & SCENE_KINDS.keys() and data.keys() & {"after", "until"}:
                return super().read(PauseScene, data, path)
            wanted = self._kind_of(SCENE_KINDS, data, path)
        elif isinstance(data, dict) and wanted is Expectation:
            wanted = self._kind_of(EXPECTATION_KINDS, data, path)
        return NOTHING if wanted is None else super().read(wanted, data, path)
