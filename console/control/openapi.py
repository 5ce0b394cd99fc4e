"""OpenAPI: the description of the API, made of its endpoints and their types."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

import msgspec

from console.control.contacts import KEY_CHARS_MAX
from console.control.endpoint import Endpoint
from console.control.faults import Faults
from console.remote.media import JSON

VERSION: Final = "1"
REFERENCE: Final = "#/components/schemas/{name}"
PARTS: Final = re.compile(r"\{(\w+)\}")
ALWAYS: Final = (400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 503, 504)
"""Any request may be answered so, with Faults."""
ABOUT: Final = "What the command `anlass` does with a running system. See docs/control.md."


def openapi_of(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Return the document, OpenAPI 3.1."""
    known = list(endpoints)
    types = [each.answer for each in known if not isinstance(each.answer, dict)]
    types += [each.body for each in known if each.body is not None] + [Faults]
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    found = dict(zip(map(_name, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in known:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, found)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Anlass control API", "version": VERSION, "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def _name(type_: Any) -> str:
    return str(type_)


def _operation(endpoint: Endpoint, found: dict[str, Any]) -> dict[str, Any]:
    answer = endpoint.answer
    schema = answer if isinstance(answer, dict) else found[_name(answer)]
    content = {
        media: {"schema": schema if media == JSON else {"type": "string"}}
        for media in endpoint.medias
    }
    faults = {
        "description": "It is not fulfilled; `errors` says why.",
        "content": {JSON: {"schema": found[_name(Faults)]}},
    }
    status = endpoint.status
    operation: dict[str, Any] = {
        "operationId": _id_of(endpoint),
        "summary": endpoint.summary,
        "description": f"Takes a key with scope `{endpoint.scope}`.",
        "tags": [endpoint.scope],
        "parameters": _parameters(endpoint),
        "responses": {str(int(status)): {"description": HTTPStatus(status).phrase}}
        | {str(each): faults for each in ALWAYS},
    }
    operation["responses"][str(int(status))]["content"] = content
    if endpoint.body is not None:
        body = {JSON: {"schema": found[_name(endpoint.body)]}}
        fields = msgspec.structs.fields(endpoint.body)
        required = any(field.required for field in fields)
        operation["requestBody"] = {"required": required, "content": body}
    return operation


def _id_of(endpoint: Endpoint) -> str:
    words = PARTS.sub(r"\1", endpoint.path).removeprefix("/v1/")
    return "-".join([endpoint.method.lower(), *words.split("/")])


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in PARTS.findall(endpoint.path):
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX}
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    for field in msgspec.structs.fields(endpoint.query):
        schema = msgspec.json.schema(field.type)
        schema["default"] = field.default
        found.append({"name": field.encode_name, "in": "query", "schema": schema})
    return found
