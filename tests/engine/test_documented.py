"""Every example in docs/journeys.md is what it says: it compiles, or its tests pass."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.compile.publication import compile_publication
from engine.language.author import NOTHING, Reader
from engine.language.clause import CONDITION_KINDS, Condition
from engine.language.journey import Publication, Settings
from engine.language.node import NODE_KINDS

PAGE = Path(__file__).parent.parent.parent / "docs" / "journeys.md"
BLOCK = re.compile(r"^```yaml *(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = {
    f"line {PAGE.read_text()[: match.start()].count(chr(10)) + 1}": (match[1], match[2])
    for match in BLOCK.finditer(PAGE.read_text())
}
PLACES = ("journey", "nodes", "condition", "segment", "settings", "tests")
OPERATORS = ("keys", "channels", "gateway")
MAIL = {"id": "the-end", "send": "email", "template": "hello"}


def journey_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a journey with these fields, and what else one needs."""
    return {"journey": "documented", "entry": {"event": "hi"}, "nodes": [MAIL]} | fields


def named_in(data: Any, key: str) -> set[str]:
    """Return all texts that stand under a key anywhere."""
    if isinstance(data, list):
        return {name for each in data for name in named_in(each, key)}
    if not isinstance(data, dict):
        return set()
    found = {name for each in data.values() for name in named_in(each, key)}
    return found | ({data[key]} if isinstance(data.get(key), str) else set())


def nodes_after(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return nodes and an end for each name that they lead to and that the example leaves out."""
    known = {node["id"] for node in nodes}
    wanted = named_in(nodes, "then") | named_in(nodes, "else") | named_in(nodes, "on_cap")
    for node in nodes:
        wanted |= set(node.get("cases", {}).values())
    wanted -= {"drop", "wait", "delay"} | known
    return [*nodes, *({"id": name, "exit": name} for name in sorted(wanted))]


def lists_in(data: Any) -> set[str]:
    """Return all segments that are named anywhere."""
    keys = ("segment", "enters", "leaves", "add_to", "remove_from")
    return {name for key in keys for name in named_in(data, key)}


def settings_for(journey: dict[str, Any]) -> dict[str, Any]:
    """Return settings with all that a journey takes for granted."""
    silent = [node["send"] for node in journey["nodes"] if "in_quiet_hours" in node]
    purposes = named_in(journey, "purpose") - {"marketing", "transactional"}
    return {
        "groups": {name: {"per": "day"} for name in named_in(journey, "group")},
        "purposes": {name: {} for name in purposes},
        "quiet_hours": {channel: {"from": "21:00", "to": "08:00"} for channel in silent},
    }


def publication_of(kind: str, example: Any) -> Publication:
    """Put an example where it belongs, with all that it names."""
    journey, settings, segments = journey_of({}), {}, {}
    match kind:
        case "journey":
            journey = journey_of(example)
        case "nodes":
            journey = journey_of({"nodes": nodes_after(example)})
        case "condition":
            decision = {"id": "decide", "if": example}
            journey = journey_of({"nodes": [decision, MAIL]})
        case "segment":
            segments[example["segment"]] = example
        case "settings":
            settings = {key: value for key, value in example.items() if key not in OPERATORS}
        case _:
            raise AssertionError(f"say what it is: ```yaml {', '.join(PLACES)}")
    for name in lists_in([journey, *segments.values()]):
        segments.setdefault(name, {"segment": name, "list": True})
    settings = settings_for(journey) | settings
    journeys = {"documented.yaml": journey}
    for name in named_in(journey, "start") | named_in(journey, "end"):
        journeys[f"{name}.yaml"] = journey_of({"journey": name})
    templates = named_in(list(journeys.values()), "template") | {"hello"}
    return Publication(
        journeys=journeys,
        segments=segments,
        settings=settings,
        templates={f"{name}.en": "---\nsubject: x\n---\n" for name in templates},
    )


@pytest.mark.parametrize("where", BLOCKS)
def test_an_example_of_the_page_compiles(where: str) -> None:
    kind, text = BLOCKS[where]
    if kind == "tests":
        return  # Run by tests/console.
    programs, mistakes = compile_publication(publication_of(kind, yaml.safe_load(text)))
    assert [str(each) for each in mistakes] == []
    assert programs is not None


def test_the_page_has_an_example_of_each_kind_of_node_and_condition() -> None:
    text = "\n".join(text for _, text in BLOCKS.values())
    kinds = [*NODE_KINDS, *CONDITION_KINDS]
    assert [kind for kind in kinds if not re.search(rf"\b{kind}:", text)] == []


def test_an_example_with_a_mistake_would_be_found() -> None:
    assert compile_publication(publication_of("condition", {"happened": "hi", "wihin": "3d"}))[1]
    assert Reader("it").read(Condition, {"fild": "x"}) is NOTHING
    assert compile_publication(publication_of("nodes", [{"id": "a", "wait": "soon"}]))[1]
    reader = Reader("it")
    reader.read(Settings, {"session_gapp": "3m"})
    assert reader.mistakes
