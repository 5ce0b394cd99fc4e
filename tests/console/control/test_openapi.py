"""The API keeps to its description, whatever it is sent: by schemathesis."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from console.control.app import ENDPOINTS
from tests.console.control.served import ANNA, HERE, Served, served
from tests.console.control.test_changes import draft, waiting

load_all_checks()
EXAMPLES = 8
"""For each endpoint."""
UNMEANT = {"positive_data_acceptance"}
"""Whether a journey is in order is no matter of the description: it has a schema of its own."""
BEARER = {"Authorization": f"Bearer {ANNA.key}"}
KNOWN = {"journey": "hello", "contact": "ada", "name": "purchase", "document": "segment"}
"""What is there, so that it can be found. Of contacts, after the first erasure no more."""
KEPT: list[Any] = [check for check in CHECKS.get_all() if check.__name__ not in UNMEANT]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("api") / "data"
    with pytest.MonkeyPatch.context() as patch, served(folder, [ANNA]) as shop:
        patch.setattr("console.reports.status.BETWEEN_S", 0.01)
        prepare(shop)
        found = schemathesis.openapi.from_asgi("/openapi.json", shop.app)
        yield found


def prepare(shop: Served) -> None:
    shop.asks("PUT", "/v1/draft", json=draft(waiting("1h")), headers=BEARER)
    shop.asks("POST", "/v1/publish", json={}, headers=BEARER)
    shop.event("ada", "purchase", total=1)


@pytest.mark.parametrize("mode", ["any", "there", "wrong"])
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_it_keeps_to_its_description(schema: Any, endpoint: Any, mode: str) -> None:
    operation = schema[endpoint.path][endpoint.method]
    parts = [each for each in KNOWN if f"{{{each}}}" in endpoint.path]
    if mode == "wrong" and not operation.body and not list(operation.iter_parameters()):
        return  # Nothing can be.
    if mode == "there" and not parts:
        return
    kind = GenerationMode.NEGATIVE if mode == "wrong" else GenerationMode.POSITIVE
    shape = operation.as_strategy(generation_mode=kind)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(shape)
    def keep_to_it(case: Any) -> None:
        if mode == "there":
            case.path_parameters = {each: KNOWN[each] for each in parts}
        case.call_and_validate(base_url=HERE, headers=BEARER, checks=KEPT)

    keep_to_it()


def test_all_endpoints_are_described(schema: Any) -> None:
    described = {
        (method.upper(), path)
        for path, found in schema.raw_schema["paths"].items()
        for method in found
    }
    assert described == {(each.method, each.path) for each in ENDPOINTS}
