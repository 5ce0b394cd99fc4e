"""The verdict on a cluster: the logs of all slots there ever were, put together by partition."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from actors.clock import WallClock
from actors.errors import LogCorruptError, OperatorError
from actors.frame import Frame, PartitionRecord, PublishRecord, partition_number
from actors.kept.kept import RedisPlace
from actors.map import shard_of
from actors.shards.shard import Shard
from actors.store.redis_server import RedisServer
from actors.store.redis_snapshots import RedisSnapshots
from engine.contacts.identity import partition_of
from engine.limits import PARTITIONS
from tests.chaos.cluster_replayed import cluster_replay_wrong
from tests.chaos.cluster_world import SHARDS
from tests.chaos.ledger import Connection
from tests.chaos.verdict import (
    History,
    Refold,
    entries_wrong,
    events_wrong,
    file_wrong,
    listed,
    mails_wrong,
    snapshot_wrong,
    timers_wrong,
)
from tests.system.clustered import Cluster

Lives = dict[int, list[Frame]]
"""Of each partition its frames, without all that is for others, in the order of its inputs."""


def wrong_in_cluster(
    here: Cluster,
    connections: list[Connection],
    waits_ms: dict[str, dict[str, int]],
    message_ids: list[str] | None,
) -> tuple["ClusterHistory", list[str]]:
    """Return what a store at rest tells, and all that is wrong there; see verdict.wrong_in."""
    try:
        first = [shard_of(number, SHARDS) for number in range(PARTITIONS)]
        lives, faults = lives_of(here.slot_frames(), first)
    except (LogCorruptError, OperatorError) as error:
        return ClusterHistory({}), [f"the logs cannot be read: {error}"]
    history = ClusterHistory(lives)
    wrong = [
        *faults,
        *history.faults,
        *events_wrong(history, connections),
        *timers_wrong(history, waits_ms),
        *entries_wrong(history, "buy", "hello", "mail"),
        *(
            file_wrong(history, here.folder / "one")
            if message_ids is None
            else mails_wrong(history, message_ids)
        ),
    ]
    try:
        refold = ClusterRefold(lives)
        wrong += refold.wrong(history, {})
        wrong += refold.live_wrong(here)
    except (LogCorruptError, OperatorError) as error:
        wrong.append(f"it cannot be refolded: {error}")
    archive = here.archive.as_uri()
    place = RedisPlace(redis=here.settings, archive=archive, data=here.folder / "one")
    return history, [*wrong, *cluster_replay_wrong(place)]


def lives_of(frames: Iterable[tuple[int, Frame]], first: Sequence[int]) -> tuple[Lives, list[str]]:
    """Put together what each partition went through, in whichever slots; and what is wrong there.

    `frames` are each slot's in order, `first` the slot that each partition began in. A publication
    counts for the partitions that its slot had.
    """
    parts: dict[int, list[tuple[int, int, Frame]]] = {}
    published: dict[int, list[Frame]] = {}
    for slot, frame in frames:
        if any(isinstance(record, PublishRecord) for record in frame.records):
            published.setdefault(slot, []).append(_cut_out(frame, None))
        for number in {*map(partition_number, _own(frame))}:
            part = _cut_out(frame, number)
            parts.setdefault(number, []).append((_own(part)[0].pseq, slot, part))
    lives: Lives = {}
    faults: list[str] = []
    for number, slot in enumerate(first):
        found = parts.get(number, [])
        found.sort(key=lambda each: each[0])
        numbers = [each.pseq for _, _, part in found for each in _own(part)]
        again = [pseq for pseq, count in Counter(numbers).items() if count > 1]
        missing = sorted({*range(1, max(numbers, default=0) + 1)} - {*numbers})
        faults += listed(f"inputs of partition {number} are in the logs twice", again)
        faults += listed(f"inputs of partition {number} are in no log", missing)
        places: dict[int, list[int]] = {}
        for _, where, part in found:
            places.setdefault(where, []).append(part.position)
        if numbers != sorted(numbers) or any(each != sorted(each) for each in places.values()):
            faults.append(f"partition {number}: its inputs are mixed up")
        lives[number] = _with_publications(
            slot, [(where, part) for _, where, part in found], published
        )
    return lives, faults


def _own(frame: Frame) -> list[PartitionRecord]:
    return [record for record in frame.records if not isinstance(record, PublishRecord)]


def _cut_out(frame: Frame, number: int | None) -> Frame:
    """Return a frame with what is for one partition, and publications; None: only these."""
    kept = [
        index
        for index, record in enumerate(frame.records)
        if isinstance(record, PublishRecord) or partition_number(record) == number
    ]
    return replace(
        frame,
        records=[frame.records[index] for index in kept],
        verdicts=bytes(frame.verdicts[index] for index in kept),
        outcomes=[each for each in frame.outcomes if partition_of(each.contact) == number],
        faults=[each for each in frame.faults if partition_of(each.contact) == number],
    )


def _with_publications(
    slot: int, parts: list[tuple[int, Frame]], published: dict[int, list[Frame]]
) -> list[Frame]:
    """Put publications where a partition met them: in a slot, while it was there.

    Where it left a slot after its last input there, it met those of before only if it had none:
    later ones cannot be told from those of after it had left.
    """
    life: list[Frame] = []
    position = -1
    for where, part in parts:
        told = published.get(slot, [])
        if where == slot:
            life += [each for each in told if position < each.position < part.position]
        elif not life:
            opened_ms = part.records[0].now_ms
            life += [each for each in told if each.records[0].now_ms <= opened_ms]
        life.append(part)
        slot, position = where, part.position
    return life + [each for each in published.get(slot, []) if each.position > position]


class ClusterHistory(History):
    """What the lives of all partitions tell."""

    def __init__(self, lives: Lives) -> None:
        super().__init__(None)
        for number, life in lives.items():
            now_ms = 0
            for frame in life:
                for record, verdict in zip(frame.records, frame.verdicts, strict=True):
                    if isinstance(record, PublishRecord):
                        continue
                    if record.now_ms < now_ms:
                        self.faults.append(f"now goes back in partition {number}")
                    now_ms = record.now_ms
                    self.latest_ms = max(self.latest_ms, now_ms)
                    self.take(record, verdict)
                self.take_rest(frame, {number: now_ms})


class ClusterRefold(Refold):
    """The state that the lives come to: a shard for each partition."""

    def __init__(self, lives: Lives) -> None:
        self.unsettled = 0
        self.shards = [
            self.fold(Shard(0, 0, WallClock(), [number]), LifeLog(lives.get(number, [])))
            for number in range(PARTITIONS)
        ]

    def live_wrong(self, here: Cluster) -> Iterator[str]:
        """Compare with the last snapshots: the shards wrote them when they stopped."""
        server = RedisServer(here.settings)
        snapshots = RedisSnapshots(server, None)
        for number, shard in enumerate(self.shards):
            heads = snapshots.heads(number)
            if heads:
                yield from snapshot_wrong(heads[0], snapshots, shard.partitions[number])
            else:
                yield f"partition {number} was stopped without a snapshot"
        server.close()


class LifeLog:
    """A partition's life as a log, as a Recovery reads it."""

    epoch, commits, size_bytes = 0, 0, 0

    def __init__(self, life: list[Frame]) -> None:
        self._life = life

    def frames(self, position: int | None = 0) -> Iterator[Frame]:
        assert position == 0
        return iter(self._life)

    def append(self, position: int, frames: list[bytes]) -> None:
        raise NotImplementedError

    def release(self, position: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is open."""
