"""Endpoint: one thing that can be asked for, with all that routes, checks and documents it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from msgspec import Struct

from console.control.faults import Fault, RefusedError
from console.control.gate import Caller
from console.control.settings import Scope
from console.control.system import System
from console.remote.media import JSON

BODY_BYTES_MAX: Final = 8 << 20
QUICK_S: Final = 30.0
LONG_S: Final = 600.0
"""For what folds the history of a contact, or rewrites files."""


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No fields at all."""


class Call(Struct, frozen=True):
    """A request that may be fulfilled."""

    system: System
    caller: Caller
    path: dict[str, str]
    query: Any
    """Of the endpoint's `query`."""
    body: Any
    """Of the endpoint's `body`; None where it has none."""
    accept: str = ""
    """Which kind of answer is wanted, of those the endpoint has."""


class Reply(Struct, frozen=True):
    """An answer that is no JSON, or has another status than 200."""

    content: Any
    status: HTTPStatus = HTTPStatus.OK
    media: str = JSON


class Endpoint(Struct, frozen=True, kw_only=True):
    """What can be asked for with this method at this path."""

    method: str
    path: str
    """With `{name}` for its parts that vary."""
    scope: Scope
    summary: str
    handle: Callable[[Call], Any]
    """In a thread: returns what is to be JSON, or a Reply."""
    answer: Any
    """The type of it, or its schema."""
    query: type[Struct] = Nothing
    body: type[Struct] | None = None
    body_bytes_max: int = BODY_BYTES_MAX
    status: HTTPStatus = HTTPStatus.OK
    medias: tuple[str, ...] = (JSON,)
    """The kinds that the answer may be of, the usual first."""
    what: str = ""
    """The name of the change in the audit log; empty where nothing changes.
    Nor does anything where the body says `dry`."""
    about: Callable[[Call], str] = lambda _: ""
    """What the change is about, for the audit log."""
    limit_s: float = QUICK_S


def no_such(text: str) -> RefusedError:
    """Return an error that says what is not there, `problem; fix`."""
    problem, _, fix = text.partition("; ")
    return RefusedError(HTTPStatus.NOT_FOUND, Fault(problem=problem, fix=fix))
