"""Values in nodes: constants, and `{from: trigger.tier}` with or without a `default`."""

from typing import Any, Final

from engine.author import Reader, nearest
from engine.known import Known
from engine.limits import VALUE_DEPTH_MAX
from engine.value import (
    MISSING,
    SOURCES,
    VISIT,
    VISIT_FIELDS,
    Constant,
    Fields,
    Items,
    Taken,
    ValueOf,
)

FROM: Final = "from"
DEFAULT: Final = "default"
ANSWERS: Final = "answers"


def compile_values(
    values: dict[str, Any], path: str, reader: Reader, known: Known
) -> dict[str, ValueOf]:
    """Return values by name; mistakes are noted, and then they mean nothing.

    Each is a constant, a list or fields of such, or `{from: SOURCE.PATH, default: CONSTANT}`.
    """
    return {
        str(name): compile_value(value, f"{path}.{name}", reader, known)
        for name, value in values.items()
    }


def compile_value(
    value: Any, path: str, reader: Reader, known: Known, depth: int = VALUE_DEPTH_MAX
) -> ValueOf:
    """Return one value; see `compile_values`."""
    if depth == 0:
        reader.add(f"{path[:60]}...", "values are nested too deep", "say it with fewer levels")
    elif isinstance(value, dict) and FROM in value:
        return _compile_taken(value, path, reader, known)
    elif isinstance(value, dict):
        return Fields(
            {
                str(name): compile_value(each, f"{path}.{name}", reader, known, depth - 1)
                for name, each in value.items()
            }
        )
    elif isinstance(value, list):
        items = enumerate(value)
        return Items(
            [compile_value(each, f"{path}[{i}]", reader, known, depth - 1) for i, each in items]
        )
    elif value is not None and not isinstance(value, str | int | float):
        reader.add(path, f"{value!r:.60} is no plain value", "put it in quotes, as a text")
    return Constant(value)


def _compile_taken(value: dict[str, Any], path: str, reader: Reader, known: Known) -> ValueOf:
    said = value[FROM]
    for name in value:
        if name not in (FROM, DEFAULT):
            fix = "beside `from` there may only be `default`"
            reader.add(f"{path}.{name}", f"unknown field {name!r}", fix)
    default = value.get(DEFAULT, MISSING)
    if isinstance(default, dict | list):
        reader.add(f"{path}.{DEFAULT}", f"{default!r:.60} is no plain value", "write a plain one")
    names = said.split(".") if isinstance(said, str) else []
    if len(names) < 2 or not all(names):
        fix = "write it like `trigger.tier`, `contact.surname` or `visit.key`"
        reader.add(f"{path}.{FROM}", f"{said!r:.60} says not where from", fix)
        return Constant(None)
    source, *rest = names
    if source not in SOURCES:
        fix = nearest(source, list(SOURCES))
        reader.add(f"{path}.{FROM}", f"nothing comes from {source!r}", fix)
    elif source == VISIT:
        _check_visit(rest, f"{path}.{FROM}", reader, known)
    return Taken(source, rest, default)


def _check_visit(names: list[str], path: str, reader: Reader, known: Known) -> None:
    first, *rest = names
    if first == ANSWERS and rest:
        if rest[0] not in known.nodes:
            reader.add(path, f"there is no node {rest[0]!r}", nearest(rest[0], known.nodes))
    elif first not in VISIT_FIELDS or rest:
        fix = nearest(first, [*VISIT_FIELDS, "answers.NODE.FIELD"])
        reader.add(path, f"a visit has no {'.'.join(names)!r}", fix)
