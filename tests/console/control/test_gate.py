"""Who is let in: keys and their scopes, and nobody from elsewhere where there are none."""

import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.errors import OperatorError
from console.control import gate
from console.control.app import ENDPOINTS
from console.control.settings import (
    SCOPES,
    ControlKey,
    control_keys,
    read_address,
    read_key,
)
from tests.console.control.served import Served, served

KEYS = {
    scope: ControlKey(name=f"of {scope}", key=f"the-key-for-{scope}-alone", scopes=[scope])
    for scope in SCOPES
}


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "data", list(KEYS.values())) as found:
        yield found


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def path_of(path: str) -> str:
    return path.replace("{", "").replace("}", "")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_each_endpoint_takes_a_key_of_its_scope_and_no_other(
    locked: Served, endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, path = endpoint.method, path_of(endpoint.path)
    answer = locked.answer(method, path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    wrong = locked.asks(method, path, headers=bearer("no-key-of-anybody-at-all"), status=401)
    assert "none of the keys" in wrong["errors"][0]["problem"]
    for scope, key in KEYS.items():
        status = locked.answer(method, path, headers=bearer(key.key)).status_code
        assert (status in {401, 403}) == (scope != endpoint.scope), (scope, status)


def test_the_description_can_be_read_by_all(locked: Served) -> None:
    assert locked.asks("GET", "/openapi.json")["openapi"] == "3.1.0"


def test_a_key_is_compared_with_all_in_a_time_that_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(gate, "compare_digest", compare)
    first = next(iter(KEYS.values()))
    caller = gate.Gate(list(KEYS.values())).caller(bearer(first.key), "read")
    assert caller.name == first.name
    assert compared == [(32, 32)] * len(KEYS)


@pytest.mark.parametrize(
    ("headers", "let_in"),
    [
        ({}, True),
        ({"host": "localhost:8081"}, True),
        ({"host": "[::1]:8081"}, True),
        ({"host": "anlass.example"}, False),
        ({"host": "127.0.0.1.evil.example"}, False),
        ({"origin": "http://127.0.0.1:3000"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_without_keys_only_this_machine_is_answered_and_no_foreign_page_in_its_browser(
    shop: Served, headers: dict[str, str], let_in: object
) -> None:
    assert shop.answer("GET", "/v1/jobs", headers=headers).status_code == (200 if let_in else 403)
    assert (shop.answer("POST", "/v1/journeys/a/end", headers=headers).status_code != 403) == let_in


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({"name": "anna", "key": "short", "scopes": ["read"]}, "can be guessed"),
        ({"name": "anna", "key": "ü" * 20, "scopes": ["read"]}, "signs of ASCII"),
        ({"name": "", "key": "k" * 20, "scopes": ["read"]}, "has no name"),
        ({"name": "anna", "key": "k" * 20, "scopes": []}, "may do nothing"),
        ({"name": "anna", "key": "k" * 20, "scopes": ["all"]}, "Invalid enum value 'all'"),
        ({"name": "anna", "key": "k" * 20}, "missing required field `scopes`"),
        ({"name": "anna", "key": "$NOT_SET_AT_ALL", "scopes": ["read"]}, "is not set"),
        ({"name": "bob", "key": "k" * 20, "scopes": ["read"]}, "there twice"),
        ({"name": "eve", "key": "b" * 20, "scopes": ["read"]}, "is that of 'bob', too"),
    ],
)
def test_a_key_that_cannot_be_meant_refuses_the_start(key: dict[str, Any], said: str) -> None:
    bob = {"name": "bob", "key": "b" * 20, "scopes": ["read"]}
    with pytest.raises(OperatorError, match=said):
        control_keys({"keys": [bob, key]})


def test_keys_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNA_KEY", "a" * 20)
    monkeypatch.setenv("ANLASS_CONTROL_KEYS", f"bob:read+publish:{'b' * 20}")
    keys = control_keys({"keys": [{"name": "anna", "key": "$ANNA_KEY", "scopes": ["contacts"]}]})
    assert [(each.name, each.key[0], each.scopes) for each in keys] == [
        ("anna", "a", ["contacts"]),
        ("bob", "b", ["read", "publish"]),
    ]
    for text in ("bob", "bob:read", "bob:reed:key"):
        with pytest.raises(OperatorError):
            read_key(text)


def test_others_reach_it_only_with_keys() -> None:
    keys = list(KEYS.values())
    assert read_address("127.0.0.1:0", []) == ("127.0.0.1", 0)
    assert read_address("[::1]:8081", []) == ("::1", 8081)
    assert read_address("0.0.0.0:8081", keys) == ("0.0.0.0", 8081)
    with pytest.raises(OperatorError, match="there are no keys"):
        read_address("0.0.0.0:8081", [])
    for text in ("8081", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"):
        with pytest.raises(OperatorError, match="is no address"):
            read_address(text, keys)
