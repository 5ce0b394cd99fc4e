"""The journeys that are shipped as examples, and the tests beside them: what they promise."""

from pathlib import Path
from shutil import copytree

import pytest

from actors.folder import read_folder
from console.scenarios.reader import read_scripts
from console.scenarios.rehearsal import Rehearsal
from console.scenarios.scenario import Script
from tests.console.scenarios.played import EXAMPLES, played, scenarios

FOLDERS = {name: EXAMPLES.parent / name for name in ("journeys", "scenarios")}
REHEARSALS = {name: Rehearsal(read_folder(folder)) for name, folder in FOLDERS.items()}
READ = {name: read_scripts(folder, REHEARSALS[name].cast) for name, folder in FOLDERS.items()}
SHIPPED = [(name, script) for name, (scripts, _) in READ.items() for script in scripts]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_files_can_be_read_and_there_is_one_for_each_journey(name: str) -> None:
    scripts, mistakes = READ[name]
    assert mistakes == []
    journeys = {f"tests/{journey}.yaml" for journey in REHEARSALS[name].cast.journeys}
    assert {script.file for script in scripts} == journeys


@pytest.mark.parametrize(
    ("name", "script"), SHIPPED, ids=[f"{name}: {script.scenario.test}" for name, script in SHIPPED]
)
def test_the_shipped_journeys_do_what_is_promised(name: str, script: Script) -> None:
    result = REHEARSALS[name].play(script)
    assert result.passed, (result.path, result.expected, result.instead)
    assert result.expectations >= 1


@pytest.mark.parametrize(
    ("file", "words", "instead"),
    [
        ("favourites.yaml", "wait: 2h", "wait: 150m"),
        ("favourites.yaml", "at_least: 7", "at_least: 6"),
        ("favourites.yaml", "at_least: 7", "at_least: 8"),
        ("favourites.yaml", "exit_on: [purchase]", ""),
        ("favourites.yaml", "is: double_opt_in", "is: opt_in"),
        ("favourites.yaml", "messages: 1, per: 7d", "messages: 2, per: 7d"),
        ("favourites.yaml", "messages: 1, per: 7d", "messages: 1, per: 8d"),
        (
            "favourites.yaml",
            "counts.checkout_start, equals: 0",
            "counts.checkout_start, at_least: 0",
        ),
        ("checkout-help.yaml", "wait: 5m", "wait: 6m"),
        ("checkout-help.yaml", "exit_on: [purchase]", ""),
        ("checkout-help.yaml", "cart_filled, equals: true", "cart_filled, exists: true"),
        ("checkout-help.yaml", "messages: 1, per: 24h", "messages: 2, per: 24h"),
        ("anlass.yaml", "session_gap: 30m", "session_gap: 31m"),
        ("anlass.yaml", "language: de", "language: en"),
        ("templates/favourites.de.liquid", "contact.surname", "contact.firstname"),
    ],
)
def test_a_journey_that_breaks_its_promise_is_found(
    file: str, words: str, instead: str, tmp_path: Path
) -> None:
    assert is_found("journeys", file, words, instead, tmp_path)


@pytest.mark.parametrize(
    ("file", "words", "instead"),
    [
        ("delivery-status.yaml", "late_after: 12h", "late_after: 'off'"),
        ("delivery-status.yaml", "reentry: {key: order_id}", "reentry: always"),
        ("delivery-status.yaml", "same: [order_id, status]", "same: [status]"),
        ("delivery-status.yaml", "same: [order_id, status]", "same: [order_id]"),
        ("delivery-status.yaml", "status, delivery_date]", "status]"),
        ("delivery-status.yaml", "same: [order_id], then: sent-back", "then: sent-back"),
        ("delivery-status.yaml", "within: 60d", "within: 6d"),
        ("delivery-status.yaml", "timeout: 3d", "timeout: 2d"),
        ("delivery-status.yaml", "purpose: service", "purpose: transactional"),
        ("delivery-status.yaml", "    in_quiet_hours: delay\n", ""),
        ("delivery-status.yaml", "needs: [trigger.delivery_date]", "needs: []"),
        ("browse-abandon-web.yaml", "at_least: 2", "at_least: 3"),
        ("browse-abandon-web.yaml", "within: session, at_least: 2", "within: 1d, at_least: 2"),
        ("browse-abandon-web.yaml", "{cart: quantity, equals: 0}", "{cart: total, exists: true}"),
        ("browse-abandon-web.yaml", "- {not_happened: purchase, within: session}", ""),
        ("browse-abandon-web.yaml", "exit_on: [purchase, cart_update]", "exit_on: [purchase]"),
        ("browse-abandon-web.yaml", "again: true", "again: false"),
        ("browse-abandon-web.yaml", "reentry: 1d", "reentry: always"),
        ("paywall.yaml", "within: 21d", "within: 90d"),
        ("paywall.yaml", "- {when: {segment: subscribers}}", "- leave"),
        ("paywall.yaml", "since: exit", "since: entry"),
        ("paywall.yaml", "message: opened", "message: sent"),
        ("paywall.yaml", "goal: {event: subscribe, within: 14d}", ""),
        ("winback.yaml", 'between: ["10:00", "18:00"]', 'between: ["09:00", "18:00"]'),
        ("winback.yaml", "message: opened", "message: delivered"),
        ("winback.yaml", "hold_out: 10", "hold_out: 1"),
        ("winback.yaml", "exit_on: [purchase]", ""),
        ("segments/lapsed.yaml", "within: 60d", "within: 58d"),
        ("birthday.yaml", "every: year", "every: once"),
        ("birthday.yaml", ", when: {segment: newsletter}", ""),
        ("birthday.yaml", "needs: [contact.firstname]", "needs: []"),
        ("birthday.yaml", 'time: "09:00"', 'time: "09:00", zone: settings'),
        ("welcome.yaml", "reentry: once", "reentry: always"),
        ("welcome.yaml", "- {when: {not: {segment: newsletter}}}", "- leave"),
        ("welcome.yaml", "- {event: purchase, then: done}", "- {event: order, then: done}"),
        ("welcome.yaml", "hold_out: true", "then: warm"),
        ("post-purchase.yaml", "again: once", "again: always"),
        ("post-purchase.yaml", "when: {field: status, equals: delivered}", ""),
        ("post-purchase.yaml", "within: 400d", "within: 1d"),
        ("replenishment.yaml", "same: [product_id], again: true", "again: true"),
        ("replenishment.yaml", "participation: 20d", "participation: 1d"),
        ("replenishment.yaml", "when: {field: category", "when: {field: product_id"),
        ("favourites.yaml", "priority: 5", "priority: 15"),
        ("checkout-help.yaml", "group: abandoned", ""),
        ("anlass.yaml", "messages: 3, per: week", "messages: 4, per: week"),
        ("anlass.yaml", "email: double_opt_in", "email: opt_in"),
        ("anlass.yaml", 'to: "07:00"', 'to: "06:00"'),
        ("anlass.yaml", "no_session: [delivery_status]", ""),
        ("anlass.yaml", "{email: email, sms: phone}", "{}"),
    ],
)
def test_a_scenario_that_breaks_its_promise_is_found(
    file: str, words: str, instead: str, tmp_path: Path
) -> None:
    assert is_found("scenarios", file, words, instead, tmp_path)


@pytest.mark.parametrize(
    ("given", "expected", "instead"),
    [
        (
            "- identify: {lists: {newsletter: true}}\n"
            "- expect: {segments: {newsletter: false, lapsed: true, subscribers: false}}",
            "not in newsletter, in lapsed",
            ["in newsletter", "not in lapsed"],
        ),
        (
            "- {contact: other, identify: {lists: {newsletter: true}}}\n"
            "- expect: {segments: {newsletter: true}}",
            "in newsletter",
            ["not in newsletter"],
        ),
        (
            "- {event: paywall_view, times: 3}\n"
            "- expect: {converted: {journey: paywall, goal: subscribe, after_start: 0m}}",
            "a goal of paywall: subscribe at Mon 2026-03-02 10:00",
            ["no visit of paywall came to a goal"],
        ),
        (
            "- {event: paywall_view, times: 3}\n- event: subscribe\n"
            "- expect: {converted: {journey: paywall, goal: purchase}}",
            "a goal of paywall: purchase",
            ["subscribe, Mon 2026-03-02 10:00"],
        ),
        (  # What one expectation has taken is not there for the next one.
            "- {event: paywall_view, times: 3}\n- event: subscribe\n"
            "- expect: {converted: {journey: paywall}}\n"
            "- expect: {converted: {journey: paywall}}",
            "a goal of paywall",
            ["subscribe, Mon 2026-03-02 10:00"],
        ),
        (  # A goal that is reached is no message that did not come.
            "- {event: paywall_view, times: 3}\n- event: subscribe\n"
            "- expect: {none: {journey: paywall}}",
            "no message from paywall",
            ["message from paywall, node offer (in_app) at Mon"],
        ),
        (
            "- {event: paywall_view, times: 3}\n- {receipt: {message: offer, kind: opened}}\n"
            "- {receipt: {message: offer, kind: opened}}\n- expect: nothing",
            "that this can happen",
            ["no message from node offer waits for a receipt"],
        ),
    ],
)
def test_a_failure_says_what_is_so_of_segments_goals_and_receipts(
    given: str, expected: str, instead: list[str], tmp_path: Path
) -> None:
    (result,) = played(scenarios(tmp_path / "it", given, shipped=FOLDERS["scenarios"]))
    assert not result.passed
    assert result.expected == expected
    assert len(result.instead) == len(instead)
    assert all(map(str.startswith, result.instead, instead)), result.instead


def is_found(name: str, file: str, words: str, instead: str, tmp_path: Path) -> bool:
    """Say whether the tests beside the journeys notice that some words are others."""
    folder = copytree(FOLDERS[name], tmp_path / "journeys")
    text = (folder / file).read_text()
    assert words in text
    (folder / file).write_text(text.replace(words, instead))
    changed = read_folder(folder)
    assert changed.mistakes == []
    rehearsal = Rehearsal(changed)
    scripts, _ = READ[name]  # They are as they were: to read them takes longer than to play them.
    return not all(rehearsal.play(script).passed for script in scripts)
