"""App: the API as an ASGI application: routes, checks, answers, and the words where it cannot."""

import asyncio
from collections import defaultdict
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

import msgspec
import structlog
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from console.control import changes, contacts, journeys, rehearsals, replays, sights
from console.control.endpoint import Call, Endpoint, Reply
from console.control.faults import (
    Fault,
    Faults,
    fault_of,
    refusal_of,
    refused,
)
from console.control.gate import Gate, NotLetInError
from console.control.openapi import openapi_of
from console.control.refusals import NOBODY, WINDOW_S, Refusal
from console.control.settings import ControlKey
from console.control.shape import read_body, read_query
from console.control.system import System
from console.control.turns import Turns
from console.journeys.audit import DONE, WRONG
from console.remote.media import JSON

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *sights.ENDPOINTS,
    *journeys.ENDPOINTS,
    *changes.ENDPOINTS,
    *contacts.ENDPOINTS,
    *replays.ENDPOINTS,
    *rehearsals.ENDPOINTS,
)
RETRY_AFTER_S: Final = "2"
BODY_S: Final = 30.0
"""Longest time in which a body may come in."""
CANNOT: Final = "this went wrong here, and is in the log of the system; please report it"
HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "script-src 'unsafe-inline'; frame-ancestors 'none'",
}

log = structlog.get_logger()
_encode: Final = msgspec.json.Encoder().encode


class Api:
    """Answers requests about one system."""

    def __init__(self, system: System, keys: list[ControlKey]) -> None:
        self._system = system
        self._gate = Gate(keys)
        self._turns = Turns()

    async def answer(self, endpoint: Endpoint, request: Request) -> Response:
        """Answer one request."""
        try:
            call = await self._call(endpoint, request)
            found = await self._turns.take(lambda: self._do(endpoint, call), endpoint.limit_s)
        except Exception as error:  # noqa: BLE001 - whatever it was, who asks is told
            return _refusal(error)
        if not isinstance(found, Reply):
            found = Reply(found)
        content = _encode(found.content) if found.media == JSON else found.content.encode()
        return Response(content, found.status, HEADERS, found.media)

    def close(self) -> None:
        """Take no more requests, and end the job that works."""
        self._turns.close()
        self._system.close()

    async def _call(self, endpoint: Endpoint, request: Request) -> Call:
        """Check a request from its head to its body. Raises RefusedError."""
        try:
            caller = self._gate.caller(request.headers, endpoint.scope)
        except NotLetInError as error:
            await self._note(error, endpoint, request)
            raise
        return Call(
            system=self._system,
            caller=caller,
            path={name: _part(name, text) for name, text in request.path_params.items()},
            query=_query(endpoint.query, request),
            accept=_media(endpoint, request.headers.get("accept", "")),
            body=await _body(endpoint, request),
        )

    async def _note(self, error: NotLetInError, endpoint: Endpoint, request: Request) -> None:
        """Note who is not let in: the first one at once, and how many there were in the end."""
        refusals, loop = self._system.refusals, asyncio.get_running_loop()
        address = NOBODY if request.client is None else request.client.host
        about = f"{endpoint.method} {endpoint.path}"
        if refusals.add(Refusal(address, error.name or NOBODY, error.status, about)):
            loop.call_later(WINDOW_S, loop.run_in_executor, None, refusals.write)
            await asyncio.to_thread(refusals.write)

    def _do(self, endpoint: Endpoint, call: Call) -> Any:
        """Do it, in a thread; a change is noted before and after."""
        if not endpoint.what or getattr(call.body, "dry", False):
            return endpoint.handle(call)
        audit = self._system.audit
        line = audit.begin(call.caller.name, endpoint.what, endpoint.about(call))
        outcome = WRONG
        try:
            found = endpoint.handle(call)
            outcome = DONE
        except Exception as error:
            refusal = refusal_of(error)
            outcome = str(refusal) if refusal is not None else f"{WRONG}: {error}"
            raise
        finally:
            audit.end(line, outcome, call.path.get("contact", ""))
        return found


class Place:
    """One path: what can be asked for there, by method. An ASGI application."""

    def __init__(self, api: Api, endpoints: dict[str, Endpoint]) -> None:
        self._api = api
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        endpoint = self._endpoints.get(request.method)
        if endpoint is not None:
            response = await self._api.answer(endpoint, request)
        else:
            allowed = ", ".join(sorted(self._endpoints))
            text = f"{request.method} is not for this path; send one of {allowed}"
            response = _faults(HTTPStatus.METHOD_NOT_ALLOWED, [fault_of(text)], {"allow": allowed})
        await response(scope, receive, send)


class RawPaths:
    """Lets parts of a path hold slashes, percent-encoded: `anonymous%2Fa-1` is one part."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route by the path as it was sent."""
        if scope["type"] == "http":
            raw = scope.get("raw_path") or quote(scope["path"]).encode()
            scope = dict(scope, path=raw.decode("latin-1"))
        await self.app(scope, receive, send)


def app_of(system: System, keys: list[ControlKey]) -> tuple[RawPaths, Api]:
    """Return the application, and what is to be closed when it ends."""
    api = Api(system, keys)
    by_path: dict[str, dict[str, Endpoint]] = defaultdict(dict)
    for each in ENDPOINTS:
        by_path[each.path][each.method] = each
    routes = [Route(path, Place(api, found)) for path, found in by_path.items()]
    document = _encode(openapi_of(ENDPOINTS))

    async def openapi(_: Request) -> Response:
        return Response(document, HTTPStatus.OK, HEADERS, JSON)

    routes.append(Route("/openapi.json", openapi, methods=["GET"]))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_path})
    return RawPaths(app), api


async def _no_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = f"{request.url.path} is no path of this API; see /openapi.json"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        text = f"{request.method} is not for this path; send GET"
    return _faults(error.status_code, [fault_of(text)], dict(error.headers or {}))


def _refusal(error: Exception) -> Response:
    refusal = refusal_of(error)
    if refusal is None:
        log.error("a request of the control API went wrong", exc_info=error)
        return _faults(HTTPStatus.INTERNAL_SERVER_ERROR, [Fault(problem=CANNOT)], {})
    more = {}
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        more["www-authenticate"] = "Bearer"
    elif refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
        more["retry-after"] = RETRY_AFTER_S
    return _faults(refusal.status, refusal.faults, more)


def _faults(status: int, faults: list[Fault], headers: dict[str, str]) -> Response:
    return Response(_encode(Faults(faults)), status, HEADERS | headers, JSON)


def _part(name: str, text: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise refused(HTTPStatus.BAD_REQUEST, "this is no UTF-8; encode it so", name) from None


def _query(wanted: type[Struct], request: Request) -> Struct:
    """Read what stands behind `?`. Raises RefusedError with the name of what is wrong."""
    said: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in said:
            raise refused(HTTPStatus.BAD_REQUEST, f"{name} is there twice; keep one", name)
        said[name] = value
    return read_query(said, wanted)


async def _body(endpoint: Endpoint, request: Request) -> Any:
    """Read the body, as much as may be. Raises RefusedError."""
    wanted = endpoint.body
    if wanted is None:
        return None
    try:
        async with asyncio.timeout(BODY_S):
            data = await _bytes(request, endpoint.body_bytes_max)
    except TimeoutError:
        text = f"the body did not come within {BODY_S:.0f} s; send it again"
        raise refused(HTTPStatus.REQUEST_TIMEOUT, text) from None
    except ClientDisconnect:
        raise refused(HTTPStatus.BAD_REQUEST, "the body ended early; send it again") from None
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if data and media != JSON:
        text = f"the body is to be {JSON}; say so in Content-Type"
        raise refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text)
    return await asyncio.to_thread(read_body, data or b"{}", wanted)


async def _bytes(request: Request, bytes_max: int) -> bytes:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > bytes_max:
            text = f"a body has {bytes_max >> 20} MiB at most; send less"
            raise refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
    return bytes(data)


def _media(endpoint: Endpoint, accept: str) -> str:
    """Return the first kind of answer that is wanted; the usual one where none is."""
    for each in accept.split(","):
        media = each.partition(";")[0].strip().lower()
        if media in endpoint.medias:
            return media
    return endpoint.medias[0]
