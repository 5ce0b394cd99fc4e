"""Reads the scenarios beside a folder of journeys, and names every mistake with path and fix."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_type_hints

import msgspec
from msgspec import Struct

from actors.document import read_document
from actors.errors import OperatorError
from actors.folder import SUFFIXES
from console.scenarios.cast import Cast
from console.scenarios.check import ScenarioCheck
from console.scenarios.scenario import (
    EXPECTATION_KINDS,
    NOTHING_MORE,
    SCENE_KINDS,
    Expectation,
    ExpectScene,
    PauseScene,
    Scenario,
    Scene,
    Script,
)
from engine.errors import Mistake
from engine.language.author import NOTHING, Reader

TESTS_FOLDER: Final = "tests"
KINDS: Final[dict[type[Struct], Mapping[str, type[Struct]]]] = {
    Scene: SCENE_KINDS,
    Expectation: EXPECTATION_KINDS,
}
PAUSE_KEYS: Final = {"after", "until"}
SCENE_KEYS: Final = {"contact"} | PAUSE_KEYS
"""An entry with these only lets time pass."""
EXPECTED: Final = get_type_hints(ExpectScene)["expect"]


def read_scripts(path: Path, cast: Cast) -> tuple[list[Script], list[Mistake]]:
    """Read all files of `path`/tests, by name; return what can be played, and all mistakes."""
    documents, unreadable = read_tests(path)
    scripts, mistakes = scripts_of(documents, cast)
    return scripts, sorted(unreadable + mistakes, key=lambda each: each.file)


def read_tests(path: Path) -> tuple[dict[str, Any], list[Mistake]]:
    """Return what the files of `path`/tests say, by name, and which of them cannot be read."""
    documents: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    folder = path / TESTS_FOLDER
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for file in files:
        if file.suffix not in SUFFIXES or not file.is_file() or file.name.startswith("."):
            continue
        document = read_document(file, path, mistakes)
        if document is not None:
            documents[file.relative_to(path).as_posix()] = document
    return documents, mistakes


def scripts_of(documents: Mapping[str, Any], cast: Cast) -> tuple[list[Script], list[Mistake]]:
    """Return what can be played of files of tests, by their names, and all mistakes in them."""
    scripts: list[Script] = []
    mistakes: list[Mistake] = []
    for name, document in documents.items():
        reader = ScenarioReader(name, cast)
        scripts += reader.read_file(document)
        mistakes += reader.mistakes
    return scripts, list(dict.fromkeys(mistakes))


def picked(scripts: list[Script], only: str) -> list[Script]:
    """Return those with this text in name or file. Raises OperatorError where there is none."""
    found = [script for script in scripts if only in script.scenario.test or only in script.file]
    if not found:
        raise OperatorError(f"none of {len(scripts):,} tests has {only!r} in its name or file")
    return found


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
            if not self._is_plain(each, path):
                continue
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

    def _is_plain(self, data: Any, path: str) -> bool:
        """Note what no sender could send: half a surrogate pair, a giant number."""
        try:
            msgspec.json.encode(data)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            self.add(path, str(error), "write plain texts and numbers")
            return False
        return True

    def read(self, wanted: Any, data: Any, path: str = "$") -> Any:
        """See Reader; scenes and expectations are told apart by which key is there."""
        if wanted == EXPECTED and data != NOTHING_MORE and not isinstance(data, dict):
            fix = f"write `{NOTHING_MORE}`, or one of {_listed(EXPECTATION_KINDS)}"
            self.add(path, f"cannot expect {data!r:.60}", fix)
            return NOTHING
        kinds = KINDS.get(wanted) if isinstance(data, dict) and isinstance(wanted, type) else None
        if kinds is not None:
            wanted = self._kind(kinds, data, path)
        return NOTHING if wanted is None else super().read(wanted, data, path)

    def _kind(self, kinds: Mapping[str, type[Struct]], data: Any, path: str) -> type[Struct] | None:
        found = [key for key in kinds if key in data]
        if len(found) == 1:
            return kinds[found[0]]
        if found:
            fix = "keep one here, and write the other as an entry of its own"
            self.add(path, f"{' and '.join(found)} together", fix)
            return None
        if kinds is SCENE_KINDS and data.keys() & PAUSE_KEYS and data.keys() <= SCENE_KEYS:
            return PauseScene
        near = (difflib.get_close_matches(str(key), kinds, 1) for key in data)
        meant = next((each[0] for each in near if each), None)
        fix = f"did you mean `{meant}`?" if meant else f"write one of {_listed(kinds)}"
        self.add(path, f"cannot tell what this is: {', '.join(map(str, data)) or 'empty'}", fix)
        return None


def _listed(kinds: Mapping[str, object]) -> str:
    return ", ".join(f"`{key}`" for key in kinds)
