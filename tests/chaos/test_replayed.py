"""The verdict on replays: broken on purpose, it must be seen to be broken."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.clock import WallClock
from actors.frame import Frame, PublishRecord
from actors.links.link import LinkEvent
from actors.shards.shard import Shard
from engine.contacts.identity import partition_of
from tests.chaos.replayed import replay_wrong
from tests.chaos.test_verdict import BEGAN_MS, CONTACTS, frames_of_a_day, write
from tests.publications import journey, source_of


def test_what_does_not_go_out_again_in_a_replay_is_wrong(tmp_path: Path) -> None:
    frames = frames_of_a_day()
    write(tmp_path / "whole", frames)
    assert list(replay_wrong(tmp_path / "whole")) == []
    next(frame.outcomes for frame in frames if frame.outcomes).pop()
    write(tmp_path / "part", frames)
    assert "replayed unchanged, 1 messages differ" in " ".join(replay_wrong(tmp_path / "part"))


def frames_of_three_days() -> list[Frame]:
    """Return what a shard makes of a day, a publish that changes a journey, and two more days."""
    shard = Shard(0, 1, WallClock())
    frames = []
    at_ms = BEGAN_MS
    for day in range(3):
        hello = journey(entry={"event": "buy"}, reentry="1h", title=f"Edition {min(day, 1)}")
        if day < 2:
            shard.publish(source_of(hello), at_ms)
        frames.append(shard.cut())
        at_ms += 3_600_000
        for number, contact in enumerate(CONTACTS):
            id = f"{day}-{number}"
            event = LinkEvent(partition_of(contact), contact, id, "buy", None, b"{}")
            shard.apply_event(event, at_ms + number)
            frames.append(shard.cut())
        at_ms += 86_400_000
        while shard.advance(None, at_ms):
            pass
        frames.append(shard.cut())
    return [frame for frame in frames if frame]


def lose(frame: Frame) -> None:
    frame.outcomes.pop()


def date_back(frame: Frame) -> None:
    frame.outcomes[0] = replace(frame.outcomes[0], at_ms=frame.outcomes[0].at_ms - 1)


@pytest.mark.parametrize(
    ("breakage", "day", "said"),
    [
        (lose, 0, ["replayed, not the same 5 lines come out, but 6", "1 outcomes come otherwise"]),
        (lose, 2, ["not the same 5 lines", "1 messages differ", "1 outcomes come otherwise"]),
        (date_back, 0, ["replayed, not the same 6 lines come out, but 6: line 1 was"]),
        (date_back, 2, ["not the same 6 lines", "replayed unchanged, 1 messages differ"]),
    ],
)
def test_with_a_publish_in_between_each_message_must_come_again_byte_for_byte(
    tmp_path: Path, breakage: Callable[[Frame], None], day: int, said: list[str]
) -> None:
    frames = frames_of_three_days()
    write(tmp_path / "whole", frames)
    assert list(replay_wrong(tmp_path / "whole")) == []
    decided = [frame for frame in frames if frame.outcomes]
    breakage(decided[2 * day + 1])
    write(tmp_path / "broken", frames)
    wrong = list(replay_wrong(tmp_path / "broken"))
    assert len(wrong) == len(said), wrong
    for text, words in zip(wrong, said, strict=True):
        assert words in text


def test_a_log_that_was_written_by_other_journeys_does_not_come_again(tmp_path: Path) -> None:
    """The publish in the middle is lost, and what followed it is not."""
    frames = frames_of_a_day()
    first = next(frame for frame in frames if isinstance(frame.records[0], PublishRecord))
    first.records[0] = replace(first.records[0], source=source_of(journey(entry={"event": "no"})))
    write(tmp_path, frames)
    assert "replayed, not the same" in " ".join(replay_wrong(tmp_path))
