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
    world.system.kill_all()
    said = [_tear(world, slot, random) for slot in range(SHARDS)]
    world.restart()
    return "; ".join(said)


def damage_log(world: World, random: Random) -> str:
    """Change a byte of what was acknowledged: the start must name the file, and change nothing."""
    world.system.kill_all()
    slot = random.randrange(SHARDS)
    path = segments_of(world.shard_folder(slot))[0]
    whole = _whole_bytes(world, path)
    data = path.read_bytes()
    # Half of it at most: behind the place are other blocks, so it can be no torn last write.
    place = random.randrange(HEADER.size, max(HEADER.size + 1, whole // 2))
    path.write_bytes(
        data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]
    )
    try:
        world.restart()
    except AssertionError:
        said = "".join(world.system.lines)
        if path.name not in said or "damaged at byte" not in said:
            world.faults.append(f"damage at byte {place} of {path} is not named")
    else:
        world.faults.append(f"damage at byte {place} of {path} is skipped")
        world.system.kill_all()
    path.write_bytes(data)
    world.restart()
    return f"{path.parent.name}/{path.name} at byte {place} of {whole}"


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
}
HEAVY: dict[str, Harm] = {
    "kill_driver": kill_driver,
    "kill_driver_of_frozen_shard": kill_driver_of_frozen_shard,
    "kill_all": kill_all,
    "stop": stop,
    "publish": publish,
    "tear_log": tear_log,
    "damage_log": damage_log,
}
COSTLY = ["burst", "burst_on_frozen_shard"]
"""Light ones that take seconds of both cores: one is enough for a seed."""

HARMS = LIGHT | HEAVY


def script_of(random: Random, *, small_disk: bool) -> list[str]:
    """Choose the harms of one seed: light ones, and one or two that need another start."""
    light = [name for name in LIGHT if name not in [*COSTLY, "fill_disk"]]
    chosen = random.choices(light, k=random.randint(6, 9))
    chosen += random.sample(COSTLY, k=1)
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
        cut = random.randrange(1, len(like))
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
