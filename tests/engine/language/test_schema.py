"""The JSON Schema for editors says the same as the reader of authors' files."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as some
from jsonschema import Draft202012Validator

from engine.language.author import Reader
from engine.language.clause import CONDITION_KINDS
from engine.language.journey import Journey, Settings
from engine.language.node import NODE_KINDS
from engine.language.schema import DOCUMENTS, schema_of
from tests.engine.payloads import values

EXAMPLES = Path(__file__).parents[3] / "examples"
JOURNEYS = [path for path in sorted(EXAMPLES.glob("journeys/*.yaml")) if path.stem != "anlass"]
VALID = Draft202012Validator(schema_of("journey"))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_schema_is_one(document: str) -> None:
    schema = schema_of(document)
    Draft202012Validator.check_schema(schema)
    assert msgspec.json.decode(msgspec.json.encode(schema)) == schema


def test_a_schema_knows_every_kind_of_node_and_condition() -> None:
    definitions = schema_of("journey")["$defs"]
    for base, kinds in (("Node", NODE_KINDS), ("Condition", CONDITION_KINDS)):
        named = {each["$ref"].rpartition("/")[2] for each in definitions[base]["oneOf"]}
        assert named == {kind.__name__ for kind in kinds.values()}


@pytest.mark.parametrize("path", JOURNEYS, ids=lambda path: path.stem)
def test_shipped_journeys_are_valid(path: Path) -> None:
    assert list(VALID.iter_errors(read(path))) == []


def test_shipped_settings_are_valid() -> None:
    validator = Draft202012Validator(schema_of("settings"))
    assert list(validator.iter_errors(read(EXAMPLES / "journeys" / "anlass.yaml"))) == []


def places_in(data: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all that a document holds."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    found = []
    for key, value in items:
        found.append((*above, key))
        if isinstance(value, dict | list):
            found += places_in(value, (*above, key))
    return found


def is_whole(value: Any) -> bool:
    """Say whether it is 5.0: JSON knows no difference from 5, which the reader asks for."""
    return isinstance(value, float) and value.is_integer()


@settings(derandomize=True, max_examples=120, deadline=None)
@given(data=some.data())
def test_what_the_reader_refuses_for_its_shape_the_schema_refuses(data: some.DataObject) -> None:
    """One place of a good journey is taken out, renamed, or given another value."""
    document = read(data.draw(some.sampled_from(JOURNEYS)))
    *above, key = data.draw(some.sampled_from(places_in(document)))
    holder = document
    for each in above:
        holder = holder[each]
    change = data.draw(some.sampled_from(["remove", "rename", "replace"]))
    if change == "replace":
        holder[key] = data.draw(values.filter(lambda value: not is_whole(value)))
    else:
        value = holder.pop(key)
        if change == "rename" and isinstance(holder, dict):
            holder[f"{key}_"] = value
    reader = Reader("it")
    reader.read(Journey, document)
    assert VALID.is_valid(document) == (not reader.mistakes)


def test_the_operators_part_of_the_settings_is_known() -> None:
    properties = schema_of("settings")["$defs"]["Settings"]["properties"]
    assert {"keys", "channels", "gateway"} <= set(properties)
    assert {field.encode_name for field in msgspec.structs.fields(Settings)} <= set(properties)
