"""The verdict itself: each promise, broken on purpose, must be seen to be broken."""

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from actors.clock import WallClock
from actors.frame import (
    EventRecord,
    Frame,
    HandoverRecord,
    PublishRecord,
    encode_frame,
    partition_number,
)
from actors.links.link import LinkEvent
from actors.shards.shard import Shard
from actors.store.key import store_key
from actors.store.log import open_log
from actors.store.manifest import open_store
from actors.store.snapshots import open_snapshots
from engine.contacts.identity import partition_of
from engine.decision import CAPPED
from engine.input import Receipt
from tests.chaos.erased import erased_wrong, verify_wrong
from tests.chaos.erasing import Erasures
from tests.chaos.ledger import Connection
from tests.chaos.verdict import (
    History,
    Refold,
    events_wrong,
    file_wrong,
    mails_wrong,
    wrong_in,
)
from tests.publications import MAIL, journey, source_of

WAITS_MS = {"hello": {"mail": 0}, "slow": {"mail": 2_000}}
CONTACTS = ("c0-0", "c0-1")
BEGAN_MS = 1_700_000_000_000

Change = Callable[[list[Frame]], object]


def frames_of_a_day() -> list[Frame]:
    """Return what a shard makes of some events, their timers, handovers and receipts."""
    shard = Shard(0, 1, WallClock())
    slow = journey("slow", entry={"event": "wish"}, nodes=[{"id": "wait", "wait": "2s"}, MAIL])
    shard.publish(source_of(journey(entry={"event": "buy"}), slow), BEGAN_MS)
    frames = [shard.cut()]
    number = 0
    for name in ("buy", "wish", "tick"):
        for contact in CONTACTS:
            number += 1
            event = LinkEvent(partition_of(contact), contact, f"c0-{number}", name, None, b"{}")
            shard.apply_event(event, BEGAN_MS + number)
        frames.append(shard.cut())
    while shard.advance(None, BEGAN_MS + 3_600_000):
        pass
    frames.append(shard.cut())
    for outcome in [each for frame in frames if frame for each in frame.outcomes]:
        partition = partition_of(outcome.contact)
        shard.hand_over(partition, outcome, BEGAN_MS + 3_700_000)
        receipt = Receipt(outcome.contact, outcome.key, delivered=True)
        shard.settle(partition, receipt, BEGAN_MS + 3_800_000)
    return [frame for frame in [*frames, shard.cut()] if frame]


def write(data: Path, frames: list[Frame]) -> None:
    """Write frames as a log, and the file of their messages."""
    open_store(data, 1, "wall", encrypted=False)
    log = open_log(data / "shard-0")
    for frame in frames:
        log.append(frame.position, [encode_frame(frame)])
    log.close()
    outcomes = [outcome for frame in frames for outcome in frame.outcomes]
    lines = [json.dumps({"key": each.key, "contact": each.contact}) for each in outcomes]
    (data / "messages.jsonl").write_text("".join(f"{line}\n" for line in lines))


def renumbered(frames: list[Frame]) -> list[Frame]:
    """Give records the numbers that follow each other: the log itself shall have no gap."""
    position = 0
    pseqs: Counter[int] = Counter()
    for frame in frames:
        frame.position = position
        position += len(frame.records)
        for index, record in enumerate(frame.records):
            if not isinstance(record, PublishRecord):
                number = partition_number(record)
                pseqs[number] += 1
                frame.records[index] = replace(record, pseq=pseqs[number])
    return frames


def day_again() -> Shard:
    """Return the live shard at the end of the day as it was."""
    shard = Shard(0, 1, WallClock())
    for frame in frames_of_a_day():
        for record in frame.records:
            if isinstance(record, PublishRecord):
                shard.publish(record.source, record.now_ms)
            else:
                shard.refold(record, 0)
        shard.cut()
        shard.position = frame.position + len(frame.records)
    return shard


def sender() -> Connection:
    """Return a connection that had all events of the day acknowledged."""
    connection = Connection(0, "c0", 2, Random(0), Erasures(Path("none"), {}))
    connection.begun = [(CONTACTS[(number - 1) % 2], f"c0-{number}") for number in range(1, 7)]
    connection.acknowledged = list(connection.begun)
    return connection


def at_rest() -> dict[str, float]:
    """Return what the live shard says of itself: of the day as it was."""
    status = day_again().status()
    return {name: status[name] for name in ("events_applied", "contacts")}


def keys_in(data: Path) -> list[str]:
    lines = (data / "messages.jsonl").read_text().splitlines()
    return [json.loads(line)["key"] for line in lines]


def wrong_with(data: Path) -> list[str]:
    mails = [f"<{key}@shop>" for key in keys_in(data)]
    _, by_mail = wrong_in(data, [sender()], WAITS_MS, mails, at_rest(), snapshots=False)
    _, by_file = wrong_in(data, [sender()], WAITS_MS, None, at_rest(), snapshots=False)
    return by_mail + by_file


def test_nothing_is_wrong_with_a_day_on_which_all_went_well(tmp_path: Path) -> None:
    write(tmp_path, frames_of_a_day())
    assert len(History(tmp_path).sent) == 4
    assert wrong_with(tmp_path) == []


def lose_an_event(frames: list[Frame]) -> None:
    frames[1].records.pop()
    frames[1].verdicts = frames[1].verdicts[:-1]


def apply_an_event_twice(frames: list[Frame]) -> None:
    frames[1].records.append(frames[1].records[0])
    frames[1].verdicts += b"\0"


def apply_events_out_of_order(frames: list[Frame]) -> None:
    first, last = frames[1].records[0], frames[3].records[0]
    assert isinstance(first, EventRecord)
    assert isinstance(last, EventRecord)
    frames[1].records[0] = replace(first, event=last.event)
    frames[3].records[0] = replace(last, event=first.event)


def make_an_event_up(frames: list[Frame]) -> None:
    record = frames[3].records[0]
    assert isinstance(record, EventRecord)
    event = LinkEvent(record.event.partition, CONTACTS[0], "c0-99", "tick", None, b"{}")
    frames[3].records.append(EventRecord(record.now_ms, event))
    frames[3].verdicts += b"\0"


def fire_a_timer_early(frames: list[Frame]) -> None:
    frames[4].records = [replace(each, now_ms=BEGAN_MS + 900) for each in frames[4].records]


def date_a_message_back(frames: list[Frame]) -> None:
    outcome = frames[4].outcomes[0]
    frames[4].outcomes[0] = replace(outcome, at_ms=outcome.at_ms - 1)


def let_now_go_back(frames: list[Frame]) -> None:
    frames[3].records = [replace(each, now_ms=BEGAN_MS + 1) for each in frames[3].records]


def let_now_be_before_the_publication(frames: list[Frame]) -> None:
    frames[1].records = [replace(each, now_ms=BEGAN_MS - 1) for each in frames[1].records]


def decide_a_message_twice(frames: list[Frame]) -> None:
    frames[4].outcomes.append(frames[4].outcomes[0])


def forget_a_message(frames: list[Frame]) -> None:
    frames[1].outcomes.pop()


def withhold_a_message(frames: list[Frame]) -> None:
    frames[1].outcomes[-1] = replace(frames[1].outcomes[-1], outcome=CAPPED)


def settle_nothing(frames: list[Frame]) -> None:
    frames.pop()


def lose_a_frame(frames: list[Frame]) -> None:
    frames.pop(3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lose_an_event, "acknowledged and lost"),
        (apply_an_event_twice, "applied more than once"),
        (apply_events_out_of_order, "out of order"),
        (make_an_event_up, "applied and never sent"),
        (fire_a_timer_early, "ms early"),
        (date_a_message_back, "not as long after its event"),
        (decide_a_message_twice, "decided twice"),
        (let_now_go_back, "now goes back"),
        (let_now_be_before_the_publication, "now goes back"),
        (forget_a_message, "without the message of hello"),
        (withhold_a_message, "without the message of hello"),
        (forget_a_message, "refolded otherwise"),
        (settle_nothing, "not settled"),
        (lose_a_frame, "cannot be refolded"),
        (lose_an_event, "live it was"),
    ],
)
def test_a_log_that_broke_a_promise_is_found_out(tmp_path: Path, change: Change, said: str) -> None:
    frames = frames_of_a_day()
    change(frames)
    write(tmp_path, frames if change is lose_a_frame else renumbered(frames))
    assert [each for each in wrong_with(tmp_path) if said in each]


def test_a_publication_may_be_dated_by_a_clock_that_was_set_back(tmp_path: Path) -> None:
    frames = frames_of_a_day()
    again = replace(frames[0].records[0], now_ms=BEGAN_MS - 1)
    frames.append(replace(frames[0], records=[again]))
    write(tmp_path, renumbered(frames))
    assert wrong_with(tmp_path) == []


@pytest.mark.parametrize("check", ["file", "mail"])
def test_a_message_that_went_out_twice_or_never_is_found_out(tmp_path: Path, check: str) -> None:
    write(tmp_path, frames_of_a_day())
    history = History(tmp_path)
    path = tmp_path / "messages.jsonl"
    lines = path.read_text().splitlines(keepends=True)

    def wrong(lines: list[str]) -> str:
        path.write_text("".join(lines))
        keys = [json.loads(line)["key"] for line in lines]
        found = file_wrong(history, tmp_path) if check == "file" else mails_wrong(history, keys)
        return " ".join(found)

    assert not wrong(lines)
    twice = {"file": "twice in the file", "mail": "more mails than handovers"}
    assert twice[check] in wrong([*lines, lines[0]])
    assert "sent, and not" in wrong(lines[1:])
    assert "and not decided" in wrong([*lines, '{"key": "made-up", "contact": "c"}\n'])


def test_a_mail_may_come_twice_where_it_was_handed_over_again(tmp_path: Path) -> None:
    frames = frames_of_a_day()
    handover = next(each for each in frames[5].records if isinstance(each, HandoverRecord))
    frames[5].records.insert(1, handover)
    frames[5].verdicts += b"\0"
    write(tmp_path, frames)
    keys = keys_in(tmp_path)
    assert not list(mails_wrong(History(tmp_path), [*keys, handover.key]))
    assert list(mails_wrong(History(tmp_path), [*keys, handover.key, handover.key]))


def test_a_contact_whose_state_is_not_what_its_events_say_is_found_out(tmp_path: Path) -> None:
    write(tmp_path, frames_of_a_day())
    history = History(tmp_path)
    refold = Refold(tmp_path)
    history.applied.reverse()
    assert "other last events" in " ".join(refold.wrong(history, {}))


def test_a_contact_that_is_refolded_otherwise_than_it_was_live_is_found_out(tmp_path: Path) -> None:
    write(tmp_path, frames_of_a_day())
    refold = Refold(tmp_path)
    shard = day_again()
    snapshots = open_snapshots(tmp_path / "shard-0" / "snapshots", store_key(tmp_path))
    for number in shard.partitions:
        snapshots.write(*shard.snapshot(number))
    assert list(refold.snapshots_wrong(tmp_path)) == []
    number = partition_of(CONTACTS[0])
    event = LinkEvent(number, CONTACTS[0], "c0-99", "tick", None, b"{}")
    refold.shards[0].apply_event(event, BEGAN_MS)
    wrong = " ".join(refold.snapshots_wrong(tmp_path))
    assert f"contacts of partition {number} refolded otherwise: ['c0-0']" in wrong
    assert f"partition {number}: refolded, pseq" in wrong
    head = snapshots.heads(number)[0]
    snapshots.path(head).unlink()
    assert f"partition {number} was stopped without" in " ".join(refold.snapshots_wrong(tmp_path))


def test_what_is_left_of_an_erased_contact_is_found_out(tmp_path: Path) -> None:
    write(tmp_path, frames_of_a_day())
    history, gone = History(tmp_path), CONTACTS[0]
    (wrong,) = erased_wrong(tmp_path, [gone, "nobody"])
    assert f"{gone} was erased, and shard-0 tells of it" in wrong
    assert "applied, of erased contacts" in " ".join(events_wrong(history, [sender()], [gone]))
    (tmp_path / "note").write_text(gone)
    assert f"{gone} was erased, and note tells of it" in " ".join(erased_wrong(tmp_path, [gone]))


def test_what_verify_finds_is_wrong(tmp_path: Path) -> None:
    frames = frames_of_a_day()
    write(tmp_path, frames)
    assert list(verify_wrong(tmp_path)) == []
    path = next((tmp_path / "shard-0").glob("*.seg"))
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    assert "verify: shard-0/" in " ".join(verify_wrong(tmp_path))


def test_a_message_to_an_erased_contact_may_have_left_before(tmp_path: Path) -> None:
    frames = frames_of_a_day()
    gone = CONTACTS[0]
    write(tmp_path, frames)
    history = History(tmp_path)
    kept = {key: each for key, each in history.outcomes.items() if each.contact != gone}
    history.outcomes = kept
    assert list(file_wrong(history, tmp_path, [gone])) == []
    assert "in the file, and not decided" in " ".join(file_wrong(history, tmp_path))


@pytest.mark.parametrize(
    ("done", "begun", "refused", "status", "right"),
    [
        ("", "", 0, 202, True),
        ("a", "a", 1, 202, True),
        ("a", "a", 0, 202, False),
        ("", "a", 0, 202, True),
        ("", "a", 1, 202, True),
        ("", "", 1, 202, False),
        ("ab", "ab", 2, 400, True),
        ("", "", 0, 400, False),
    ],
)
def test_events_of_erased_contacts_alone_must_be_refused_as_such(
    monkeypatch: pytest.MonkeyPatch,
    *,
    done: str,
    begun: str,
    refused: int,
    status: int,
    right: bool,
) -> None:
    connection = sender()
    connection._erasures.done, connection._erasures.begun = frozenset(done), frozenset(begun)
    monkeypatch.setattr(
        "http.client.HTTPConnection", partial(Answering, status, {"refused_erased": refused})
    )
    wait_s = connection._try("[]", [("a", "1"), ("b", "2")], first_try=True)
    assert bool(connection.faults) is not right
    assert (wait_s == 0) is (status == 202 or right)


class Answering:
    """A connection to a gateway that always gives one answer."""

    def __init__(
        self, status: int, said: dict[str, int], host: str, port: int, **_: object
    ) -> None:
        self.status = status
        self._said = said

    def request(self, *_: object) -> None:
        """See http.client.HTTPConnection."""

    def getresponse(self) -> "Answering":
        return self

    def read(self) -> bytes:
        return json.dumps(self._said).encode()

    def getheader(self, _: str, default: float) -> float:
        return default
