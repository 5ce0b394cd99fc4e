"""Publications as files: each whole or not at all, sealed, and a number is given once."""

from pathlib import Path

import msgspec
import pytest

from actors import publications
from actors.errors import LogCorruptError, OperatorError, PassingError
from actors.publications import (
    JourneyNote,
    PublicationNote,
    digest_of_source,
    numbers_of,
    numbers_with,
)
from actors.publisher import Publisher
from actors.store.published import FOLDER, PublishedFiles
from engine.fold.succession import source_of
from engine.language.journey import Publication

KEY = bytes(range(32))


def note(number: int, *journeys: tuple[str, int]) -> PublicationNote:
    lines = [JourneyNote(journey=name, number=each, change="changed") for name, each in journeys]
    return PublicationNote(
        number=number,
        at_ms=1_700_000_000_000 + number,
        by="ada",
        what="publish",
        digest=digest_of_source(b"x"),
        journeys=lines,
    )


@pytest.mark.parametrize("key", [KEY, None])
def test_what_was_noted_is_read_again_in_order(tmp_path: Path, key: bytes | None) -> None:
    files = PublishedFiles(tmp_path, key)
    assert files.notes() == []
    notes = [note(1, ("a", 1)), note(2, ("a", 2), ("b", 1))]
    for each in notes:
        files.add(each, b"source %d" % each.number)
    again = PublishedFiles(tmp_path, key)
    assert again.notes() == notes
    assert again.source(2) == b"source 2"
    assert numbers_of(again.notes()) == {"a": 2, "b": 1}


def test_a_number_is_given_once(tmp_path: Path) -> None:
    files = PublishedFiles(tmp_path, KEY)
    files.add(note(1), b"first")
    with pytest.raises(PassingError, match="publication 1 was published meanwhile"):
        files.add(note(1), b"second")
    assert files.source(1) == b"first"


def test_a_start_notes_nothing_that_was_noted_last(tmp_path: Path) -> None:
    files = PublishedFiles(tmp_path, KEY)
    empty, other = Publication(journeys={}), Publication(journeys={}, settings={"a": 1})
    for source in (source_of(empty), source_of(empty), source_of(other), source_of(empty)):
        Publisher([], files).note_start(empty, source)
    assert [each.number for each in files.notes()] == [1, 2, 3]


def test_one_that_is_not_kept_is_named_with_those_that_are(tmp_path: Path) -> None:
    files = PublishedFiles(tmp_path, KEY)
    with pytest.raises(OperatorError, match="publication 3 is not kept; there are none"):
        files.source(3)
    for number in (1, 2):
        files.add(note(number), b"x")
    with pytest.raises(OperatorError, match="there are 1 to 2"):
        files.source(3)


def test_the_oldest_go_where_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publications, "PUBLICATIONS_MAX", 3)
    files = PublishedFiles(tmp_path, KEY)
    for number in range(1, 6):
        files.add(note(number), b"%d" % number)
    assert [each.number for each in files.notes()] == [3, 4, 5]
    assert [files.source(number) for number in (3, 5)] == [b"3", b"5"]
    with pytest.raises(OperatorError, match="publication 2 is not kept; there are 3 to 5"):
        files.source(2)


def test_the_oldest_go_where_they_are_too_large_but_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publications, "PUBLICATIONS_BYTES_MAX", 10_000)
    files = PublishedFiles(tmp_path, KEY)
    for number, size in ((1, 100), (2, 6_000), (3, 6_000), (4, 100)):
        files.add(note(number), bytes(size))
    assert [each.number for each in files.notes()] == [3, 4]
    files.add(note(5), bytes(50_000))
    assert [each.number for each in files.notes()] == [5]


def test_a_number_is_given_once_also_where_the_notes_of_a_journey_are_gone() -> None:
    notes: list[PublicationNote] = []
    for number, (journey, version) in enumerate([("a", 1), ("a", 2), ("b", 1), ("c", 1)], 1):
        said = note(number, (journey, version))
        numbers = numbers_with(notes, said.journeys)
        notes.append(msgspec.structs.replace(said, numbers=numbers))
    assert numbers_of(notes[-1:]) == numbers_of(notes) == {"a": 2, "b": 1, "c": 1}


def test_of_journeys_that_were_long_gone_no_number_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publications, "NUMBERED_MAX", 2)
    notes = [note(1, ("a", 1)), note(2, ("b", 7)), note(3, ("a", 2))]
    assert numbers_with(notes, note(4, ("c", 1)).journeys) == {"a": 2, "c": 1}


def test_what_a_crash_left_half_written_is_none_and_goes(tmp_path: Path) -> None:
    files = PublishedFiles(tmp_path, KEY)
    files.add(note(1), b"x")
    left = tmp_path / FOLDER / "000000002.pub.new"
    left.write_bytes(b"half")
    assert [each.number for each in files.notes()] == [1]
    files.add(note(2), b"x")
    assert not left.exists()


def test_nothing_of_it_can_be_read_without_the_key(tmp_path: Path) -> None:
    PublishedFiles(tmp_path, KEY).add(note(1), b"a secret plan")
    (path,) = (tmp_path / FOLDER).glob("*.pub")
    assert b"secret" not in path.read_bytes()
    with pytest.raises(OperatorError, match="encrypted"):
        PublishedFiles(tmp_path, None).notes()


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    files = PublishedFiles(tmp_path, None)
    files.add(note(1), b"x")
    (path,) = (tmp_path / FOLDER).glob("*.pub")
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(LogCorruptError, match="is damaged"):
        files.notes()
