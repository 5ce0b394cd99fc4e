"""Placement under random deaths, hangs, restarts and commands: it converges, and one slot has one.

The world here does what shards, Ray and the store do, step by step and in any order: processes
start, beat, open slots, make moves, hang, come back and die; Controllers are replaced; nodes come
and go; operators scale, replace and stop.
"""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from actors.control.muster import LEASE_S, Muster
from actors.control.orders import BEAT_S, Beat, Held, Orders
from actors.control.placement import first_owners, orders_for, place
from actors.control.roster import Roster, decode_roster, encode_roster
from actors.map import Site
from engine.limits import PARTITIONS

NODES = ["a", "b", "c"]


@dataclass
class Process:
    """A shard's process, as it is."""

    node: str
    held: dict[int, Held] = field(default_factory=dict)
    orders: Orders = field(default_factory=lambda: Orders(number=0))
    alive: bool = True
    hung: bool = False
    told_s: float = -100.0
    """When the Controller last heard of it."""


class World:
    """Store, Ray and shards, without either."""

    def __init__(self, wanted: int) -> None:
        self.now_s = 100.0
        self.watched_s = 100.0
        self.owners = [-1] * PARTITIONS
        self.version = 1
        self.stored = encode_roster(Roster(wanted=wanted))
        self.epochs: dict[int, int] = {}
        self.processes: dict[str, Process] = {}
        self.nodes = list(NODES)
        self.beats: dict[str, Beat] = {}
        self.heard_s: dict[str, float] = {}
        self.known_dead: set[str] = set()
        self.look()

    @property
    def roster(self) -> Roster:
        roster = decode_roster(self.stored)
        assert roster is not None
        return roster

    def muster(self) -> Muster:
        return Muster(
            now_s=self.now_s,
            watched_s=self.watched_s,
            owners=self.owners,
            beats=self.beats,
            heard_s=self.heard_s,
            ended=self.known_dead,
            nodes=self.nodes,
        )

    def look(self) -> None:
        """One turn of the Controller."""
        before, muster = self.roster, self.muster()
        after = place(before, muster)
        if after == before:
            return
        assert after.number == before.number + 1
        self.check_handover(before, after)
        bound = max(len(before.posts), after.wanted + 1)
        assert len(after.posts) <= bound, "never more than one beyond those wanted"
        self.stored = encode_roster(after)
        self.version += 1
        if -1 in self.owners:
            for partition, slot in first_owners(after).items():
                self.owners[partition] = slot
        for name in self.beats.keys() - after.posts.keys():
            del self.beats[name]
        for name, post in after.posts.items():
            if name not in before.posts:
                self.processes[name] = Process(post.node)
                self.heard_s[name] = self.now_s

    def check_handover(self, before: Roster, after: Roster) -> None:
        """A slot that goes from one to another was let go of, or its lease is over."""
        for slot, holder in before.holders.items():
            if not holder or after.holders.get(slot) == holder:
                continue
            process = self.processes[holder]
            lease_over = not process.alive or self.now_s - process.told_s > LEASE_S
            let_go = slot not in process.held and slot not in process.orders.hold
            assert lease_over or let_go, f"slot {slot} was taken from {holder}, which holds it"

    def beat(self, name: str) -> None:
        """A process says how it is, gets orders, and begins with them."""
        process = self.processes[name]
        beat = Beat(name=name, number=process.orders.number, held=dict(process.held))
        process.told_s = self.now_s
        if name in self.roster.posts:
            self.beats[name], self.heard_s[name] = beat, self.now_s
        orders = orders_for(name, self.roster, self.muster())
        if orders.gone:
            self.end(name)
            return
        process.orders = orders
        for slot in list(process.held):
            if slot not in orders.hold:
                del process.held[slot]
        for slot in orders.hold:
            process.held.setdefault(slot, Held())

    def open(self, name: str) -> None:
        """A process becomes the owner of the slots it was told to hold."""
        process = self.processes[name]
        for slot, held in process.held.items():
            if not held.serves:
                self.epochs[slot] = self.epochs.get(slot, 0) + 1
                site = Site("host", f"{name}-{slot}")
                process.held[slot] = Held(self.epochs[slot], site)

    def move(self, name: str, count: int) -> None:
        """A process makes some of the moves it was told to make, if it still owns the slot."""
        process = self.processes[name]
        for give in process.orders.give[:count]:
            held = process.held.get(give.slot)
            fits = held is not None and held.epoch == self.epochs.get(give.slot)
            if fits and self.owners[give.partition] == give.slot:
                self.owners[give.partition] = give.to_slot
                self.version += 1
        if process.orders.leave:
            process.held = {}
            self.end(name)

    def end(self, name: str) -> None:
        self.processes[name].alive = False
        self.known_dead.add(name)

    def running(self) -> list[str]:
        return [
            name for name, each in self.processes.items() if each.alive and not each.hung
        ]  # fmt: skip

    def calm(self, seconds: float) -> None:
        """Let everything that can work do so for a while."""
        for _ in range(int(seconds / BEAT_S)):
            self.now_s += BEAT_S
            for name in self.running():
                self.beat(name)
            for name in self.running():
                self.open(name)
                self.move(name, 32)
            self.look()


class PlacementMachine(RuleBasedStateMachine):
    """Anything may happen; then, after a while without, all is as it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(wanted=3)
        self.world.calm(5)

    @rule(data=st.data())
    def beats(self, data: st.DataObject) -> None:
        if names := self.world.running():
            self.world.beat(data.draw(st.sampled_from(names)))

    @rule(data=st.data())
    def opens(self, data: st.DataObject) -> None:
        if names := self.world.running():
            self.world.open(data.draw(st.sampled_from(names)))

    @rule(data=st.data(), count=st.integers(1, 32))
    def moves(self, data: st.DataObject, count: int) -> None:
        if names := self.world.running():
            self.world.move(data.draw(st.sampled_from(names)), count)

    @rule()
    def looks(self) -> None:
        self.world.look()

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.5, 3.5, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.now_s += seconds
        self.world.look()

    @rule(seconds=st.sampled_from([0.5, 1, 2, 10]))
    def works_well(self, seconds: float) -> None:
        self.world.calm(seconds)

    @rule(data=st.data(), known=st.booleans())
    def dies(self, data: st.DataObject, *, known: bool) -> None:
        if names := [n for n, each in self.world.processes.items() if each.alive]:
            name = data.draw(st.sampled_from(names))
            self.world.processes[name].alive = False
            if known:
                self.world.known_dead.add(name)

    @rule(data=st.data(), hung=st.booleans())
    def hangs_or_wakes(self, data: st.DataObject, *, hung: bool) -> None:
        if names := [n for n, each in self.world.processes.items() if each.alive]:
            self.world.processes[data.draw(st.sampled_from(names))].hung = hung

    @rule()
    def controller_is_replaced(self) -> None:
        world = self.world
        world.beats, world.heard_s, world.known_dead = {}, {}, set()
        world.watched_s = world.now_s
        world.known_dead = {
            name for name, each in world.processes.items() if not each.alive
        } & world.roster.posts.keys()  # It asks Ray for each by name.
        for each in world.processes.values():
            each.told_s = world.now_s  # Leases begin anew.

    @rule(wanted=st.integers(1, 6))
    def scales(self, wanted: int) -> None:
        self.put(wanted=wanted)

    @rule()
    def replaces_all(self) -> None:
        self.put(generation=self.world.roster.generation + 1)

    @precondition(lambda self: len(self.world.nodes) > 1)
    @rule(data=st.data())
    def node_leaves(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(self.world.nodes))
        self.world.nodes.remove(node)
        for each in self.world.processes.values():
            if each.node == node:
                each.alive = False

    @rule(data=st.data())
    def node_joins(self, data: st.DataObject) -> None:
        if gone := [node for node in NODES if node not in self.world.nodes]:
            self.world.nodes.append(data.draw(st.sampled_from(gone)))

    def put(self, **changes: int) -> None:
        world = self.world
        world.stored = encode_roster(replace(world.roster, **changes))
        world.version += 1

    @invariant()
    def no_move_goes_to_a_slot_that_is_not_served(self) -> None:
        world = self.world
        roster, muster = world.roster, world.muster()
        for name in roster.posts:
            for give in orders_for(name, roster, muster).give:
                assert world.owners[give.partition] == give.slot
                assert roster.holders[give.slot] == name
                holder = roster.holders[give.to_slot]
                assert holder in roster.posts
                assert not roster.posts[holder].leaving
                assert muster.serves(holder, give.to_slot)

    def teardown(self) -> None:
        world = self.world
        for each in world.processes.values():
            each.hung = False
        for _ in range(60):
            world.calm(5)
            if set(world.running()) == world.roster.posts.keys() == world.roster.live().keys():
                number = world.roster.number
                world.calm(5)
                if world.roster.number == number:
                    break
        roster = world.roster
        live = roster.live()
        assert len(live) == len(roster.posts) == roster.wanted
        assert all(post.generation == roster.generation for post in live.values())
        assert set(world.running()) == set(live), "no process is left over"
        assert {post.home: name for name, post in live.items()} == roster.holders
        counts = [world.owners.count(post.home) for post in live.values()]
        assert sum(counts) == PARTITIONS
        assert max(counts) - min(counts) <= 1
        for name, post in live.items():
            process = world.processes[name]
            assert process.held.keys() == {post.home}
            assert process.held[post.home].epoch == world.epochs[post.home]
        on = [[post.node for post in live.values()].count(node) for node in world.nodes]
        assert max(on) - min(on) <= 1, "as many shards on each node"
        assert place(roster, world.muster()) == roster, "it rests"
        assert all(not orders_for(name, roster, world.muster()).give for name in live)


PlacementMachine.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # To shrink worlds takes minutes.
    suppress_health_check=list(HealthCheck),
)
TestPlacement = PlacementMachine.TestCase
