"""Header: what the columns of a file of contacts mean, and what a row of cells says."""

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final

from channels import KNOWN_CHANNELS
from engine.contacts.consent import STRENGTH, consent_key
from engine.language.author import NAME_FORM
from engine.language.rules import MARKETING, TRANSACTIONAL

CONTACT: Final = "contact"
CONTACT_PATHS: Final = ("contact", "anonymous")
LEVELS: Final = ", ".join(STRENGTH)
SWITCH: Final = {"true": True, "1": True, "false": False, "0": False}
VALUE_CHARS_SHOWN: Final = 60
"""What of a refused cell is shown: enough to find it, and not all of a contact."""

_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class HeaderError(ValueError):
    """The header cannot be read: which column, and what its author must change."""


class CellError(ValueError):
    """A row says something that cannot be taken: where, what, why, and what to do."""

    def __init__(self, column: str, value: str, reason: str, fix: str) -> None:
        super().__init__(f"{column}: {reason}; {fix}")
        self.column = column
        self.value = value
        self.reason = reason
        self.fix = fix


class _CellValueError(ValueError):
    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


def _number(text: str) -> int | float:
    if not _NUMBER.fullmatch(text):
        raise _CellValueError("no number", "write it like 12 or 12.5, without other signs")
    if text.lstrip("+-").isdigit():
        whole = int(text) if len(text) <= 20 else 1 << 64
        if not -(1 << 63) <= whole < 1 << 63:
            raise _CellValueError(
                "the number does not fit into 64 bits", "leave `:number` off: a text"
            )
        return whole
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise _CellValueError("the number is too large", "leave `:number` off: a text")
    return value


def _switch(text: str) -> bool:
    on = SWITCH.get(text.lower())
    if on is None:
        raise _CellValueError("neither true nor false", "write true, false, 1 or 0")
    return on


def _date(text: str) -> str:
    fix = "write it like 2026-04-05"
    if not _DATE.fullmatch(text):
        raise _CellValueError("no date", fix)
    try:
        date.fromisoformat(text)
    except ValueError:
        raise _CellValueError("there is no such day", fix) from None
    return text


def _level(text: str) -> str:
    level = text.lower()
    if level not in STRENGTH:
        raise _CellValueError("no level of consent", f"write {LEVELS}, or leave the cell empty")
    return level


Read = Callable[[str], Any]
TYPES: Final[dict[str, Read | None]] = {
    "text": None,
    "number": _number,
    "bool": _switch,
    "date": _date,
}


class _Column:
    __slots__ = ("index", "key", "name", "read", "section")

    def __init__(self, index: int, name: str, section: str, key: str, read: Read | None) -> None:
        self.index = index
        self.name = name
        self.section = section
        self.key = key
        self.read = read
        """None keeps the text as it is."""


class Header:
    """Reads rows by their columns' names. Raises HeaderError where a name says nothing.

    `contact` (or the column named instead, which is an attribute too) says whose the row is;
    `consent.CHANNEL`, `consent.CHANNEL.PURPOSE` and `list.NAME` what they say; all else is an
    attribute, a text unless the name ends in `:number`, `:bool` or `:date`. With `empty_removes`,
    an empty cell removes the attribute.
    """

    def __init__(
        self, names: Sequence[str], contact_column: str = CONTACT, *, empty_removes: bool = False
    ) -> None:
        self.names = [name.strip() for name in names]
        self._empty_removes = empty_removes
        if contact_column not in self.names:
            seen = ", ".join(f"`{name}`" for name in self.names[:20])
            raise HeaderError(
                f"no column `{contact_column}`, only {seen}; "
                "name the right one with --contact-column, or the sign between with --delimiter"
            )
        self._contact = self.names.index(contact_column)
        self._columns: list[_Column] = []
        taken: set[tuple[str, str]] = set()
        for index, name in enumerate(self.names):
            if name == CONTACT and contact_column == CONTACT and index == self._contact:
                continue
            column = _column(index, name)
            if (column.section, column.key) in taken or name == CONTACT:
                raise HeaderError(f"column {index + 1}, `{name}`: a second one of it; take one out")
            taken.add((column.section, column.key))
            self._columns.append(column)
        self._by_path = {f"{each.section}.{each.key}": each.name for each in self._columns}

    @property
    def lists(self) -> set[str]:
        """The static lists that columns tell of."""
        return {each.key for each in self._columns if each.section == "lists"}

    def said(self, cells: Sequence[str]) -> tuple[str, dict[str, dict[str, Any]]]:
        """Return whose a row is and the payload that it says. Raises CellError."""
        if len(cells) != len(self.names):
            raise CellError(
                "",
                "",
                f"{len(cells)} cells, but the header has {len(self.names)}",
                "put quotes around cells that contain the delimiter, and fill up what is missing",
            )
        contact = cells[self._contact].strip()
        if not contact:
            fix = "say whose the row is, or take it out"
            raise CellError(self.names[self._contact], "", "empty", fix)
        payload: dict[str, dict[str, Any]] = {}
        for column in self._columns:
            text = cells[column.index]
            read = column.read
            if read is not None:
                text = text.strip()
            if not text:
                if self._empty_removes and column.section == "attributes":
                    payload.setdefault("attributes", {})[column.key] = None
                continue
            try:
                value = text if read is None else read(text)
            except _CellValueError as error:
                raise CellError(column.name, text, error.reason, error.fix) from None
            payload.setdefault(column.section, {})[column.key] = value
        if "consent" in payload:
            payload["consent"] = _by_channel(payload["consent"])
        return contact, payload

    def column_at(self, path: str) -> str:
        """Return the column of a path in what a row says, like `lists.a`; the path if none."""
        if path in CONTACT_PATHS:
            return self.names[self._contact]
        return self._by_path.get(path, path)


def _column(index: int, name: str) -> _Column:
    where = f"column {index + 1}, `{name}`"
    if not name:
        raise HeaderError(f"column {index + 1} has no name; name it or take it out")
    section, dot, key = name.partition(".")
    if section == "consent" and dot:
        return _Column(index, name, "consent", _channel(where, key), _level)
    if section == "list" and dot:
        if not NAME_FORM.fullmatch(key):
            raise HeaderError(
                f"{where}: no list can have this name; "
                "use a-z, 0-9, - and _, 64 at most, a letter or digit first"
            )
        return _Column(index, name, "lists", key, _switch)
    if section != "attributes" or not dot:
        key = name
    key, colon, type = key.partition(":")
    if colon and type not in TYPES:
        raise HeaderError(f"{where}: no type `{type}`; use one of {', '.join(TYPES)}")
    if not key or "." in key:
        raise HeaderError(
            f"{where}: no journey could read an attribute of this name; name it without a dot "
            "(`attributes.NAME`, `consent.CHANNEL` and `list.NAME` are known)"
        )
    return _Column(index, name, "attributes", key, TYPES[type or "text"])


def _channel(where: str, key: str) -> str:
    channel, dot, purpose = key.partition(".")
    if channel not in KNOWN_CHANNELS:
        raise HeaderError(f"{where}: no such channel; use one of {', '.join(KNOWN_CHANNELS)}")
    if dot and not NAME_FORM.fullmatch(purpose):
        raise HeaderError(
            f"{where}: no purpose can have this name; "
            "use a-z, 0-9, - and _, 64 at most, a letter or digit first"
        )
    if purpose == TRANSACTIONAL:
        raise HeaderError(f"{where}: what is transactional needs no consent; take it out")
    return consent_key(channel, purpose or MARKETING)


def _by_channel(levels: dict[str, str]) -> dict[str, Any]:
    """Return what is said by `consent_key` as an event says it: a level, or one by purpose."""
    said: dict[str, Any] = {}
    for key, level in levels.items():
        channel, _, purpose = key.partition(".")
        said.setdefault(channel, {})[purpose or MARKETING] = level
    return {
        channel: by_purpose[MARKETING] if list(by_purpose) == [MARKETING] else by_purpose
        for channel, by_purpose in said.items()
    }
