"""What the command makes of the answers that a control API, or something else, gives."""

import json

import httpx
import pytest

from actors.errors import OperatorError
from console.remote.client import ControlClient
from engine.errors import AuthorError


def client(status: int, content: bytes) -> ControlClient:
    answer = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    return ControlClient("http://shop.example", transport=answer)


def test_mistakes_of_files_come_back_as_they_are() -> None:
    fault = {"file": "a.yaml", "path": "$.nodes", "problem": "no", "fix": "mend it"}
    with pytest.raises(AuthorError, match=r"a.yaml: no - at `\$.nodes`; mend it"):
        client(422, json.dumps({"errors": [fault]}).encode()).raw("GET", "/v1/history")


def test_what_is_no_control_api_is_said_so() -> None:
    with pytest.raises(OperatorError, match="answers 502, and is no control API"):
        client(502, b"<html>").raw("GET", "/v1/history")
    with pytest.raises(OperatorError, match="does not answer"):
        ControlClient("http://127.0.0.1:1").raw("GET", "/v1/history")
    with pytest.raises(OperatorError, match="is no URL"):
        ControlClient("127.0.0.1:8081")
