"""`anlass explain`: the whole story, from what is on the disk; and `anlass contact show --at`."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import astuple

from actors.erasure import contact_of
from actors.errors import OperatorError
from actors.store.archive import ARCHIVE_FOLDER
from actors.store.history import read_history
from console.contacts.explain import explanation_of
from console.contacts.show import known_of
from console.contacts.story import InputTold, StoryEntry
from engine.decision import Outcome
from engine.partition import Partition
from engine.trace import ENTERED, WHYS
from tests.actors.made_store import CONTACTS, MadeStore, made_store
from tests.console.command import anlass
from tests.console.contacts.audit import Audit
from tests.console.contacts.test_reasons import journeys_in
from tests.console.scenarios.played import EXAMPLES
from tests.console.told_store import ADA, ToldStore, at_ms, told_store

PAGE = Path(__file__).parents[3] / "docs" / "explain.md"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> ToldStore:
    return told_store(tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeStore:
    return made_store(tmp_path_factory.mktemp("made"))


def test_the_page_shows_what_is_printed(told: ToldStore) -> None:
    printed = anlass("explain", ADA, "--journey", "favourites", "--data", told.data).stdout
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert printed == shown


def test_of_a_journey_that_never_was_it_says_so(told: ToldStore) -> None:
    result = anlass("explain", ADA, "--journey", "favorites", "--data", told.data)
    assert result.returncode == 2
    assert "no journey 'favorites' is in force, and none is told of; did you mean" in result.stderr


def test_where_nothing_is_to_be_told_it_says_so(told: ToldStore) -> None:
    result = anlass("explain", ADA, "--since", "2030-01-01", "--data", told.data)
    assert (result.returncode, result.stdout.splitlines()[1:]) == (0, ["Nothing is told of that."])


def test_the_page_names_all_reasons() -> None:
    page = PAGE.read_text()
    for why, words in WHYS.items():
        assert why == ENTERED or words in page


def test_what_the_story_of_a_store_says_is_so(told: ToldStore) -> None:
    audit = Audit(journeys_in(EXAMPLES), "Europe/Berlin")
    audit.look_over(explanation_of(told.data, ADA).entries, told.outcomes)
    assert {"no_match", "entered", "sent", "capped", "exited", "session count"} <= set(
        audit.checked
    )


def logged(store: MadeStore) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {f"c-{number}": [] for number in range(CONTACTS)}
    for frame in read_history(store.folder, store.key):
        for each in frame.outcomes:
            found[each.contact].append(each)
    return found


def test_each_outcome_of_a_log_stands_in_one_entry_of_its_contact(made: MadeStore) -> None:
    for contact, outcomes in logged(made).items():
        entries = explanation_of(made.data, contact).entries
        told = [each.outcome for each in entries if isinstance(each.outcome, Outcome)]
        assert Counter(map(astuple, told)) == Counter(map(astuple, outcomes))
        assert not any(each.recorded for each in entries)


def test_each_input_of_a_log_stands_in_one_entry_of_its_contact(made: MadeStore) -> None:
    positions: dict[str | None, list[int]] = {}
    for frame in read_history(made.folder, made.key):
        for at, record in enumerate(frame.records, frame.position):
            positions.setdefault(contact_of(record), []).append(at)
    for number in range(CONTACTS):
        contact = f"c-{number}"
        inputs = [each.input for each in explanation_of(made.data, contact).entries]
        told = [each for each in inputs if isinstance(each, InputTold)]
        assert [each.position for each in told if each.what != "publish"] == positions[contact]


def test_json_says_the_same(told: ToldStore) -> None:
    printed = json.loads(anlass("explain", ADA, "--json", "--data", told.data).stdout)
    assert printed == msgspec.to_builtins(explanation_of(told.data, ADA))
    outcomes = [each["outcome"] for each in printed["entries"] if "outcome" in each]
    assert [each["outcome"] for each in outcomes] == ["sent", "capped", "exited"]


def test_what_the_log_says_holds_where_folding_again_says_otherwise(
    told: ToldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if newer code knew no caps."""
    monkeypatch.setattr("engine.nodes.send.full_cap", lambda *_: None)
    entries = explanation_of(told.data, ADA).entries
    (otherwise,) = [each for each in entries if each.recorded]
    assert isinstance(otherwise.outcome, Outcome)
    assert otherwise.outcome.outcome == "capped"
    _, kept = known_of(told.data, ADA)
    assert kept is not None
    assert [each.key for each in kept.messages] == [told.outcomes[0].key]


def test_a_moment_leaves_out_what_was_before(told: ToldStore) -> None:
    since = "2026-04-07T17:00:00+02:00"
    printed = anlass("explain", ADA, "--since", since, "--data", told.data).stdout
    days = [line for line in printed.splitlines() if line and line[0] != " "]
    assert days == ["ada, times of Europe/Berlin", "Tue 7 Apr 2026"]


def test_of_another_journey_nothing_is_told(told: ToldStore) -> None:
    printed = anlass("explain", ADA, "--journey", "checkout-help", "--data", told.data).stdout
    assert "favourites" not in printed
    assert printed.count("checkout-help: not entered") == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explain", "nobody"], "nothing is known of contact 'nobody'; look for its id"),
        (["explain", ADA, "--since", "soon"], "--since 'soon' is no moment; write it like"),
        (["contact", "show", ADA, "--at", "soon"], "--at 'soon' is no moment; write it like"),
    ],
)
def test_a_mistake_in_use_says_what_to_do(told: ToldStore, arguments: list[str], said: str) -> None:
    result = anlass(*arguments, "--data", told.data)
    assert result.returncode == 2
    assert said in result.stderr


@pytest.fixture
def pruned(tmp_path: Path) -> MadeStore:
    store = made_store(tmp_path)
    for file in (store.folder / ARCHIVE_FOLDER).iterdir():
        file.unlink()
    return store


def test_a_story_whose_begin_is_gone_says_so(pruned: MadeStore) -> None:
    printed = anlass("explain", "c-7", "--data", pruned.data).stdout
    assert printed.splitlines()[1].startswith("The archive goes back to ")
    whole = [each.key for each in logged(pruned)["c-7"]]
    entries = explanation_of(pruned.data, "c-7").entries
    told = [each.outcome.key for each in entries if isinstance(each.outcome, Outcome)]
    assert told
    assert told == whole[-len(told) :]


def test_before_the_archive_begins_nothing_can_be_shown(pruned: MadeStore) -> None:
    with pytest.raises(OperatorError, match="name a later moment"):
        known_of(pruned.data, "c-7", 1)


@pytest.mark.parametrize(
    ("at", "visits", "counts"),
    [
        ("2026-04-05 19:30", [], {}),
        ("2026-04-05 19:33", [], {"product_view": 3}),
        ("2026-04-05 22:00", [("favourites", "patience")], None),
        ("2026-04-07 18:50", [("favourites", "patience")], None),
        ("2026-04-07 19:00", [], {"purchase": 1}),
    ],
)
def test_a_contact_is_shown_as_it_was(
    told: ToldStore, at: str, visits: list[Any], counts: dict[str, int] | None
) -> None:
    result = anlass("contact", "show", ADA, "--at", at_ms(at), "--json", "--data", told.data)
    known = json.loads(result.stdout)
    assert known["zone"] == "Europe/Berlin"
    state = known["state"]
    assert [(each["journey"], each["node"]) for each in state["visits"]] == visits
    session = state["session"]
    assert (session and session["counts"]) == (counts or None)


def test_now_is_what_the_shard_has(told: ToldStore, made: MadeStore) -> None:
    for store, contact in ((told, ADA), (made, "c-7"), (made, "c-0")):
        _, kept = known_of(store.data, contact)
        partitions: list[Partition] = [*store.shard.partitions.values()]
        (live,) = [each.contact(contact) for each in partitions if each.holds(contact)]
        assert kept == live
    assert known_of(told.data, "nobody")[1] is None


def test_people_see_it_as_a_table(told: ToldStore) -> None:
    at = str(at_ms("2026-04-05 22:00"))
    printed = anlass("contact", "show", ADA, "--at", at, "--data", told.data).stdout
    assert printed.startswith("ada at Sun 5 Apr 2026 22:00, times of Europe/Berlin\n")
    assert "favourites waits at patience until Sun 5 Apr" in printed
    assert "email: double_opt_in, " in printed


@pytest.mark.parametrize("said", [["contact", "show"], ["explain"]])
def test_of_a_contact_that_is_not_known_the_command_says_so_and_fails(
    told: ToldStore, said: list[str]
) -> None:
    nobody = anlass(*said, "nobody", "--json", "--data", told.data)
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert nobody.stderr.startswith("anlass: nothing is known of contact 'nobody'; look for its id")


def test_entries_hang_on_what_they_come_of(told: ToldStore) -> None:
    """The first is an input; a timer's own come between those of inputs."""
    entries: list[StoryEntry] = explanation_of(told.data, ADA).entries
    assert entries[0].is_head
    moments = [each.at_ms for each in entries]
    assert moments == sorted(moments)
