"""Harm: what goes wrong in a world, for a while, as the seed says."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.simulation.world import World

JUMP_MS_MAX: Final = 40 * 60_000


class Harm:
    """Does it; each seed has few kinds of harm, so that they meet each other."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = world.random
        self._over = False
        self._kinds: tuple[Callable[[], None], ...] = (
            self._kill_shard,
            self._kill_gateway,
            self._kill_courier,
            self._die_at_the_disk,
            self._die_at_the_disk,
            self._cut_power,
            self._cut_power,
            self._cut_link,
            self._cut_link,
            self._stall,
            self._move_clock,
            self._publish,
            self._publish_twice,
            self._publish_twice,
            self._fill_disk,
            self._drain,
            self._erase,
        )

    def plan(self) -> None:
        """Say when what happens, and when it is over."""
        world, random = self._world, self._random
        kinds = random.choices(self._kinds, k=random.randint(1, 4))
        for _ in range(random.choice((0, 1, 3, 6, 10))):
            world.driver.call_later(random.random() * world.span_s, self._do, random.choice(kinds))
        world.driver.call_later(world.span_s, self._heal)

    def _do(self, kind: Callable[[], None]) -> None:
        if not self._over:
            kind()

    def _heal(self) -> None:
        world = self._world
        world.scheduler.note("world", "all is well from here on")
        self._over = world.healed = True
        world.disk.space = None
        for disk in world.disks.values():
            disk.dies_after = 0
        world.network.slowness = 0.0
        world.post.put_off = 0.02

    def _kill_shard(self) -> None:
        self._random.choice(self._world.shard_seats).crash("kill -9")

    def _kill_gateway(self) -> None:
        self._random.choice(self._world.gateway_seats).crash("kill -9")

    def _kill_courier(self) -> None:
        self._world.courier_seat.crash("kill -9")

    def _die_at_the_disk(self) -> None:
        """Let a shard die amid one of its next changes on the disk."""
        disk = self._world.disks.get(self._random.randrange(self._world.shards))
        if disk is None:
            return
        disk.dies_after = self._random.randint(1, self._random.choice((4, 15)))
        if self._random.random() < 0.5:  # What its successor builds on may not last either.
            self._world.driver.call_later(self._random.random(), self._do, self._cut_power)

    def _cut_power(self) -> None:
        """Let the whole machine lose its power: only senders and what lies outside go on."""
        world = self._world
        world.scheduler.note("world", "the power fails")
        for seat in (*world.shard_seats, *world.gateway_seats, world.courier_seat):
            seat.crash("no power")
        world.disk = world.disk.crash(world.scheduler.random)

    def _cut_link(self) -> None:
        network = self._world.network
        ends = list(network.ends)
        if self._random.random() < 0.7:
            ends = [end for end in ends if "shard" in end.name]
        if ends:
            end = self._random.choice(ends)
            self._world.scheduler.note("world", f"cuts {end.name}")
            network.cut(end)

    def _stall(self) -> None:
        world = self._world
        seats = [*world.shard_seats, *world.gateway_seats, world.courier_seat]
        world.scheduler.stall(self._random.choice(seats).process, self._random.random())

    def _move_clock(self) -> None:
        span_ms = self._random.randint(-JUMP_MS_MAX, JUMP_MS_MAX)
        self._world.scheduler.note("world", f"the clock jumps by {span_ms} ms")
        self._world.clock.offset_ms += span_ms

    def _publish(self) -> None:
        world = self._world
        world.published += 1
        world.driver.create_task(world.publish())

    def _publish_twice(self) -> None:
        """Publish twice, and mostly let a shard die right then."""
        world = self._world
        world.published += 1
        world.driver.create_task(world.publish_twice())
        if self._random.random() < 0.8:
            world.driver.call_later(0.02 * self._random.random(), self._do, self._kill_shard)

    def _drain(self) -> None:
        world = self._world
        world.driver.create_task(world.drain(self._random.randrange(world.shards)))

    def _erase(self) -> None:
        world = self._world
        left = [each for each in world.contacts if each not in world.erased]
        if left:
            world.erasing += 1
            world.driver.create_task(world.erase(self._random.choice(left)))

    def _fill_disk(self) -> None:
        disk = self._world.disk
        disk.space = disk._used + self._random.choice((0, 100, 1000))
        self._world.scheduler.note("world", "the disk is full")
        self._world.driver.call_later(0.5 * self._random.random(), self._make_space)

    def _make_space(self) -> None:
        self._world.scheduler.note("world", "the disk has space")
        self._world.disk.space = None
