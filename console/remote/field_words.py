"""Field words: texts that name the command's options, in the words of who sends a request instead.

Both are told the same by the same code. What the control API says names fields of the request; the
command, which got it from there, names its options again.
"""

import re
from typing import Final

FIELDS: Final = {"--map": "`map`", "--vary": "`vary`", "--at": "`at`"}
"""Options that texts of the API may name, and the fields of requests that are meant."""
_OPTIONS: Final = {field: option for option, field in FIELDS.items()}
_OPTION: Final = re.compile(rf"(?<![\w`-])(?:{'|'.join(FIELDS)})(?![\w-])")
_FIELD: Final = re.compile("|".join(_OPTIONS))
_MAP: Final = re.compile(r"--map ([^:\s]+):([^=\s]*)=([^\s:]*)")
_MAP_FIELD: Final = re.compile(r'`map` \{"([^"]+)": \{"([^"]*)": "([^"]*)"\}\}')
_TO_END: Final = "nothing behind `=`: they end"
_TO_END_FIELD: Final = '"" in its place: they end'


def in_fields(text: str) -> str:
    """Name fields of a request in place of options."""
    text = _MAP.sub(r'`map` {"\1": {"\2": "\3"}}', text).replace(_TO_END, _TO_END_FIELD)
    return _OPTION.sub(lambda found: FIELDS[found[0]], text)


def in_options(text: str) -> str:
    """Name options in place of fields of a request: back from `in_fields`."""
    text = _MAP_FIELD.sub(r"--map \1:\2=\3", text).replace(_TO_END_FIELD, _TO_END)
    return _FIELD.sub(lambda found: _OPTIONS[found[0]], text)


def field_in(text: str) -> str:
    """Return the path of the request's field that a text of `in_fields` names first, or none."""
    found = _FIELD.search(text)
    return "" if found is None else f"$.{found[0].strip('`')}"
