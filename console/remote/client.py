"""Client: how the command asks a system elsewhere, through its control API."""

import sys
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import typer
from msgspec import Struct

from actors.errors import OperatorError
from actors.folder import Folder
from console.remote.field_words import in_options
from console.remote.media import JSON, TEXT
from engine.errors import AuthorError, Mistake

ANSWER_S: Final = 660.0
"""Longer than the API takes for anything."""
CONNECT_S: Final = 10.0

Control = Annotated[
    str,
    typer.Option(
        envvar="ANLASS_CONTROL",
        help="URL of a system's control API, not --data: it may be on another machine.",
    ),
]
ControlKeyOption = Annotated[
    str, typer.Option(envvar="ANLASS_CONTROL_KEY", help="Key for the control API.")
]

Answer = TypeVar("Answer")


class _Fault(Struct):
    problem: str
    file: str = ""
    path: str = ""
    fix: str = ""


class _Faults(Struct):
    errors: list[_Fault]


class ControlClient:
    """Asks the control API at a URL; what it refuses is raised in the words of the command."""

    def __init__(
        self, url: str, key: str = "", transport: httpx.BaseTransport | None = None
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise OperatorError(f"--control {url!r} is no URL; write http://HOST:PORT")
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._transport = transport

    def ask(
        self, method: str, path: str, wanted: type[Answer], body: Any = None, **query: Any
    ) -> Answer:
        """Return the answer as this type. Raises OperatorError, AuthorError."""
        return msgspec.json.decode(self.raw(method, path, body, **query), type=wanted)

    def raw(
        self, method: str, path: str, body: Any = None, *, media: str = JSON, **query: Any
    ) -> bytes:
        """Return the answer as it comes. Raises OperatorError, AuthorError."""
        headers = self._headers | {"accept": media}
        if body is not None:
            headers["content-type"] = JSON
        try:
            with self._client() as client:
                answer = client.request(
                    method,
                    f"{self._url}{path}",
                    params={name: value for name, value in query.items() if value},
                    content=None if body is None else msgspec.json.encode(body),
                    headers=headers,
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            text = f"the control API at {self._url} does not answer: {why}"
            raise OperatorError(f"{text}; is it `anlass run --control`?") from None
        if answer.is_success:
            return answer.content
        raise _refusal(answer, self._url)

    def _client(self) -> httpx.Client:
        limits = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        return httpx.Client(timeout=limits, transport=self._transport, trust_env=False)


def told_there(client: ControlClient, path: str, *, json: bool, **query: Any) -> None:
    """Print what the API tells at a path: as a line of JSON, or in the words of the command."""
    media = JSON if json else TEXT
    text = client.raw("GET", path, media=media, **query).decode()
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def draft_of_folder(folder: Folder) -> dict[str, Any]:
    """Return a folder, which is in order, as the API takes a draft."""
    found = folder.publication
    return {
        "journeys": found.journeys,
        "segments": found.segments,
        "templates": found.templates,
        "settings": found.settings,
        "settings_file": found.settings_file,
    }


def part(text: str) -> str:
    """Return a text as one part of a path, whatever is in it."""
    return quote(text, safe="")


def _refusal(answer: httpx.Response, url: str) -> Exception:
    try:
        faults = msgspec.json.decode(answer.content, type=_Faults).errors
    except msgspec.DecodeError:
        return OperatorError(f"{url} answers {answer.status_code}, and is no control API")
    if all(each.file for each in faults):
        return AuthorError(
            [Mistake(each.file, each.path, each.problem, each.fix) for each in faults]
        )
    return OperatorError(
        "\n".join(
            in_options(f"{each.problem}; {each.fix}" if each.fix else each.problem)
            for each in faults
        )
    )
