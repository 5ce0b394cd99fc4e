"""The harms, by name: each does one kind of damage to a world, and says what it did.

`LIGHT` ones leave the system running (or Ray brings a part back), `HEAVY` ones end with another
start. A harm that is not possible here raises `NotHereError` with the reason.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from actors.store.block import HEAD, HEADER, LOG, SIZE, open_blocks
from actors.store.key import store_key
from actors.store.segment import segments_of
from tests.chaos.kernel import cut_links, freeze, send_signal
from tests.chaos.ledger import SHARDS
from tests.chaos.world import World

Harm = Callable[[World, Random], str]


class NotHereError(Exception):
    """This machine, or this world, does not let the harm be done."""


def kill_shard(world: World, random: Random) -> str:
    slot = random.randrange(SHARDS)
    pid = world.shard_pid(slot)
    killed = pid and send_signal(pid, signal.SIGKILL)
    return f"shard {slot}" if killed else f"shard {slot}: none there"


def kill_courier(world: World, random: Random) -> str:
    pid = world.courier_pid()
    return "" if pid and send_signal(pid, signal.SIGKILL) else "none there"


def freeze_shard(world: World, random: Random) -> str:
    slot, seconds = random.randrange(SHARDS), random.uniform(0.2, 2.5)
    return _freeze(world.shard_pid(slot), f"shard {slot}", seconds)


def freeze_courier(world: World, random: Random) -> str:
    return _freeze(world.courier_pid(), "courier", random.uniform(0.2, 2.5))


def freeze_gateway(world: World, random: Random) -> str:
    return _freeze(world.system.pid, "gateway", random.uniform(0.2, 2.5))


def cut_link(world: World, random: Random) -> str:
    """Cut the links of the gateway, or the courier, to one shard or all: once, or many times."""
    slots = random.choice([[0], [1], list(range(SHARDS))])
    whose = random.choice(["gateway", "courier"])
    cut = 0
    for _ in range(random.choice([1, 3, 10])):
        pid = world.system.pid if whose == "gateway" else world.courier_pid()
        cut += sum(cut_links(pid, f"/shard-{slot}.sock") for slot in slots)
        time.sleep(random.uniform(0.0, 0.1))
    return f"{whose} to shards {slots}, {cut} cut"


def jump_clock(world: World, random: Random) -> str:
    by_ms = random.choice([random.randint(1, 5_000), random.randint(5_000, 3_000_000)])
    by_ms *= random.choice([1, 1, -1])
    world.clock.jump(by_ms)
    return f"{by_ms} ms"


def burst(world: World, random: Random) -> str:
    requests = random.choice([[500] * 10, [500] * 40, [10_000, 10_000]])
    world.ledger.burst(*requests)
    return f"{len(requests)} requests of {requests[0]} events"


def burst_on_frozen_shard(world: World, random: Random) -> str:
    """More than a lane may hold: the gateway must refuse, and lose nothing."""
    slot = random.randrange(SHARDS)
    said = _freeze(world.shard_pid(slot), f"shard {slot}", 2.0)
    for _ in range(6):
        world.ledger.burst(10_000, slot=slot)
    return f"{said}; 6 senders of 10000 events"


def fill_disk(world: World, random: Random) -> str:
    """Leave no space, while events come that need some; shards may be killed meanwhile."""
    if world.disk is None:
        raise NotHereError("this world has no small disk")
    world.disk.fill()
    world.ledger.burst(*[500] * 16, padding_bytes=3_000)
    time.sleep(random.uniform(0.2, 1.5))
    world.disk.fill()
    said = kill_shard(world, random) + " killed" if random.random() < 0.5 else "nothing killed"
    time.sleep(random.uniform(0.2, 1.5))
    world.disk.make_space()
    return said


def erase(world: World, random: Random) -> str:
    """Erase some contacts whose events go on coming; other harms may come in between."""
    senders = random.choices(world.ledger.connections, k=random.randint(1, 3))
    chosen = sorted({random.choice(each.contacts) for each in senders} - world.erasures.begun)
    world.erasures.begin(chosen)
    time.sleep(random.choice([0.0, 1.0]))  # So the next harm may come amid the command, or after.
    return ", ".join(chosen)


def kill_driver(world: World, random: Random) -> str:
    world.system.kill_driver()
    time.sleep(random.choice([0.0, 0.5]))
    world.restart()
    return ""


def kill_driver_of_frozen_shard(world: World, random: Random) -> str:
    """A stopped owner ends by nothing but a kill: the next start must see to it."""
    slot = random.randrange(SHARDS)
    said = _freeze(world.shard_pid(slot), f"shard {slot}", 30.0)
    world.system.kill_driver()
    world.restart()
    return said


def kill_all(world: World, random: Random) -> str:
    world.system.kill_all()
    world.restart()
    return ""


def stop(world: World, random: Random) -> str:
    """SIGTERM: what is in flight is answered, and the exit code is 0."""
    code = world.system.stop()
    if code:
        world.faults.append(f"stopped by SIGTERM, it ends with {code}")
    world.restart()
    return ""


def publish(world: World, random: Random) -> str:
    """End it one way or another, and start with changed journeys."""
    random.choice([world.system.kill_all, world.system.kill_driver, world.system.stop])()
    world.restart(world.write_journeys)
    return ""


def tear_log(world: World, random: Random) -> str:
    """Put behind the last commit of each shard what a torn next one leaves."""
    with world.erasures.held():
        world.system.kill_all()
        said = [_tear(world, slot, random) for slot in range(SHARDS)]
        world.restart()
    return "; ".join(said)


def damage_log(world: World, random: Random) -> str:
    """Change a byte of what was acknowledged: the start must name the file, and change nothing.

    In the last segment: a start does not read those that snapshots made needless.
    """
    with world.erasures.held():
        world.system.kill_all()
        path = _segments(world, random.randrange(SHARDS))[-1]
        offsets = _block_offsets(path)
        if len(offsets) < 3:
            world.restart()
            raise NotHereError(f"{path} holds one commit only")
        # Behind the place are other blocks, so it can be no torn last write.
        place = random.randrange(HEADER.size, offsets[-2])
        return _start_with_damage(world, path, place, random, [path.name, "damaged at byte"])


def damage_end_of_log(world: World, random: Random) -> str:
    """Change a byte of the last commit after a clean stop: the snapshots know that it was there.

    After kill -9 nobody could tell it from a torn write that no one was told of.
    """
    with world.erasures.held():
        world.faults += ["SIGTERM does not end it well"] * bool(world.system.stop())
        slot = random.randrange(SHARDS)
        path = _segments(world, slot)[-1]
        start, end = _block_offsets(path)[-2:]
        place = random.randrange(start, end)
        return _start_with_damage(world, path, place, random, ["ends at position"])


LIGHT: dict[str, Harm] = {
    "kill_shard": kill_shard,
    "kill_courier": kill_courier,
    "freeze_shard": freeze_shard,
    "freeze_courier": freeze_courier,
    "freeze_gateway": freeze_gateway,
    "cut_link": cut_link,
    "jump_clock": jump_clock,
    "burst": burst,
    "burst_on_frozen_shard": burst_on_frozen_shard,
    "fill_disk": fill_disk,
    "erase": erase,
}
HEAVY: dict[str, Harm] = {
    "kill_driver": kill_driver,
    "kill_driver_of_frozen_shard": kill_driver_of_frozen_shard,
    "kill_all": kill_all,
    "stop": stop,
    "publish": publish,
    "tear_log": tear_log,
    "damage_log": damage_log,
    "damage_end_of_log": damage_end_of_log,
}
COSTLY = ["burst", "burst_on_frozen_shard"]
"""Light ones that take seconds of both cores: one is enough for a seed."""

HARMS = LIGHT | HEAVY


def script_of(random: Random, *, small_disk: bool) -> list[str]:
    """Choose the harms of one seed: light ones, and one or two that need another start."""
    light = [name for name in LIGHT if name not in [*COSTLY, "fill_disk"]]
    chosen = random.choices(light, k=random.randint(6, 9))
    chosen += [*random.sample(COSTLY, k=1), "erase"]
    if small_disk:
        chosen.append("fill_disk")
    chosen += random.sample(list(HEAVY), k=random.choice([1, 1, 2]))
    random.shuffle(chosen)
    return chosen


def do_harm(world: World, name: str, random: Random) -> None:
    """Do one harm, and note it."""
    began = time.monotonic()
    try:
        said = HARMS[name](world, random)
    except NotHereError as error:
        said = f"left out: {error}"
    took = f"{time.monotonic() - began:.1f} s"
    world.notes.append(f"{name} ({', '.join(filter(None, [said, took]))})")


def _freeze(pid: int, what: str, seconds: float) -> str:
    if pid and freeze(pid, seconds):
        return f"{what} for {seconds:.1f} s"
    return f"{what}: none there"


def _segments(world: World, slot: int) -> list[Path]:
    """Return a shard's segments; where all are in the archive, start again and leave it out."""
    segments = segments_of(world.shard_folder(slot))
    if not segments:
        world.restart()
        raise NotHereError(f"all of the log of shard {slot} is in the archive")
    return segments


def _block_offsets(path: Path) -> list[int]:
    """Return where the whole blocks of a segment begin, and where the last one ends."""
    data = path.read_bytes()
    offsets = [HEADER.size]
    while offsets[-1] + HEAD.size < len(data):
        (length,) = SIZE.unpack_from(data, offsets[-1])
        end = offsets[-1] + HEAD.size + length
        if not length or end > len(data):
            break
        offsets.append(end)
    return offsets


def _start_with_damage(
    world: World, path: Path, place: int, random: Random, words: list[str]
) -> str:
    """Flip a bit, see that the start is refused with these words, mend it and start again."""
    data = path.read_bytes()
    damaged = bytearray(data)
    damaged[place] ^= 1 << random.randrange(8)
    path.write_bytes(damaged)
    where = f"{path.parent.name}/{path.name} at byte {place}"
    world.system.lines.clear()
    try:
        world.restart()
    except AssertionError:
        said = "".join(world.system.lines)
        if not all(each in said for each in words):
            world.faults.append(f"{where} is damaged, and the start says: {said[-500:]}")
    else:
        world.faults.append(f"{where} is damaged, and it starts")
        world.system.kill_all()
    path.write_bytes(data)
    world.restart()
    return where


def _whole_bytes(world: World, path: Path) -> int:
    with path.open("rb") as file:
        return open_blocks(path, file, LOG, store_key(world.data))[1]


def _tear(world: World, slot: int, random: Random) -> str:
    segments = segments_of(world.shard_folder(slot))
    if not segments:
        return f"shard {slot}: no log"
    path = segments[-1]
    whole = max(_whole_bytes(world, path), HEADER.size)
    data = path.read_bytes()
    first = (
        HEADER.size + HEAD.size + SIZE.unpack_from(data, HEADER.size)[0]
        if whole > HEADER.size
        else 0
    )
    # Like a commit: but its end, or its beginning, or all of it is not there.
    like = data[HEADER.size : first]
    kind = random.choice(["beginning", "end", "noise"]) if like else "noise"
    if kind == "beginning":
        torn = like[: random.randrange(1, len(like))]
    elif kind == "end":
        # The length at least: its first bytes may be zeroes anyway, and then nothing is torn.
        cut = random.randrange(SIZE.size, len(like))
        torn = bytes(cut) + like[cut:]
    else:
        torn = random.randbytes(random.randint(1, 4_000))
    with path.open("r+b") as file:
        file.seek(whole)
        file.write(torn)
        if random.random() < 0.5:
            file.truncate()  # Else the zeroes that it was filled with follow.
        file.flush()
        os.fsync(file.fileno())
    return f"shard {slot}: {kind} of {len(torn)} bytes"
