"""The house rules a linter cannot know, checked on every run."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("engine", "channels", "actors", "ingest", "console", "bench", "tests")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
VAGUE_WORDS = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "base", "types"}

CLOCK_FILE = "actors/clock.py"
TIME_OF_DAY = {
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "datetime.datetime.now",
    "datetime.date.today",
}
STOPWATCHES = {"time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"}
STOPWATCH_FOLDERS = {"actors", "ingest", "console", "bench", "tests"}

SETTINGS_FILE = "actors/settings.py"
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv"}

WORDS_NOT_SAID = {
    "User": "Contact",
    "Customer": "Contact",
    "Profile": "Contact",
    "Signal": "Event",
    "Workflow": "Journey",
    "Campaign": "Journey",
    "Flow": "Journey",
    "Step": "Node",
    "Block": "Node",
    "Plan": "Program",
    "Run": "Visit",
    "Instance": "Visit",
    "Enrolment": "Visit",
    "Enrollment": "Visit",
    "Command": "Decision",
    "Action": "Decision",
    "Audience": "Segment",
    "Cohort": "Segment",
    "Subscription": "Consent",
    "Slot": "Partition",
    "Bucket": "Partition",
    "Worker": "Shard",
    "Journal": "Log",
    "Wal": "Log",
    "Batch": "Frame",
    "Checkpoint": "Snapshot",
    "Queue": "Outbox",
    "Notification": "Message",
    "Ack": "Receipt",
    "Provider": "Channel",
    "Dispatcher": "Courier",
    "Manager": "the thing it holds",
    "Helper": "the thing it holds",
}

# Written so that this file does not trip itself.
REGISTRIES = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "crates" + ".io")
PATHS_HERE = ("/wo" + "rk/", "/tmp" + "/v/")
LAST_WORD = re.compile(r"(?:[A-Z]+|[A-Z][a-z0-9]*)_?$")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def said_in(path: Path) -> Iterator[str]:
    """Yield each dotted name in a file, imports spelled out: `from time import time` too."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)


each_file = pytest.mark.parametrize("path", FILES, ids=name_of)


@each_file
def test_a_file_is_short_and_named_for_one_thing(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES_MAX, "split it by noun"
    assert not VAGUE_WORDS & set(path.stem.split("_")), "name the thing it holds"


@each_file
def test_a_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), "open it with a docstring of one line"


@each_file
def test_functions_fit_on_a_screen(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, f"{node.name} has {lines} lines"


@each_file
def test_only_one_file_reads_the_time_of_day(path: Path) -> None:
    if name_of(path) == CLOCK_FILE or path.is_relative_to(ROOT / "tests"):
        return
    said = set(said_in(path))
    assert not said & TIME_OF_DAY, f"take now_ms as an argument; {CLOCK_FILE} reads the clock"
    if path.relative_to(ROOT).parts[0] not in STOPWATCH_FOLDERS:
        assert not said & STOPWATCHES, "take now_ms as an argument"


@each_file
def test_only_one_file_reads_the_environment(path: Path) -> None:
    if name_of(path) == SETTINGS_FILE or path.is_relative_to(ROOT / "tests"):
        return
    assert not set(said_in(path)) & ENVIRONMENT, f"let {SETTINGS_FILE} read it and pass it down"


@each_file
def test_nothing_rests_on_a_hash_that_differs_between_processes(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "hash", "salted per process: use crc32 or blake2b"


@each_file
def test_a_class_is_called_by_the_word_of_the_glossary(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef):
            noun = LAST_WORD.search(node.name)
            said = WORDS_NOT_SAID.get(noun[0].capitalize()) if noun else None
            assert said is None, f"{node.name}: the house says {said}"


def tracked() -> list[Path]:
    """Return the files that git keeps, or would; none where this is no repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_no_file_names_a_package_registry_or_a_path_of_one_machine() -> None:
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{name_of(path)}: {each}" for each in (*REGISTRIES, *PATHS_HERE) if each in text]
    assert not found, found
