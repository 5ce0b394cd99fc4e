"""The pages for people name only what is there: files, commands, options, links, libraries."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from actors.folder import OPERATOR_KEYS
from channels.email import EmailSettings
from console.__main__ import app
from engine.language.journey import Settings
from ingest.settings import GatewaySettings

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
FOLDERS = ("engine", "channels", "actors", "ingest", "console", "bench", "tests")
MODULES = {
    "/" + path.relative_to(ROOT).as_posix() for each in FOLDERS for path in (ROOT / each).rglob("*")
}

LINK = re.compile(r"\]\(([^)\s]+)\)")
MODULE = re.compile(r"`([\w/*.]+\.py)`")
SAID = re.compile(
    r"(?:^|[`\s(])anlass ([a-z][^\n`#|]*)|\.venv/bin/anlass ([^\n`#|]*)", re.MULTILINE
)
OPTION = re.compile(r"--[a-z][a-z-]*")
COMMAND = typer.main.get_command(app)
NO_COMMANDS = {"on"}
"""What stands behind the word where it is a name: a user of Redis."""


def anchor_of(heading: str) -> str:
    """Return what a heading is linked by."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor_of(line) for line in page.read_text().splitlines() if line.startswith("#")}


def unknown_links(page: Path) -> Iterator[str]:
    """Yield the links to other pages, or places of them, that lead nowhere."""
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        name, _, place = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (place and place not in anchors(target)):
            yield link


def unknown_commands(text: str) -> Iterator[str]:
    """Yield the commands that are none, and options that theirs does not have."""
    for said in SAID.finditer(text):
        words = (said[1] or said[2]).split()
        command: Any = COMMAND
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        if command is COMMAND and words[0] not in NO_COMMANDS:
            yield said[0].strip()
        options = {name for each in command.params for name in each.opts}
        if command is not COMMAND:
            yield from (each for each in OPTION.findall(" ".join(words)) if each not in options)


def unknown_modules(text: str) -> Iterator[str]:
    """Yield the modules that are not there; of one without folder, that no folder has."""
    for name in MODULE.findall(text):
        if not any(each.endswith("/" + name) for each in MODULES):
            yield name


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_only_what_is_there(name: str) -> None:
    page = ROOT / name
    text = page.read_text()
    unknown = [*unknown_links(page), *unknown_commands(text), *unknown_modules(text)]
    assert not unknown


def test_what_is_not_there_is_found() -> None:
    text = (
        "`anlass fly`, `anlass run --wings 2`, `.venv/bin/anlass contact show c --wings`, `gone.py`"
    )
    assert list(unknown_commands(text)) == ["`anlass fly", "--wings", "--wings"]
    assert list(unknown_modules(text)) == ["gone.py"]


def test_each_library_says_why_it_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[\[<>=]", each)[0] for each in project["dependencies"]}
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("| library | why |")[2]
    rows = [line.split("|")[1] for line in table.partition("\n\n")[0].splitlines() if "|" in line]
    said = {word for row in rows[1:] for word in re.findall(r"[\w-]+", row)}
    assert wanted <= said


def untold(page: str, fields: Iterable[str]) -> list[str]:
    """Return those of the fields that a page does not name as code."""
    text = (ROOT / page).read_text()
    return [each for each in fields if not re.search(rf"[`\s{{]{each}[`:]", text)]


def test_each_setting_is_told_of() -> None:
    rules = [*Settings.__struct_encode_fields__, *OPERATOR_KEYS]
    assert untold("docs/journeys.md", rules) == []
    assert untold("README.md", EmailSettings.__struct_encode_fields__) == []
    of_the_command = {"host", "port", "keys"}
    bounds = set(GatewaySettings.__struct_encode_fields__) - of_the_command
    assert untold("docs/operations.md", sorted(bounds)) == []
