"""Faults: what went wrong with a request, in the same words as the command says it."""

import re
from http import HTTPStatus
from typing import Final

from msgspec import Struct

from actors.errors import LogCorruptError, OperatorError, UnknownError
from actors.links.link import LinkError
from console.journeys.audit import UnnotedError
from console.remote.field_words import field_in, in_fields
from engine.errors import AuthorError

_PATH_AT_END: Final = re.compile(r" - at `(\$[^`]*)`$")


class Fault(Struct, frozen=True, kw_only=True):
    """One thing that is wrong: where, what, and how to mend it."""

    file: str = ""
    """Of a draft, if it is in one."""
    path: str = ""
    """`$` and what stands below it: in the file, or in the request's body."""
    problem: str
    fix: str = ""


class Faults(Struct, frozen=True):
    """The answer to a request that is not fulfilled."""

    errors: list[Fault]


class RefusedError(Exception):
    """A request that is answered with a status of its own."""

    def __init__(self, status: int, *faults: Fault) -> None:
        super().__init__("; ".join(each.problem for each in faults))
        self.status = status
        self.faults = list(faults)


def refused(status: HTTPStatus, text: str, path: str = "") -> RefusedError:
    """Return an error of one sentence, `problem; fix`."""
    return RefusedError(status, fault_of(text, path))


def fault_of(text: str, path: str = "") -> Fault:
    """Part a line for people into what is wrong and how to mend it, as fields of a request."""
    text = in_fields(text)
    problem, _, fix = text.rpartition("; ")
    path = path or field_in(text)
    return Fault(path=path, problem=problem or fix, fix=fix if problem else "")


def fault_of_shape(text: str, root: str = "$") -> Fault:
    """Return what msgspec says of data of another shape."""
    found = _PATH_AT_END.search(text)
    path = found[1].replace("$", root, 1) if found else root
    return Fault(path=path, problem=_PATH_AT_END.sub("", text), fix="see /openapi.json")


def refusal_of(error: Exception) -> RefusedError | None:
    """Return how an error of the system's is answered; None: it is a fault of ours."""
    match error:
        case RefusedError():
            return error
        case AuthorError():
            faults = [
                Fault(file=each.file, path=each.path, problem=each.problem, fix=each.fix)
                for each in error.mistakes
            ]
            return RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, *faults)
        case UnknownError():
            status = HTTPStatus.NOT_FOUND
        case LogCorruptError() | LinkError() | OSError() | UnnotedError():
            status = HTTPStatus.SERVICE_UNAVAILABLE
        case OperatorError():
            status = HTTPStatus.CONFLICT
        case _:
            return None
    lines = str(error).splitlines() or [type(error).__name__]
    return RefusedError(status, *map(fault_of, lines))
