"""The harms to a cluster, by name: each does one kind of damage, and says what it did.

After those of `ENDING` it is started again; those of `CHANGING` let partitions move meanwhile.
"""

import contextlib
import signal
import time
from collections.abc import Callable
from functools import partial
from random import Random

from actors.errors import OperatorError
from actors.store import redis_log
from tests.chaos.cluster_world import ClusterWorld
from tests.chaos.kernel import cut_links, cut_port, freeze, send_signal
from tests.chaos.world import patiently
from tests.system.clustered import alive

Harm = Callable[[ClusterWorld, Random], str]

CONTROLLER = "ControllerActor"
COURIER = "RoundsActor"
RAYLET = "raylet/raylet"
SHARD = "ClusterShardActor"
SHARDS_MAX = 3


def kill_shard(world: ClusterWorld, random: Random) -> str:
    return _kill(*world.shard_pid())


def kill_courier(world: ClusterWorld, random: Random) -> str:
    return _kill("courier", world.pid_of(COURIER))


def kill_controller(world: ClusterWorld, random: Random) -> str:
    return _kill("controller", world.pid_of(CONTROLLER))


def freeze_some(world: ClusterWorld, random: Random) -> str:
    """Stop a process for less than a lease, or some more."""
    name, pid = random.choice(
        [
            world.shard_pid(),
            ("courier", world.pid_of(COURIER)),
            ("controller", world.pid_of(CONTROLLER)),
            ("gateway", world.system.pid),
        ]
    )
    seconds = random.uniform(0.3, 5.0)
    there = pid and freeze(pid, seconds)
    return f"{name} for {seconds:.1f} s" if there else f"{name}: none there"


def zombie(world: ClusterWorld, random: Random) -> str:
    """A shard sleeps past its lease, and wakes: it must be refused, and end."""
    name, pid = world.shard_pid()
    if not pid or not send_signal(pid, signal.SIGSTOP):
        return "none there"
    world.wait(lambda: name not in world.here.roster.posts, f"the lease of {name} is over")
    time.sleep(random.uniform(0.0, 1.0))
    woke = alive(pid) and send_signal(pid, signal.SIGCONT)
    world.wait(lambda: not alive(pid), f"{name}, which lost its slot asleep, ends")
    return f"{name}, {'woken' if woke else 'killed asleep'}"


def cut_gateway(world: ClusterWorld, random: Random) -> str:
    """Cut the gateway, or the courier, from shards: once, or many times."""
    whose = random.choice(["gateway", "courier"])
    cut = 0
    for _ in range(random.choice([1, 5, 20])):
        pid = world.system.pid if whose == "gateway" else world.pid_of(COURIER)
        look = partial(cut_links, pid, _links(world, random))
        cut += look() if cut else patiently(look)
        time.sleep(random.uniform(0.0, 0.1))
    return f"{whose}, {cut} cut"


def cut_redis(world: ClusterWorld, random: Random) -> str:
    """Cut one shard, or all there is, from Redis: once, or many times."""
    cuts = random.choice([1, 5, 20])
    name, pid = world.shard_pid() if random.random() < 0.5 else ("all", 0)
    for _ in range(cuts):
        if pid:
            cut_port(pid, world.way.host, world.way.port)
        else:
            world.way.cut()
        time.sleep(random.uniform(0.0, 0.1))
    return f"{name}, {cuts} times"


def part_redis(world: ClusterWorld, random: Random) -> str:
    """Nobody reaches Redis for a while, also for longer than a lease."""
    seconds = random.uniform(0.3, 5.0)
    world.way.lead_to(0)
    time.sleep(seconds)
    world.way.lead_to(world.primary.port)
    return f"{seconds:.1f} s"


def slow_redis(world: ClusterWorld, random: Random) -> str:
    """The network to Redis is slow for a while, each way: little, or past what is waited for."""
    delay_s = random.choice([0.02, 0.2, 1.0, 4.0])
    world.way.delay_s = delay_s
    time.sleep(random.uniform(1.0, 6.0))
    world.way.delay_s = 0.0
    return f"{delay_s} s each way"


def slow_link(world: ClusterWorld, random: Random) -> str:
    """The cable to the other machine is slow for a while: little, or past a lease.

    That is the way of links, of beats, and to Redis. What was on its way comes late.
    """
    if world.machine is None:
        return "skipped: a network namespace takes root, and `ip`"
    if not patiently(lambda: len(world.pids_there(SHARD))):
        return "none there"
    delay_s = random.choice([0.02, 0.1, 0.5, 2.0, 4.0])
    jitter_s = random.choice([0.0, delay_s])
    world.machine.slow(delay_s, jitter_s)
    time.sleep(random.uniform(2.0, 8.0))
    world.machine.slow(0.0)
    # A start that met what is still on its way could not reach Redis, and would rightly say so.
    time.sleep(delay_s + jitter_s)
    return f"{delay_s} s to {delay_s + jitter_s} s each way"


def lose_answers(world: ClusterWorld, random: Random) -> str:
    """Appends are carried out, and nobody is told."""
    count = random.randint(1, 5)
    for _ in range(count):
        world.way.lose = redis_log._APPEND.digest.encode()
        time.sleep(random.uniform(0.05, 0.5))
    world.way.lose = b""
    return f"{world.way.lost} by now"


def freeze_redis(world: ClusterWorld, random: Random) -> str:
    seconds = random.uniform(0.3, 5.0)
    world.primary.stop()
    time.sleep(seconds)
    world.primary.go_on()
    return f"{seconds:.1f} s"


def restart_redis(world: ClusterWorld, random: Random) -> str:
    """Kill -9 of the server, and a start on what its files hold."""
    world.primary.kill()
    time.sleep(random.choice([0.0, 1.0, 4.0]))
    world.primary.start()
    return ""


def fail_over(world: ClusterWorld, random: Random) -> str:
    """The replica is promoted; what was primary, killed or only cut off, becomes its replica."""
    killed = random.random() < 0.5
    if killed:
        world.primary.kill()
    world.replica.promote()
    world.way.lead_to(world.replica.port)
    time.sleep(random.uniform(0.0, 2.0))
    if killed:
        world.primary.start()
    world.primary, world.replica = world.replica, world.primary
    world.replica.follow(world.primary)
    return f"the primary {'killed' if killed else 'cut off'}"


def burst(world: ClusterWorld, random: Random) -> str:
    requests = random.choice([[500] * 10, [500] * 20, [5_000, 5_000]])
    world.ledger.burst(*requests)
    return f"{len(requests)} requests of {requests[0]} events"


def scale(world: ClusterWorld, random: Random) -> str:
    return _scale(world, random, None)


def scale_without_controller(world: ClusterWorld, random: Random) -> str:
    """The Controller is killed in the middle of the moves."""
    return _scale(world, random, kill_controller)


def scale_without_shard(world: ClusterWorld, random: Random) -> str:
    """A shard is killed in the middle of the moves."""
    return _scale(world, random, kill_shard)


def scale_without_redis(world: ClusterWorld, random: Random) -> str:
    return _scale(world, random, random.choice([part_redis, restart_redis, cut_redis]))


def roll(world: ClusterWorld, random: Random) -> str:
    return world.command("restart", "--rolling")


def roll_with_harm(world: ClusterWorld, random: Random) -> str:
    harm = random.choice([kill_controller, kill_shard, fail_over, cut_gateway])
    said: list[str] = []
    ran = world.command("restart", "--rolling", meanwhile=lambda: said.append(harm(world, random)))
    return f"{ran}, {harm.__name__}: {said[0]}"


def kill_gateway(world: ClusterWorld, random: Random) -> str:
    """Kill -9 of `anlass run` alone: what it started ends with it."""
    world.system.kill_driver()
    world.restart()
    return ""


def kill_all(world: ClusterWorld, random: Random) -> str:
    world.kill_all()
    time.sleep(random.choice([0.0, 0.0, 5.0]))
    world.restart()
    return ""


def kill_all_and_redis(world: ClusterWorld, random: Random) -> str:
    """The power is lost: all there is comes back from the server's files."""
    world.primary.kill()
    world.kill_all()
    world.primary.start()
    world.restart()
    return ""


def kill_node(world: ClusterWorld, random: Random) -> str:
    """A node ends at once: one of several; or the only one, and all is started again."""
    if world.nodes is not None:
        said = world.nodes.lose_one(random)
        time.sleep(random.uniform(0.0, 4.0))
        world.restart()
        return said
    said = _kill("raylet", world.pid_of(RAYLET))
    world.wait(lambda: not world.system.running, "without its raylet `anlass run` ends")
    if not world.system.wait():
        world.faults.append("without its raylet `anlass run` ends as if all were well")
    world.restart()
    return said


def stop(world: ClusterWorld, random: Random) -> str:
    """SIGTERM: what is in flight is answered, and the exit code is 0."""
    code = world.system.stop()
    if code:
        world.faults.append(f"stopped by SIGTERM, it ends with {code}")
    world.restart()
    return ""


PLAIN: dict[str, Harm] = {
    each.__name__: each
    for each in (
        kill_shard, kill_courier, kill_controller, freeze_some, zombie, cut_gateway, cut_redis,
        part_redis, slow_redis, slow_link, lose_answers, freeze_redis, restart_redis, fail_over,
        burst,
    )
}  # fmt: skip
CHANGING: dict[str, Harm] = {
    each.__name__: each
    for each in (
        scale, scale_without_controller, scale_without_shard, scale_without_redis, roll,
        roll_with_harm,
    )
}  # fmt: skip
ENDING: dict[str, Harm] = {
    each.__name__: each for each in (kill_gateway, kill_all, kill_all_and_redis, kill_node, stop)
}
CLUSTER_HARMS = PLAIN | CHANGING | ENDING


def cluster_script_of(random: Random) -> list[str]:
    """Choose the harms of one seed: few, as many seeds have all of them, and many pairs."""
    chosen = random.choices(list(PLAIN), k=random.choice([1, 2, 2]))
    chosen += random.sample(list(CHANGING), k=random.choice([0, 1, 1]))
    chosen += random.sample(list(ENDING), k=random.choice([0, 1]))
    random.shuffle(chosen)
    return chosen


def do_cluster_harm(world: ClusterWorld, name: str, random: Random) -> None:
    """Do one harm, and note it."""
    began = time.monotonic()
    said = CLUSTER_HARMS[name](world, random)
    took = f"{time.monotonic() - began:.1f} s"
    world.notes.append(f"{name} ({', '.join(filter(None, [said, took]))})")


def _kill(what: str, pid: int) -> str:
    return what if pid and send_signal(pid, signal.SIGKILL) else f"{what}: none there"


def _links(world: ClusterWorld, random: Random) -> str:
    """Return how the sockets of all slots end, or that of one."""
    slots: list[int] = []
    with contextlib.suppress(OperatorError):
        slots = sorted(world.here.map.sites)
    return random.choice([".sock", *(f"slot-{slot}.sock" for slot in slots)])


def _scale(world: ClusterWorld, random: Random, harm: Harm | None) -> str:
    """Scale under load, let the harm come in the middle, and wait for the end of it."""
    wanted = random.choice([n for n in range(1, SHARDS_MAX + 1) if n != world.shards])
    world.shards = wanted
    said: list[str] = []
    meanwhile = None if harm is None else (lambda: said.append(harm(world, random)))
    ran = world.command("scale", str(wanted), meanwhile=meanwhile)
    world.wait(lambda: world.here.settled(wanted), f"{wanted} shards, with even shares")
    return ", ".join([ran, *([f"{harm.__name__}: {said[0]}"] if harm else [])])
