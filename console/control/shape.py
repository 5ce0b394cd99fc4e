"""Shape: what a request says as the type that is wanted, or every fault of it with its fix."""

from http import HTTPStatus
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Raw, Struct

from console.control.faults import Fault, RefusedError, fault_of_shape, refused
from engine.language.author import NOTHING, Reader

WORDS: Final[dict[Any, str]] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    type(None): "null",
}
NO_JSON: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
FAULTS_MAX: Final = 100
TEXT_CHARS_MAX: Final = 300
Shaped = TypeVar("Shaped", bound=Struct)


def read_body(data: bytes, wanted: type[Shaped]) -> Shaped:
    """Read a body of JSON. Raises RefusedError."""
    try:
        return msgspec.json.decode(data, type=wanted)
    except msgspec.ValidationError as error:
        said, text = _plain(data), str(error)
        raise _refusal(_Request(strict=True), wanted, said, "$", text) from None
    except NO_JSON as error:
        raise _no_json(error) from None


def read_query(said: dict[str, str], wanted: type[Shaped]) -> Shaped:
    """Read what stands behind `?`, where all is text. Raises RefusedError."""
    try:
        return msgspec.convert(said, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise _refusal(_Request(strict=False), wanted, said, "?", str(error)) from None


def _plain(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except NO_JSON as error:
        raise _no_json(error) from None


def _no_json(error: Exception) -> RefusedError:
    return refused(HTTPStatus.BAD_REQUEST, f"this is no JSON: {error}; send an object", "$")


def _refusal(reader: "_Request", wanted: Any, said: Any, root: str, text: str) -> RefusedError:
    """Return all that the reader finds; what msgspec says where it finds nothing."""
    reader.read(wanted, said, root)
    faults = [
        Fault(path=each.path[:TEXT_CHARS_MAX], problem=each.problem[:TEXT_CHARS_MAX], fix=each.fix)
        for each in reader.mistakes[:FAULTS_MAX]
    ]
    if (more := len(reader.mistakes) - FAULTS_MAX) > 0:
        faults.append(Fault(path=root, problem=f"and {more:,} more", fix="mend these first"))
    return RefusedError(HTTPStatus.BAD_REQUEST, *faults or [fault_of_shape(text, root)])


class _Request(Reader):
    """Finds all that is wrong in a request."""

    def __init__(self, *, strict: bool) -> None:
        super().__init__("")
        self._strict = strict

    def read(self, wanted: Any, data: Any, path: str = "$") -> Any:
        """See Reader; of bounded types, the bounds come last."""
        if wanted is Raw or wanted is Any:
            return data
        if get_origin(wanted) is not Annotated:
            return super().read(wanted, data, path)
        inner = get_args(wanted)[0]
        held = isinstance(data, list | dict) and type(data) is get_origin(inner)
        if held and super().read(inner, data, path) is NOTHING:
            return NOTHING
        return self._read_leaf(wanted, data, path)

    def _read_leaf(self, wanted: Any, data: Any, path: str) -> Any:
        try:
            return msgspec.convert(data, wanted, strict=self._strict)
        except msgspec.ValidationError:
            words = _words(wanted)
            self.add(path, f"expected {words}, got {data!r:.60}", f"send {words}")
            return NOTHING

    def _read_struct(self, wanted: type[Struct], data: Any, path: str) -> Any:
        if not isinstance(data, dict):
            return self._read_leaf(wanted, data, path)
        return super()._read_struct(wanted, data, path)


def _words(wanted: Any) -> str:
    """Say what is wanted, for people."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return _words(inner[0]) + _bounds(inner[0], inner[1])
    if origin in (Union, UnionType):
        return ", or ".join(map(_words, inner))
    if origin is Literal:
        return f"one of {', '.join(f'`{each}`' for each in inner)}"
    if isinstance(wanted, type) and issubclass(wanted, Struct):
        return WORDS[dict]
    return WORDS.get(origin or wanted, "a value of another kind")


def _bounds(of: Any, meta: Meta) -> str:
    """Say what bounds a number, a text or a list has."""
    if meta.max_length is None:
        return f" from {meta.ge} to {meta.le}"
    return f" of {meta.max_length:,} {'signs ' if of is str else ''}at most"
