"""Comparisons of drafts with the log as jobs: one at a time, bounded, and they can be ended."""

import json
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from console.__main__ import app
from console.control import jobs
from console.control.jobs import Jobs
from tests.console.control.served import NOON_MS, Served
from tests.console.control.test_changes import draft
from tests.engine.situation import mail
from tests.publications import journey

CAPPED = draft(journey(nodes=[mail()], caps=[{"messages": 1, "per": "1d"}]))


@pytest.fixture
def busy(shop: Served) -> Served:
    """Ada got two messages within an hour."""
    shop.asks("POST", "/v1/publish", json={"draft": draft(journey(nodes=[mail()]))})
    shop.event("ada", at_ms=NOON_MS)
    shop.event("ada", at_ms=NOON_MS + 60_000)
    return shop


def ended(shop: Served, id: str) -> Any:
    end = time.monotonic() + 60
    while (job := shop.asks("GET", f"/v1/jobs/{id}"))["state"] == "works":
        assert time.monotonic() < end
        time.sleep(0.05)
    return job


def test_a_draft_is_compared_with_what_went_out(busy: Served) -> None:
    begun = busy.asks("POST", "/v1/replays", json={"draft": CAPPED}, status=202)
    assert (begun["state"], begun["by"]) == ("works", "loopback")
    (error,) = busy.asks("POST", "/v1/replays", json={"draft": CAPPED}, status=409)["errors"]
    assert begun["id"] in error["problem"]
    busy.asks("GET", f"/v1/jobs/{begun['id']}/page", status=409)
    job = ended(busy, begun["id"])
    assert (job["state"], job["progress"], job["problem"]) == ("done", 1.0, "")
    total = job["summary"]["variants"][0]["total"]
    assert (total["real"], total["draft"], total["only_real"]) == (2, 1, 1)
    page = busy.asks("GET", f"/v1/jobs/{begun['id']}/page")
    assert page.startswith("<!doctype html>")
    (listed,) = busy.asks("GET", "/v1/jobs")
    assert (listed["id"], listed["summary"]) == (begun["id"], None)
    assert "ada" in json.dumps(job), "as a sample"
    busy.asks("DELETE", "/v1/contacts/ada")
    assert busy.asks("GET", "/v1/jobs") == [], "what names an erased contact is forgotten"
    busy.asks("GET", f"/v1/jobs/{begun['id']}/page", status=404)


def test_what_went_out_is_read_as_a_job_and_forgotten_with_who_is_erased(busy: Served) -> None:
    begun = busy.asks("POST", "/v1/outcomes", json={}, status=202)
    job = ended(busy, begun["id"])
    assert (job["what"], job["state"], job["progress"]) == ("outcomes", "done", 1.0)
    assert job["summary"]["outcomes"] == {"hello": {"sent": 2}}
    lines = busy.answer("GET", f"/v1/jobs/{begun['id']}/outcomes").text.splitlines()
    assert [json.loads(each)["contact"] for each in lines] == ["ada", "ada"]
    busy.asks("GET", f"/v1/jobs/{begun['id']}/differences", status=409)
    noted = busy.asks("GET", "/v1/audit")[0]
    assert (noted["what"], noted["by"]) == ("outcomes", "loopback")
    busy.asks("DELETE", "/v1/contacts/ada")
    busy.asks("GET", f"/v1/jobs/{begun['id']}/outcomes", status=404)


def test_what_names_a_contact_goes_also_when_a_command_erases_it(busy: Served) -> None:
    id = busy.asks("POST", "/v1/outcomes", json={}, status=202)["id"]
    ended(busy, id)
    kept = CliRunner().invoke(app, ["contact", "erase", "bob", "--data", str(busy.data)])
    assert kept.exit_code == 0, kept.output
    busy.asks("GET", f"/v1/jobs/{id}/outcomes", status=404)
    again = busy.asks("POST", "/v1/outcomes", json={}, status=202)["id"]
    assert ended(busy, again)["state"] == "done", "what begins later stays"


def test_variants_are_checked_before_a_job_begins(busy: Served) -> None:
    body: dict[str, Any] = {"draft": CAPPED, "vary": ["hello.yaml:caps[0].messages=1,none"]}
    errors = busy.asks("POST", "/v1/replays", json=body, status=422)["errors"]
    assert errors[0]["file"] == "hello.yaml"
    body = {"draft": CAPPED, "from_ms": 2, "until_ms": 1}
    (error,) = busy.asks("POST", "/v1/replays", json=body, status=400)["errors"]
    assert error["path"] == "$.from_ms"
    assert busy.asks("GET", "/v1/jobs") == []


def test_a_journey_of_a_draft_may_be_said_to_be_paused_all_along(busy: Served) -> None:
    body: dict[str, Any] = {"draft": CAPPED, "states": {"helo": "paused"}}
    (error,) = busy.asks("POST", "/v1/replays", json=body, status=400)["errors"]
    assert (error["path"], error["fix"]) == ("$.states", "did you mean `hello`?")
    body["states"] = {"hello": "paused"}
    id = busy.asks("POST", "/v1/replays", json=body, status=202)["id"]
    total = ended(busy, id)["summary"]["variants"][0]["total"]
    assert (total["real"], total["draft"]) == (2, 0)


def test_a_job_that_is_ended_has_no_process_any_more(busy: Served) -> None:
    id = busy.asks("POST", "/v1/replays", json={"draft": CAPPED}, status=202)["id"]
    while busy.system.jobs._process is None:
        time.sleep(0.001)
    process = busy.system.jobs._process
    assert busy.asks("DELETE", f"/v1/jobs/{id}")["state"] == "ended"
    process.wait(10)
    end = time.monotonic() + 10
    while busy.asks("GET", f"/v1/jobs/{id}")["ended_at_ms"] is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    again = busy.asks("POST", "/v1/replays", json={"draft": CAPPED}, status=202)["id"]
    assert ended(busy, again)["state"] == "done"


def test_a_process_that_dies_is_said_so(busy: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    id = busy.asks("POST", "/v1/replays", json={"draft": CAPPED}, status=202)["id"]
    job = ended(busy, id)
    assert job["state"] == "failed"
    assert job["problem"]


def test_only_the_last_few_are_remembered() -> None:
    def fail(_: str) -> Any:
        raise ValueError("no")

    found = Jobs()
    job = found.begin("anna", "replay", fail)
    for _ in range(jobs.KEPT_MAX + 3):
        while found.get(job.id).ended_at_ms is None:  # type: ignore[union-attr]
            time.sleep(0.001)
        job = found.begin("anna", "replay", fail)
    while found.get(job.id).ended_at_ms is None:  # type: ignore[union-attr]
        time.sleep(0.001)
    assert len(found.all()) == jobs.KEPT_MAX
    assert found.all()[0].id == job.id
    assert {(each.state, each.problem) for each in found.all()} == {("failed", "no")}
