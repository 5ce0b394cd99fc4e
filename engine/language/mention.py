"""Mention: what the texts of templates ask for beyond what every message has.

Found by reading them as plain text, as the engine knows no Liquid. A word too many costs a little
memory; one too few would leave a gap in a message, so `channels.render` checks that all are found.
"""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

HISTORY: Final = "history"
SESSION: Final = "session"
VISIT: Final = "visit"
OTHERS: Final = frozenset(
    {"contact", "trigger", "products", "cart", "journey", SESSION, VISIT, "forloop", "tablerowloop"}
)
"""What templates may ask for that has nothing to do with past events."""

OF_LISTS: Final = frozenset({"first", "last", "size"})
"""What Liquid knows of any list: no fields."""

_TAG: Final = re.compile(r"\{[{%](.*?)[}%]\}", re.DOTALL)
_PATH: Final = re.compile(
    r"([A-Za-z_][\w-]*)((?:\.[\w-]+|\[\s*(?:\"[^\"]*\"|'[^']*'|-?\d+)\s*\])+)"
)
_NAME: Final = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z_][\w-]*)")
_ASKED_OF_LISTS: Final = re.compile(
    r"\|\s*(?:latest|map|where|reject|find|find_index|has|uniq|sort|sort_natural|sum|compact)\s*:"
    r"([^|%}]*)"
)
_QUOTED: Final = re.compile(r"\"([^\"]{1,64})\"|'([^']{1,64})'")
_FIELD: Final = re.compile(r"[\w-]{1,64}")
_WORD: Final = re.compile(r"(?<![\w.-])[A-Za-z_][\w-]*")


class Mentions(Struct, frozen=True):
    """What templates ask for."""

    history: tuple[str, ...] = ()
    """Names of past events, in order."""
    fields: tuple[str, ...] = ()
    """Fields that those may be asked for."""
    session: bool = False
    visit: bool = False


NO_MENTIONS: Final = Mentions()


def mentions_in(texts: Iterable[str]) -> Mentions:
    """Return what these templates ask for, together."""
    names: set[str] = set()
    fields: set[str] = set()
    words: set[str] = set()
    for text in texts:
        tags = " %} ".join(_TAG.findall(text))
        words |= set(_WORD.findall(tags))
        found = _history_in(tags)
        if found:
            names |= found
            fields |= _fields_in(tags) - found
    return Mentions(tuple(sorted(names)), tuple(sorted(fields)), SESSION in words, VISIT in words)


def _history_in(tags: str) -> set[str]:
    paths = (_names_in(rest) for root, rest in _PATH.findall(tags) if root == HISTORY)
    return {names[0] for names in paths if names}


def _names_in(path: str) -> list[str]:
    """Return the names of a path, whether after a dot or quoted in brackets."""
    return [double or single or plain for double, single, plain in _NAME.findall(path)]


def _fields_in(tags: str) -> set[str]:
    """Return every name below one that is not known, and what filters of lists are asked for."""
    fields: set[str] = set()
    for root, rest in _PATH.findall(tags):
        if root not in OTHERS:
            fields |= set(_names_in(rest))
    for asked in _ASKED_OF_LISTS.findall(tags):
        fields |= {double or single for double, single in _QUOTED.findall(asked)}
    return {each for each in fields if each not in OF_LISTS and _FIELD.fullmatch(each)}
