"""Scenarios: what authors expect of journeys, played over the real engine in simulated time."""

from datetime import UTC
from pathlib import Path

import pytest

from actors.folder import read_folder
from channels.render import Renderer
from console.replay.replay import Replay, replay_chunks
from console.replay.source import chunks_from
from console.scenarios import stage as stage_module
from console.scenarios.scenario import SaidReceipt
from console.scenarios.stage import Stage
from console.system.simulator import simulate
from engine.input import payload_of
from engine.limits import DAY_MS, FAR_MS
from tests.console.scenarios.played import EXAMPLES, played, scenarios

LEAVES = """
- consent: {email: double_opt_in}
- {event: product_view, payload: {product_id: lamp}, times: 7, every: 1m}
"""


@pytest.mark.parametrize(
    ("given", "expected", "instead"),
    [
        (
            "- {event: product_view, times: 7}\n"
            "- {after: 1h, expect: {message: {template: favourites, at: 2026-03-02T12:30}}}",
            "a message (template favourites) at Mon 2026-03-02 12:30",
            "no message from favourites, node consent: "
            "no_consent (email: none, needed double_opt_in), Mon 2026-03-02 10:30",
        ),
        (
            LEAVES + "- {after: 1h, expect: {message: {journey: favourites}}}",
            "a message from favourites",
            "favourites waits at patience until Mon 2026-03-02 12:36",
        ),
        (
            LEAVES + "- expect: {message: {journey: favourites}}",
            "a message from favourites",
            "no message from favourites: c-1 never entered it; "
            "the session is still open until Mon 2026-03-02 10:36 (7 product_view)",
        ),
        (
            LEAVES + "- {after: 3h, expect: {message: {at: 2026-03-02T12:37}}}",
            "a message at Mon 2026-03-02 12:37",
            "it came at Mon 2026-03-02 12:36, not Mon 2026-03-02 12:37",
        ),
        (
            LEAVES + "- {after: 3h, expect: {message: {after_start: 2h35m}}}",
            "a message at Mon 2026-03-02 12:35",
            "it came at Mon 2026-03-02 12:36, not Mon 2026-03-02 12:35",
        ),
        (
            LEAVES + "- {after: 3h, expect: {message: {contains: [lamp, chair]}}}",
            "a message (containing 'lamp', containing 'chair')",
            "neither subject nor body has 'chair'; it says:\nDiese Lieblingsstücke",
        ),
        (
            LEAVES + "- {after: 3h, expect: {message: {subject: Diese}}}",
            "a message (subject Diese)",
            "its subject is 'Diese Lieblingsstücke haben sich verliebt', not 'Diese'",
        ),
        (
            LEAVES + "- {after: 3h, expect: nothing}",
            "nothing more",
            "message from favourites, node mail (email) at Mon 2026-03-02 12:36: 'Diese Lieb",
        ),
        (
            LEAVES + "- {after: 3h, expect: {none: {journey: favourites, why: capped}}}",
            "no message from favourites: capped",
            "message from favourites, node mail (email) at Mon 2026-03-02 12:36: 'Diese Lieb",
        ),
        (
            "- {event: product_view, times: 7}\n"
            "- {after: 1h, expect: {none: {journey: favourites, at: 2026-03-02T10:31}}}",
            "no message from favourites at Mon 2026-03-02 10:31",
            "no message from favourites, node consent: no_consent",
        ),
        (
            LEAVES + "- {after: 1h, expect: {waiting: {journey: favourites, node: mail}}}",
            "waits in favourites, node mail",
            "favourites waits at patience until Mon 2026-03-02 12:36",
        ),
        (
            LEAVES
            + "- after: 1h\n- expect: {waiting: {journey: favourites, until: 2026-03-02T12:35}}",
            "waits in favourites until Mon 2026-03-02 12:35",
            "favourites waits at patience until Mon 2026-03-02 12:36",
        ),
        (
            LEAVES + "- {after: 1h, expect: {waiting: nowhere}}",
            "in no journey",
            "favourites waits at patience until Mon 2026-03-02 12:36",
        ),
        (
            "- identify: {attributes: {tier: gold, vip: 1}}\n"
            "- expect: {attributes: {tier: gold, vip: true}}",
            "vip true",
            "vip is 1",
        ),
        (
            "- identify: {attributes: {tier: gold}}\n- expect: {attributes: {tier: null}}",
            "tier not there",
            'tier is "gold"',
        ),
        ("- expect: {message: {}}", "a message", "nothing is known of contact c-1"),
        (
            LEAVES + "- receipt: {message: mail, kind: failed}\n- expect: nothing",
            "that this can happen",
            "no message from node mail waits for a receipt",
        ),
    ],
)
def test_a_failure_says_what_was_expected_and_what_is_so_instead(
    given: str, expected: str, instead: str, tmp_path: Path
) -> None:
    (result,) = played(scenarios(tmp_path / "journeys", given))
    assert not result.passed
    assert result.expected == expected
    assert any(text.startswith(instead) for text in result.instead), result.instead


def test_a_failure_tells_the_timeline_of_each_contact(tmp_path: Path) -> None:
    given = LEAVES + "- {contact: c-2, event: purchase}\n- {after: 3h, expect: nothing}"
    (result,) = played(scenarios(tmp_path / "journeys", given))
    assert result.path == "$.tests[0].given[3]"
    assert result.moment == "Mon 2026-03-02 13:06"
    assert {
        contact: [line[:29].rstrip() + "|" + line[31:] for line in lines]
        for contact, lines in result.timelines.items()
    } == {
        "c-1": [
            "Mon 2026-03-02 10:00|consent: email double_opt_in",
            "Mon 2026-03-02 10:00 to 10:06|product_view, 7 times",
            "Mon 2026-03-02 10:36|session ends: 7 product_view",
            "Mon 2026-03-02 10:36|favourites waits at patience until Mon 2026-03-02 12:36",
            "Mon 2026-03-02 12:36|message from favourites, node mail (email)",
        ],
        "c-2": [
            "Mon 2026-03-02 10:06|purchase",
            "Mon 2026-03-02 10:36|session ends: 1 purchase",
        ],
    }


@pytest.mark.parametrize(
    "given",
    [
        # What an expectation has taken is not there for the next one.
        LEAVES + "- {after: 3h, expect: {message: {}}}\n- expect: {message: {}}",
        "- {event: product_view, times: 7}\n"
        "- {after: 3h, expect: {none: {journey: favourites}}}\n"
        "- expect: {none: {journey: favourites}}",
        # A message of one contact is none of another's.
        LEAVES + "- {after: 3h, contact: c-2, expect: {message: {}}}",
        # The same id is the same event.
        "- consent: {email: double_opt_in}\n- {event: product_view, times: 7, id: e}\n"
        "- {after: 1d, expect: {message: {}}}",
    ],
)
def test_this_cannot_be_met(given: str, tmp_path: Path) -> None:
    (result,) = played(scenarios(tmp_path / "journeys", given))
    assert not result.passed


def test_a_message_that_cannot_be_rendered_has_failed(tmp_path: Path) -> None:
    given = (
        LEAVES + "- {after: 3h, expect: nothing}\n"
        "- expect: {none: {journey: favourites, node: mail, why: 'failed (message'}}"
    )
    folder = scenarios(tmp_path / "journeys", given)
    template = folder / "templates" / "favourites.de.liquid"
    template.write_text("---\nsubject: x\n---\n{{ contact.id | minus: 1 | divided_by: 0 }}\n")
    (result,) = played(folder)
    assert result.passed, result.instead


def test_moments_are_of_the_zone_that_the_scenario_names(tmp_path: Path) -> None:
    given = LEAVES + "- {until: 2026-03-02T13:00, expect: {message: {at: 2026-03-02T12:36}}}"
    for zone in ("Europe/Berlin", "America/New_York"):
        head = f"zone: {zone}\nstart: 2026-03-02T10:00"
        (result,) = played(scenarios(tmp_path / "journeys", given, head))
        assert result.passed, (zone, result.instead)
    head = "zone: America/New_York\nstart: 2026-03-02T10:00+01:00"
    (result,) = played(scenarios(tmp_path / "journeys", given, head))
    assert result.instead[1:] == ["it came at Mon 2026-03-02 06:36, not Mon 2026-03-02 12:36"]


def test_receipts_are_of_the_messages_of_their_node_in_order(tmp_path: Path) -> None:
    again = "- {event: product_view, payload: {product_id: lamp}, times: 7}\n"
    given = LEAVES + (
        "- {after: 1d, receipt: {message: mail, kind: failed, reason: full}}\n"
        "- expect: {none: {journey: favourites, why: full}}\n"
        + again
        + "- {after: 1d, receipt: {message: mail, kind: delivered}}\n"
        + again
        + "- {after: 1d, expect: {none: {journey: favourites, why: capped}}}\n"
    )
    (result,) = played(scenarios(tmp_path / "journeys", given))
    assert result.passed, result.instead


def test_messages_wait_for_the_receipts_that_are_told_and_for_no_others() -> None:
    folder = read_folder(EXAMPLES)
    stage = Stage(folder.source, Renderer(folder.publication.templates, "de"), 0, UTC)
    told = [
        SaidReceipt(message="mail", kind="failed"),
        SaidReceipt(message="mail", kind="delivered"),
    ]
    for said in told:
        stage.announce("c", said)
    stage.event("c", "consent", {"email": "double_opt_in"})
    pending = []
    for _ in range(3):
        for _ in range(7):
            stage.event("c", "product_view", {"product_id": "lamp"})
        stage.advance(stage.now_ms + 8 * DAY_MS)
        pending.append(pending_of(stage))
    assert len(stage.messages) == 3
    for said in told:
        stage.receive("c", said)
        pending.append(pending_of(stage))
    assert pending == [1, 2, 2, 1, 0]
    assert [each.receipts for each in stage.messages] == [["failed"], ["delivered"], ["delivered"]]


def pending_of(stage: Stage) -> int:
    contact = stage.partition.contact("c")
    assert contact is not None
    return len(contact.pending)


def test_a_scenario_in_which_timers_never_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_module, "ADVANCES_MAX", 2)
    folder = scenarios(tmp_path / "journeys", LEAVES + "- {after: 1d, expect: {message: {}}}")
    (result,) = played(folder)
    (instead,) = result.instead
    assert instead.startswith("more than 2 timers went off; split the test")


def test_a_stage_comes_to_the_same_as_a_replay() -> None:
    events = list(simulate(3, 4_000))
    folder = read_folder(EXAMPLES)
    replay = Replay(folder.source)
    replay_chunks(replay, chunks_from(events), lambda _: None)
    stage = Stage(folder.source, Renderer(folder.publication.templates, "de"), 0, UTC)
    for event in events:
        assert event.at_ms is not None
        stage.advance(event.at_ms)
        stage.event(event.contact, event.name, payload_of(event), event.id)
    while stage.partition.next_due_at_ms < FAR_MS:
        stage.advance(stage.partition.next_due_at_ms)
    contacts = map(stage.partition.contact, stage.partition.contact_keys())
    assert not any(each is None or each.pending for each in contacts)
    held_back = {each.outcome.key: each.outcome for each in stage.held_back}
    sent = {each.delivery.key: each.delivery.at_ms for each in stage.messages}
    assert len(sent) > 20
    assert sent == {
        key: each.at_ms for key, each in replay.outcomes.items() if each.outcome == "sent"
    }
    assert held_back == {
        key: each for key, each in replay.outcomes.items() if each.outcome != "sent"
    }


def test_the_example_in_the_docs_passes(tmp_path: Path) -> None:
    section = (EXAMPLES.parents[1] / "docs" / "journeys.md").read_text().partition("## Test it")[2]
    folder = scenarios(tmp_path / "journeys", "- expect: nothing")
    example = section.partition("```yaml tests\n")[2].partition("```")[0]
    (folder / "tests" / "it.yaml").write_text(example)
    results = played(folder)
    assert len(results) == 2
    assert [each.instead for each in results if not each.passed] == []


def test_what_lies_below_tests_is_no_journey(tmp_path: Path) -> None:
    folder = scenarios(tmp_path / "journeys", "- expect: nothing")
    read = read_folder(folder)
    assert read.mistakes == []
    assert sorted(read.publication.journeys) == ["checkout-help.yaml", "favourites.yaml"]
    assert read.source == read_folder(EXAMPLES).source


def test_a_webhook_is_answered_with_what_the_receipt_says(tmp_path: Path) -> None:
    given = (
        "- event: score\n"
        "- expect: {waiting: {journey: asks, node: ask}}\n"
        "- {after: 5m, receipt: {message: ask, kind: delivered, "
        "answer: {status: 200, body: {tier: gold}}}}\n"
        "- expect: {attributes: {tier: gold}}\n"
    )
    folder = scenarios(tmp_path / "journeys", given)
    (folder / "asks.yaml").write_text(
        "journey: asks\nentry: {event: score}\nnodes:\n"
        "  - {id: ask, webhook: 'https://api.example.com/score'}\n"
        "  - {id: keep, set: {tier: {from: answers.ask.body.tier}}}\n"
    )
    (result,) = played(folder)
    assert result.passed, (result.path, result.expected, result.instead)
