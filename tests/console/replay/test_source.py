"""Where events come from: formats told by their first line, and consent for all."""

import gzip
from pathlib import Path

import pytest

from actors.errors import OperatorError
from console.replay.source import (
    ConsentedChunks,
    chunks_from,
    chunks_of,
    consents_added,
    guess_format,
)
from engine.input import Event


def events_of(*contacts: str) -> list[Event]:
    return [Event(f"e-{i}", contact, "x", i, {}) for i, contact in enumerate(contacts)]


def test_with_consent_for_all_each_contact_opts_in_right_before_its_first_event() -> None:
    chunks = ConsentedChunks(chunks_from(events_of("a", "b", "a", "c")))
    (chunk,) = chunks
    assert [(event.name, event.contact) for event in chunk.events] == [
        ("consent", "a"),
        ("x", "a"),
        ("consent", "b"),
        ("x", "b"),
        ("x", "a"),
        ("consent", "c"),
        ("x", "c"),
    ]
    assert list(chunk.lines) == [1, 1, 2, 2, 3, 4, 4]
    assert consents_added(chunks) == 3
    assert consents_added(chunks_from(events_of("a"))) == 0


@pytest.mark.parametrize(
    ("first", "format"),
    [
        ("event_time,event_type,product_id,category_id\n", "rees46"),
        ("event_time,event_type,user_id,event_id,variant\n", "d2c"),
        ('{"id": "1", "contact": "c", "name": "x", "ts": 5, "payload": {}}\n', "w1"),
        ('{"contact": "c", "name": "x", "at_ms": 1600000000000}\n', "canonical"),
    ],
)
def test_the_format_is_told_by_the_first_line(tmp_path: Path, first: str, format: str) -> None:
    plain = tmp_path / "events"
    plain.write_text(first)
    packed = tmp_path / "events.gz"
    packed.write_bytes(gzip.compress(first.encode()))
    assert (guess_format(plain), guess_format(packed)) == (format, format)


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="there is no file"):
        chunks_of(tmp_path / "nothing", "auto", consent_all=False)
    (tmp_path / "x").write_text("{}")
    with pytest.raises(OperatorError, match="no format 'xml'; use one of auto, canonical"):
        chunks_of(tmp_path / "x", "xml", consent_all=False)
    (tmp_path / "x.gz").write_text("no gzip")
    with pytest.raises(OperatorError, match="cannot be read"):
        list(chunks_of(tmp_path / "x.gz", "canonical", consent_all=False))
