"""The verdict on erased contacts, and on the store as `anlass verify` reads it."""

from collections.abc import Collection, Iterator
from pathlib import Path

from actors.errors import OperatorError
from actors.store.key import store_key
from actors.verify.files import verify_store
from actors.verify.finding import Counts
from console.reports.verify import words
from tests.actors.shards.test_eraser import everything

OUT_OF_REACH = "messages.jsonl"
"""What left by the file channel: docs/operations.md says that it is not touched."""


def erased_wrong(data: Path, erased: Collection[str]) -> Iterator[str]:
    """No file of the store tells of them: sealed ones are opened, packed ones unpacked."""
    key = store_key(data)
    texts = [(path.name, everything(path, key)) for path in sorted(data.glob("shard-*"))]
    texts += [
        (path.name, path.read_bytes())
        for path in sorted(data.iterdir())
        if path.is_file() and path.name != OUT_OF_REACH
    ]
    for contact in sorted(erased):
        for name, text in texts:
            place = text.find(contact.encode())
            if place >= 0:
                around = text[max(place - 60, 0) : place + 60]
                yield f"{contact} was erased, and {name} tells of it: {around!r}"


def verify_wrong(data: Path) -> Iterator[str]:
    """`anlass verify` finds nothing to say of a store that was stopped in good order."""
    try:
        for finding in verify_store(data, store_key(data), Counts(), lambda _: None):
            yield f"verify: {words(finding)}"
    except OperatorError as error:
        yield f"it cannot be verified: {error}"
