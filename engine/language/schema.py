"""Schema: what authors may write, as JSON Schema, so that their editors know it too."""

import types
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from engine.language.author import KINDS
from engine.language.journey import Journey, Segment, Settings

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DOCUMENTS: Final[dict[str, type[Struct]]] = {
    "journey": Journey,
    "segment": Segment,
    "settings": Settings,
}
"""What a file of an author's folder may be."""
OPERATOR_FIELDS: Final = ("keys", "channels", "gateway", "control")
"""Of `anlass.yaml`, beside the settings that decisions rest on: read by `actors.folder`."""
SIMPLE: Final[dict[Any, dict[str, Any]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
}


def schema_of(document: str) -> dict[str, Any]:
    """Return the JSON Schema of one of DOCUMENTS, whole in itself."""
    found: dict[str, Any] = {}
    root = _reference(DOCUMENTS[document], found)
    if document == "settings":
        found["Settings"]["properties"] |= {name: {} for name in OPERATOR_FIELDS}
    return {"$schema": DIALECT, "title": f"Anlass {document}"} | root | {"$defs": found}


def _schema(wanted: Any, found: dict[str, Any]) -> dict[str, Any]:
    if wanted in SIMPLE:
        return SIMPLE[wanted]
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(each, found) for each in inner]}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is list:
        return {"type": "array", "items": _schema(inner[0], found)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(inner[1], found)}
    return _reference(wanted, found)


def _reference(wanted: type[Struct], found: dict[str, Any]) -> dict[str, Any]:
    """Return a reference to a struct's definition, which comes into `found`."""
    name = wanted.__name__
    if name not in found:
        found[name] = {}  # It may name itself.
        kinds = KINDS.get(wanted)
        if kinds is None:
            found[name] = _definition(wanted, found)
        else:
            choices = dict.fromkeys(kinds.values())
            found[name] = {"oneOf": [_kind(each, kinds, found) for each in choices]}
    return {"$ref": f"#/$defs/{name}"}


def _kind(kind: type[Struct], kinds: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one kind: it has exactly one of the keys that name it."""
    keys = [key for key, each in kinds.items() if each is kind]
    named = [{"required": [key]} for key in keys]
    reference = _reference(kind, found)
    return reference | (named[0] if len(named) == 1 else {"oneOf": named})


def _definition(struct: type[Struct], found: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(struct)
    fields = msgspec.structs.fields(struct)
    required = [field.encode_name for field in fields if field.required]
    definition: dict[str, Any] = {
        "type": "object",
        "description": (struct.__doc__ or "").split("\n")[0],
        "properties": {field.encode_name: _schema(hints[field.name], found) for field in fields},
        "additionalProperties": False,
    }
    return definition | ({"required": required} if required else {})
