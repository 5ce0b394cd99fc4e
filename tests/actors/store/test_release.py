"""The log goes to the archive in one thread while another appends to it."""

from pathlib import Path

from actors.store.log import Archive, open_log
from tests.actors.store.test_file_log import write


class Shrinking(list[Path]):
    """Segments of which the thread that appends takes the last away when they were counted."""

    def __len__(self) -> int:
        count = super().__len__()
        if count > 1:
            self.pop()
        return count


def test_a_release_meets_a_segment_that_is_given_up(tmp_path: Path) -> None:
    """One that was just begun, for which there was no space."""
    archived: list[Path] = []
    write(tmp_path, 3, position=write(tmp_path, 3))
    log = open_log(tmp_path, archive=Archive(archived.append))
    first = log._segments[0]
    log._segments = Shrinking(log._segments)
    log.release(6)
    assert archived == [first]
    log.close()
