"""Reads what an author wrote into its types, and names every mistake with path and fix."""

import difflib
import re
import types
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from engine.calendar.span import SPAN_FORM, span_ms, span_text
from engine.errors import Mistake
from engine.language.clause import CONDITION_KINDS, Condition
from engine.language.entry import ENTRY_KINDS, Entry, EventEntry
from engine.language.journey import Journey, Settings
from engine.language.node import NODE_KINDS, ExitNode, Node
from engine.limits import CONDITION_DEPTH_MAX

KINDS: Final[dict[type[Struct], dict[str, Any]]] = {
    Condition: CONDITION_KINDS,
    Entry: ENTRY_KINDS,
    Node: NODE_KINDS,
}
"""Types told apart by which key is there."""

WHOLE_FILES: Final = (Journey, Settings)
"""Of these, fields that cannot be read are left out where they may be, so that the rest is read."""

NOTHING: Final = object()
PATH_NAMES_MAX: Final = 3 * CONDITION_DEPTH_MAX
NAME_FORM: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
BOOL_FIX: Final = "YAML reads on, off, yes and no as true or false: put the word in quotes"
STUB: Final = "stub"
PLAIN: Final = re.compile(r"[^a-z0-9_]+")
_PATH_AT_END: Final = re.compile(r" - at `(\$[^`]*)`$")


class Reader:
    """Reads one file's data; `mistakes` collects what is wrong with it."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []
        self.mended = False
        """Whether what was read differs from what was written, as that has mistakes: nodes that
        cannot be read are stubs there. So the rest can be checked all the same."""

    def add(self, path: str, problem: str, fix: str) -> None:
        """Note one mistake."""
        self.mistakes.append(Mistake(self.file, path, problem, fix))

    def read(self, wanted: Any, data: Any, path: str = "$") -> Any:
        """Return `data` as an object of type `wanted`, or NOTHING; mistakes are noted.

        An object may be returned in spite of mistakes, to find more of them; then it is `mended`.
        """
        origin = get_origin(wanted)
        if isinstance(wanted, type) and issubclass(wanted, Struct):
            return self._read_struct(wanted, data, path)
        if origin is list and isinstance(data, list):
            (item,) = get_args(wanted)
            items = [self.read(item, each, f"{path}[{i}]") for i, each in enumerate(data)]
            return NOTHING if any(each is NOTHING for each in items) else items
        if origin is dict and isinstance(data, dict):
            _, item = get_args(wanted)
            fields = {key: self.read(item, each, _below(path, key)) for key, each in data.items()}
            return NOTHING if any(each is NOTHING for each in fields.values()) else fields
        if origin in (Union, types.UnionType):
            for choice in get_args(wanted):
                if _is_shaped(choice, data):
                    return self.read(choice, data, path)
        return self._read_leaf(wanted, data, path)

    def read_span(self, text: str, path: str, span_ms_max: int) -> int:
        """Read a span of 1 ms to `span_ms_max`; on a mistake note it and return 1."""
        span = span_ms(text)
        if span is None:
            self.add(path, f"cannot read {text!r} as a span", f"write {SPAN_FORM}")
            return 1
        if not 0 < span <= span_ms_max:
            self.add(path, f"{text} is out of range", f"use 1ms to {span_text(span_ms_max)}")
            return 1
        return span

    def check_name(self, name: str, path: str) -> None:
        """Note a mistake if `name` cannot be an id: ids go into message keys and file names."""
        if not NAME_FORM.fullmatch(name):
            fix = "use a-z, 0-9, - and _, 64 characters at most, a letter or digit first"
            self.add(path, f"{name!r} cannot be an id", fix)

    def _read_leaf(self, wanted: Any, data: Any, path: str) -> Any:
        try:
            return msgspec.convert(data, wanted, strict=True)
        except msgspec.ValidationError as error:
            text = str(error)
            inner = _PATH_AT_END.search(text)
            if inner is not None:
                text, path = text[: inner.start()], path + inner[1][1:]
            fix = BOOL_FIX if isinstance(data, bool) and _takes_text(wanted) else _fix_for(wanted)
            self.add(path, f"{text} ({data!r:.60})", fix)
            return NOTHING

    def _read_struct(self, wanted: type[Struct], data: Any, path: str) -> Any:
        kind = self._struct_of(wanted, data, path)
        read = NOTHING if kind is None else self._read_fields(kind, data, path)
        if read is NOTHING and (wanted is Node or wanted is Entry):
            self.mended = True
            return _stub(wanted, data, path)
        return read

    def _struct_of(self, wanted: type[Struct], data: Any, path: str) -> Any:
        """Return the kind that is meant; None where it cannot be told, which is noted."""
        if not isinstance(data, dict):
            self.add(path, f"expected fields, got {data!r:.60}", "write it as `key: value` lines")
            return None
        if path.count(".") > PATH_NAMES_MAX:
            self.add(
                f"{path[:60]}...", "conditions are nested too deep", "say it with fewer levels"
            )
            return None
        kinds = KINDS.get(wanted)
        return wanted if kinds is None else self._kind_of(kinds, data, path)

    def _read_fields(self, wanted: type[Struct], data: dict[str, Any], path: str) -> Any:
        hints = get_type_hints(wanted, include_extras=True)
        fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
        values: dict[str, Any] = {}
        missing = [name for name, field in fields.items() if field.required and name not in data]
        broken, unknown = missing[:], []
        for key, value in data.items():
            field = fields.get(key)
            if field is None:
                self.add(_below(path, key), f"unknown field {key!r}", _field_fix(key, list(fields)))
                unknown.append(key)
                continue
            read = self.read(hints[field.name], value, _below(path, key))
            if read is NOTHING:
                broken.append(key)
            else:
                values[field.name] = read
        for name in missing:
            self.add(path, f"the field {name!r} is missing", f"add `{name}:`")
        if broken or unknown:
            if wanted not in WHOLE_FILES or any(fields[name].required for name in broken):
                return NOTHING
            self.mended = True
        return wanted(**values)

    def _kind_of(self, kinds: dict[str, Any], data: dict[str, Any], path: str) -> Any:
        found = [key for key in kinds if key in data]
        if len(found) == 1:
            return kinds[found[0]]
        choices = ", ".join(f"`{key}`" for key in kinds)
        said = f"{' and '.join(found)} together" if found else f"none in {sorted(map(str, data))}"
        self.add(path, f"cannot tell what this is: {said}", f"give exactly one of {choices}")
        return None


def _stub(wanted: type[Struct], data: Any, path: str) -> Struct:
    """Return what stands for a node or an entry that cannot be read; a node keeps its id."""
    if wanted is Entry:
        return EventEntry(event=STUB)
    id = data.get("id") if isinstance(data, dict) else None
    return ExitNode(id=id if isinstance(id, str) else PLAIN.sub("-", path[2:]), exit=STUB)


def _is_shaped(choice: Any, data: Any) -> bool:
    """Say whether data looks like what is meant by this one of several types."""
    if isinstance(data, dict):
        return get_origin(choice) is dict or (
            isinstance(choice, type) and issubclass(choice, Struct)
        )
    return isinstance(data, list) and get_origin(choice) is list


def _takes_text(wanted: Any) -> bool:
    return any(each is str or isinstance(each, str) for each in (wanted, *get_args(wanted)))


def _below(path: str, key: object) -> str:
    return f"{path}.{key}"


def _field_fix(key: object, known: list[str]) -> str:
    if key is True or key is False:
        return BOOL_FIX
    return nearest(str(key), known)


def nearest(name: str, known: list[str]) -> str:
    """Suggest which of the known names was meant."""
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"known here: {', '.join(sorted(known))}" if known else "there is none yet"


def _fix_for(wanted: Any) -> str:
    if get_origin(wanted) in (Union, types.UnionType):
        wanted = next((each for each in get_args(wanted) if each is not type(None)), wanted)
    if get_origin(wanted) is None:
        return {str: "write a text", int: "write a whole number", bool: "write true or false"}.get(
            wanted, "write a value of that type"
        )
    choices = [each for each in get_args(wanted) if isinstance(each, str)]
    return f"write one of {', '.join(choices)}" if choices else "write a list of such values"
