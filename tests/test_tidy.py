"""The house rules a linter cannot know, checked on every run."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("engine", "channels", "actors", "ingest", "console", "bench", "tests")

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

STARTS_RAY = "pytest.mark.ray"
RAY_FOLDERS = ("tests/system/", "tests/chaos/")
"""Where `make test` looks for what starts Ray."""

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


def faults_of(name: str, text: str) -> Iterator[str]:
    """Yield what a file breaks of the rules, by its name from the root and its text."""
    tree = ast.parse(text)
    parts = list(ast.walk(tree))
    lines = len(text.splitlines())
    if lines > FILE_LINES_MAX:
        yield f"{lines} lines: split it by noun"
    if VAGUE_WORDS & set(PurePosixPath(name).stem.split("_")):
        yield "name the thing it holds"
    if not ast.get_docstring(tree):
        yield "open it with a docstring of one line"
    yield from _long_functions(parts)
    yield from _salted_hashes(parts)
    yield from _other_words(parts)
    said = _said_in(parts)
    if STARTS_RAY in said and not name.startswith(RAY_FOLDERS):
        yield f"put what starts Ray into {' or '.join(RAY_FOLDERS)}: it does not run elsewhere"
    if not name.startswith("tests/"):
        yield from _what_others_read(name, said)


def _long_functions(parts: list[ast.AST]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (part.end_lineno or 0) - part.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{part.name} has {lines} lines: a function fits on a screen"


def _salted_hashes(parts: list[ast.AST]) -> Iterator[str]:
    for part in parts:
        called = part.func if isinstance(part, ast.Call) else None
        if isinstance(called, ast.Name) and called.id == "hash":
            yield "hash() is salted per process: use crc32 or blake2b"


def _other_words(parts: list[ast.AST]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, ast.ClassDef):
            noun = LAST_WORD.search(part.name)
            said = WORDS_NOT_SAID.get(noun[0].capitalize()) if noun else None
            if said is not None:
                yield f"{part.name}: the house says {said}"


def _what_others_read(name: str, said: set[str]) -> Iterator[str]:
    """Yield clocks and environments that are another file's to read."""
    if name != CLOCK_FILE:
        for each in sorted(said & TIME_OF_DAY):
            yield f"{each}: take now_ms as an argument; {CLOCK_FILE} reads the clock"
        if name.partition("/")[0] not in STOPWATCH_FOLDERS:
            for each in sorted(said & STOPWATCHES):
                yield f"{each}: take now_ms as an argument"
    if name != SETTINGS_FILE:
        for each in sorted(said & ENVIRONMENT):
            yield f"{each}: let {SETTINGS_FILE} read it and pass it down"


def _said_in(parts: list[ast.AST]) -> set[str]:
    """Return each dotted name, imports spelled out: `from time import time` too."""
    said = {_dotted(part) for part in parts if isinstance(part, ast.Attribute)}
    for part in parts:
        if isinstance(part, ast.ImportFrom):
            said |= {f"{part.module}.{each.name}" for each in part.names}
    return said


def _dotted(part: ast.expr) -> str:
    """Return a.b.c of such a name, and of anything else nothing to be found by."""
    if isinstance(part, ast.Attribute):
        return f"{_dotted(part.value)}.{part.attr}"
    return part.id if isinstance(part, ast.Name) else ""


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_of_a_folder_keeps_the_rules_of_the_house(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    faults = [
        f"{name_of(path)}: {fault}"
        for path in paths
        for fault in faults_of(name_of(path), path.read_text(encoding="utf-8"))
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("engine/long.py", "\n" * FILE_LINES_MAX, "401 lines: split it by noun"),
        ("tests/store_utils.py", "", "name the thing it holds"),
        ("tests/chaos/silent.py", None, "open it with a docstring of one line"),
        (
            "bench/deep.py",
            "class A:\n    async def f(self):\n" + "        1\n" * FUNCTION_LINES_MAX,
            "f has 71 lines: a function fits on a screen",
        ),
        ("tests/a.py", "x = hash(1)", "hash() is salted per process: use crc32 or blake2b"),
        ("tests/b.py", "class NightlyCampaign: ...", "NightlyCampaign: the house says Journey"),
        (
            "tests/engine/test_f.py",
            "pytestmark = pytest.mark.ray",
            "put what starts Ray into tests/system/ or tests/chaos/: it does not run elsewhere",
        ),
        (
            "console/c.py",
            "from time import time",
            f"time.time: take now_ms as an argument; {CLOCK_FILE} reads the clock",
        ),
        (
            "ingest/d.py",
            "def f():\n    return datetime.datetime.now().year",
            f"datetime.datetime.now: take now_ms as an argument; {CLOCK_FILE} reads the clock",
        ),
        ("engine/e.py", "time.monotonic()", "time.monotonic: take now_ms as an argument"),
        (
            "actors/f.py",
            'os.environ["HOME"]',
            f"os.environ: let {SETTINGS_FILE} read it and pass it down",
        ),
    ],
)
def test_a_file_that_breaks_a_rule_is_found(name: str, text: str | None, fault: str) -> None:
    said = "" if text is None else f'"""A docstring."""\n{text}'
    assert list(faults_of(name, said)) == [fault]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (CLOCK_FILE, "time.time()"),
        (SETTINGS_FILE, "os.environ"),
        ("ingest/d.py", "time.monotonic()"),
        ("tests/system/process.py", "os.environ, time.time()"),
        ("tests/chaos/test_g.py", "pytestmark = [pytest.mark.ray, pytest.mark.timeout(9)]"),
        ("engine/hash.py", "other.hash(1), hash, own.time.time(), f().os.environ"),
        ("engine/e.py", "class StepOf: ...\nclass Runner: ..."),
    ],
)
def test_what_only_looks_like_a_fault_is_none(name: str, text: str) -> None:
    assert list(faults_of(name, f'"""A docstring."""\n{text}\n')) == []


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
