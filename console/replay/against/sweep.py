"""Sweep: a draft in several variants, each with another value at a place of one of its files."""

import re
from itertools import product
from typing import Any, Final

import msgspec
import yaml
from msgspec import Struct

from actors.document import read_yaml
from actors.errors import OperatorError
from actors.folder import Folder, checked_anew
from console.replay.against.comparison import Variant
from engine.errors import AuthorError, Mistake
from engine.language.author import nearest
from engine.language.journey import Publication

VARIANTS_MAX: Final = 24
"""At once: each is folded beside the others, and its contacts are held in memory."""
DRAFT: Final = "draft"
FORM: Final = "FILE:PATH=VALUE,VALUE, such as favourites.yaml:nodes[patience].wait=1h,3h"
_PART: Final = re.compile(r"\.?([A-Za-z_][\w-]*)|\[([^\[\]]+)\]")


class Knob(Struct, frozen=True):
    """A place of a file, and what is to stand there."""

    file: str
    path: str
    values: list[Any]


def variants_of(draft: Folder, vary: list[str]) -> list[Variant]:
    """Return the draft, or each of its variants: of several knobs, each value with each.

    Raises OperatorError where a text is no knob or there are too many variants, AuthorError where
    the place is not there or a variant has mistakes.
    """
    if not vary:
        return [Variant(DRAFT, draft.source)]
    knobs = [read_knob(text) for text in vary]
    count = 1
    for knob in knobs:
        count *= len(knob.values)
    if count > VARIANTS_MAX:
        text = f"--vary asks for {count} variants, {VARIANTS_MAX} at most"
        raise OperatorError(f"{text}; leave values out, or ask twice")
    return [_variant(draft, knobs, values) for values in product(*(each.values for each in knobs))]


def read_knob(text: str) -> Knob:
    """Read what --vary says. Raises OperatorError."""
    place, equals, values = text.partition("=")
    file, colon, path = place.partition(":")
    if not equals or not colon or not file.strip() or not path.strip() or not values.strip():
        raise OperatorError(f"--vary {text!r} says no file, path and values; write {FORM}")
    parts = _values(values)
    try:
        found = [read_yaml(each) for each in parts]
    except yaml.YAMLError:
        raise OperatorError(f"--vary {text!r}: {values!r} are no values; write {FORM}") from None
    named = list(map(name_of, found))
    if len(set(named)) < len(named):
        raise OperatorError(f"--vary {text!r}: a value stands there twice; leave one out")
    return Knob(file.strip().removeprefix("./"), path.strip().removeprefix("$."), found)


def name_of(value: Any) -> str:
    """Return a value for people: as an author would write it."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _values(text: str) -> list[str]:
    """Part values at commas, but for those within brackets, braces and quotes."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        depth += (sign in "[{") - (sign in "]}") if not quote else 0
        if sign == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def _variant(draft: Folder, knobs: list[Knob], values: tuple[Any, ...]) -> Variant:
    publication = msgspec.json.decode(draft.source, type=Publication)
    names = []
    for knob, value in zip(knobs, values, strict=True):
        file, document = _document(publication, knob.file)
        _put(file, document, knob.path, value)
        names.append(f"{knob.path}={name_of(value)}")
    name = ", ".join(names)
    varied = checked_anew(publication, draft.operator)
    if varied.mistakes:
        raise AuthorError(
            [
                msgspec.structs.replace(each, problem=f"with {name}: {each.problem}")
                for each in varied.mistakes
            ]
        )
    return Variant(name, varied.source)


def _document(publication: Publication, file: str) -> tuple[str, Any]:
    """Return a file's name and what it says; it may have a folder's name before it."""
    files = {**publication.journeys, **publication.segments}
    files[publication.settings_file] = publication.settings
    names = [file, file.partition("/")[2]]
    for name in names:
        if name in files:
            return name, files[name]
    raise AuthorError(
        [Mistake(file, "$", "the draft has no such file", nearest(file, sorted(files)))]
    )


def _put(file: str, document: Any, path: str, value: Any) -> None:
    """Put a value in its place; all but the last part of the path must be there."""
    parts = _PART.findall(path)
    if "".join(f".{name}" if name else f"[{key}]" for name, key in parts).lstrip(".") != path:
        raise AuthorError([Mistake(file, f"$.{path}", "this is no path", f"write {FORM}")])
    said = "$"
    place = document
    for i, (name, key) in enumerate(parts):
        last = i == len(parts) - 1
        place, part = _found(file, said, place, name or key, may_be_new=last and bool(name))
        said += f".{name}" if name else f"[{key}]"
        if last:
            place[part] = value
        else:
            place = place[part]


def _found(file: str, said: str, place: Any, part: str, *, may_be_new: bool) -> tuple[Any, Any]:
    """Return where a part of a path leads: a field, or an entry of a list by number or id."""
    if isinstance(place, dict):
        if part in place or may_be_new:
            return place, part
        known = [str(key) for key in place]
    elif isinstance(place, list):
        ids = [
            str(each.get("id", i)) if isinstance(each, dict) else str(i)
            for i, each in enumerate(place)
        ]
        if part in ids:
            return place, ids.index(part)
        if part.isdecimal() and int(part) < len(place):
            return place, int(part)
        known = [*ids]
    else:
        problem = f"{place!r:.40} has no part {part!r}"
        raise AuthorError([Mistake(file, said, problem, "end the path before it")])
    fix = nearest(part, known) if known else "there is nothing in it"
    raise AuthorError([Mistake(file, said, f"there is no {part!r}", fix)])
