"""Old inputs still give the same decisions, and old bytes still decode.

Each folder of `tests/golden/` is one kept fold: the author's journeys (`journeys.json`, the source
of the Publish), `inputs.jsonl` (one `[kind, now_ms, input]` a line), `decisions.jsonl` (what it
decided, likewise) and `contacts.json` (each contact's encoded bytes in hex). They stand for what
lies in people's logs and snapshots, so **an old folder is never edited**: where the engine is meant
to decide otherwise from now on, its fold version is raised, a new folder is added, and the old one
keeps its bytes test (`test_old_bytes_still_decode`), which must hold for ever.

To add a folder, write `journeys.json` and `inputs.jsonl` by hand and run this file: the tests fail
and say, as text to be pasted, what `decisions.jsonl` and `contacts.json` would be.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.contacts.contact import Contact, decode_contact, encode_contact
from engine.decision import Decision, Delivery, Fault, Outcome
from engine.input import Advance, Event, Handover, Input, Publish, Receipt
from engine.partition import Partition

GOLDEN = Path(__file__).parent.parent / "golden"
FOLDERS = sorted(path for path in GOLDEN.iterdir() if path.is_dir())
FOLDS_CHANGED: dict[str, str] = {
    "2026-11-treated": "visits entered by a segment are named for what let the contact enter it"
}
"""Folder -> why the engine decides otherwise since; its bytes must decode all the same."""

STATES_CHANGED = {
    "2025-11-first": "views in a session are kept as JSON, not as msgpack",
    "2026-11-raw-views": "when a message was delivered is kept",
}
"""Folder -> what of a contact's state is written otherwise since; the decisions are the same."""

KINDS: dict[str, type[Input]] = {
    each.__name__: each for each in (Event, Advance, Publish, Handover, Receipt)
}
DECISIONS: dict[str, Any] = {each.__name__: each for each in (Outcome, Delivery, Fault)}
each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def refolded(folder: Path) -> tuple[list[Decision], Partition]:
    """Fold the inputs of a folder; return what was decided."""
    decisions: list[Decision] = []
    partition = Partition(0, decisions)
    partition.fold(Publish((folder / "journeys.json").read_bytes()), 0)
    for line in lines(folder / "inputs.jsonl"):
        kind, now_ms, fields = msgspec.json.decode(line)
        partition.fold(msgspec.convert(fields, KINDS[kind]), now_ms)
    return decisions, partition


def as_line(decision: Decision) -> str:
    fields: Any = {name: getattr(decision, name) for name in decision.__struct_fields__}
    return msgspec.json.encode([type(decision).__name__, fields]).decode()


def of_line(line: str) -> Decision:
    """Read a decision; a field added later, with its default, is no difference."""
    kind, fields = msgspec.json.decode(line)
    decision: Decision = DECISIONS[kind](**fields)
    return decision


def kept(folder: Path) -> dict[str, str]:
    path = folder / "contacts.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.exists() else {}


def test_there_is_something_to_compare_with() -> None:
    assert FOLDERS


@each_folder
def test_old_inputs_give_the_same_decisions(folder: Path) -> None:
    if folder.name in FOLDS_CHANGED:
        pytest.skip(FOLDS_CHANGED[folder.name])
    decided, _ = refolded(folder)
    expected = [of_line(line) for line in lines(folder / "decisions.jsonl")]
    assert decided == expected, "\n".join(map(as_line, decided))


@each_folder
def test_old_inputs_leave_the_same_contacts(folder: Path) -> None:
    """Compared as objects: a field added later, with its default, is no difference."""
    changed = FOLDS_CHANGED | STATES_CHANGED
    if folder.name in changed:
        pytest.skip(changed[folder.name])
    _, partition = refolded(folder)
    contacts = {key: partition.contact(key) for key in partition.contact_keys()}
    before = {key: decode_contact(bytes.fromhex(data)) for key, data in kept(folder).items()}
    made = {key: encode_contact(each).hex() for key, each in contacts.items() if each}
    assert contacts == before, msgspec.json.encode(made).decode()


@each_folder
def test_old_bytes_still_decode(folder: Path) -> None:
    assert kept(folder)
    for key, data in kept(folder).items():
        contact = decode_contact(bytes.fromhex(data))
        assert isinstance(contact, Contact)
        assert contact.key == key
        assert decode_contact(encode_contact(contact)) == contact
