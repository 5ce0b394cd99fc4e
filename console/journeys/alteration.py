"""Alterations: which fields of what an author wrote a draft changes, from what to what."""

from collections.abc import Iterator, Mapping
from itertools import islice, zip_longest
from typing import Any, Final

import msgspec
from msgspec import Struct

ALTERATIONS_MAX: Final = 50
"""Told of one journey, segment or of the settings; of the rest it is said how many they are."""
TEXT_CHARS_MAX: Final = 120
SAME_CHARS: Final = 20
"""Told of what two long texts have in common before they differ."""
DEPTH_MAX: Final = 32
"""What lies deeper is told as a whole."""


class Alteration(Struct, frozen=True):
    """One field, before and after."""

    path: str
    """Such as `nodes.patience.wait` or `entry[1].when.at_least`: nodes by their ids."""
    was: str | None
    """What it said, JSON if it is no text, cut if it is long; None: it was not there."""
    now: str | None


class Alterations(Struct, kw_only=True):
    """What of one document changes."""

    name: str
    fields: list[Alteration]
    left: int = 0
    """Fields that are not told, as there are too many."""


def alterations_of(name: str, was: Any, now: Any, path: str = "") -> Alterations:
    """Compare two documents as authors wrote them."""
    found = _walk(was, now, path, DEPTH_MAX)
    told = list(islice(found, ALTERATIONS_MAX))
    return Alterations(name=name, fields=told, left=sum(1 for _ in found))


def words(alteration: Alteration) -> str:
    """Say what changed: `nodes.w2.wait: 2h → 3h`."""
    was, now = ("nothing" if each is None else each for each in (alteration.was, alteration.now))
    return f"{alteration.path}: {was} → {now}"


def _walk(was: Any, now: Any, path: str, depth: int) -> Iterator[Alteration]:
    if was == now:
        return
    if depth and isinstance(was, dict) and isinstance(now, dict):
        for name in [*was, *(each for each in now if each not in was)]:
            yield from _fields(was, now, name, path, depth)
    elif depth and isinstance(was, list) and isinstance(now, list):
        there, then = _by_id(was), _by_id(now)
        if there and then:
            yield from _nodes(there, then, path, depth)
        elif all(isinstance(each, dict) for each in (*was, *now)):
            yield from _items(was, now, path, depth)
        else:
            yield _altered(path, was, now)
    else:
        yield _altered(path, was, now)


def _fields(
    was: Mapping[str, Any], now: Mapping[str, Any], name: str, path: str, depth: int
) -> Iterator[Alteration]:
    at = f"{path}.{name}" if path else name
    if name not in was:
        yield Alteration(at, None, _cut(_text(now[name])))
    elif name not in now:
        yield Alteration(at, _cut(_text(was[name])), None)
    else:
        yield from _walk(was[name], now[name], at, depth - 1)


def _nodes(was: dict[str, Any], now: dict[str, Any], path: str, depth: int) -> Iterator[Alteration]:
    """Compare nodes by their ids, and the order of those that stay: it says where visits go on."""
    stay, then = (
        [each for each in ids if each in others] for ids, others in ((was, now), (now, was))
    )
    if stay != then:
        yield _altered(path, ", ".join(stay), ", ".join(then))
    for id in [*was, *(each for each in now if each not in was)]:
        yield from _fields(was, now, id, path, depth)


def _items(was: list[Any], now: list[Any], path: str, depth: int) -> Iterator[Alteration]:
    """Compare items between those at the beginning and the end that are the same."""
    same = 0
    while same < min(len(was), len(now)) and was[same] == now[same]:
        same += 1
    last = 0
    while last < min(len(was), len(now)) - same and was[-1 - last] == now[-1 - last]:
        last += 1
    here, there = was[same : len(was) - last], now[same : len(now) - last]
    for i, (before, after) in enumerate(zip_longest(here, there), same):
        if before is None or after is None:
            told = [None if each is None else _cut(_text(each)) for each in (before, after)]
            yield Alteration(f"{path}[{i}]", *told)
        else:
            yield from _walk(before, after, f"{path}[{i}]", depth - 1)


def _by_id(items: list[Any]) -> dict[str, Any]:
    """Return items by their ids; none where not all have one of their own."""
    if not all(isinstance(each, dict) and isinstance(each.get("id"), str) for each in items):
        return {}
    found = {each["id"]: each for each in items}
    return found if len(found) == len(items) else {}


def _altered(path: str, was: Any, now: Any) -> Alteration:
    """Tell of two values; of long ones that begin alike, from where they differ."""
    before, after = _text(was), _text(now)
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    if same >= TEXT_CHARS_MAX // 2 and max(len(before), len(after)) > TEXT_CHARS_MAX:
        before, after = (f"...{text[same - SAME_CHARS :]}" for text in (before, after))
    return Alteration(path, _cut(before), _cut(after))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS_MAX else f"{text[: TEXT_CHARS_MAX - 3]}..."
