"""Placement, case by case: takeover, growth, replacement, nodes."""

import pytest
from msgspec.structs import replace

from actors.control.muster import LEASE_S, START_S
from actors.control.placement import orders_for, place
from actors.control.roster import Roster, encode_roster
from actors.control.spread import GIVES_MAX, partitions_to_move
from engine.limits import PARTITIONS
from tests.actors.control.test_placement_machine import World


def settled(wanted: int, nodes: list[str] | None = None) -> World:
    world = World(wanted)
    world.nodes = nodes or ["a"]
    world.calm(20)
    assert len(world.roster.live()) == wanted
    return world


def change(world: World, **changes: int | bool) -> Roster:
    world.stored = encode_roster(replace(world.roster, **changes))
    world.look()
    return world.roster


def loads(world: World) -> dict[str, int]:
    muster, roster = world.muster(), world.roster
    return {name: muster.load(roster, name) for name in roster.posts}


def test_a_new_store_has_an_even_share_of_partitions_on_each_shard() -> None:
    world = settled(3)
    assert sorted(loads(world).values()) == [85, 85, 86]
    runs = [world.owners.index(slot) for slot in sorted(set(world.owners))]
    assert runs == sorted(runs), "in a row, as every store begins"


def test_a_survivor_takes_over_at_once_where_ray_says_that_the_process_ended() -> None:
    world = settled(3)
    world.end("shard-1")
    world.look()
    roster = world.roster
    taker = roster.holders[1]
    assert taker in {"shard-0", "shard-2"}, "not one that is still to start"
    assert roster.posts.keys() == {"shard-0", "shard-2", "shard-3"}
    assert 1 in orders_for(taker, roster, world.muster()).hold


def test_two_slots_of_two_dead_go_to_two_survivors() -> None:
    world = settled(4)
    world.end("shard-0")
    world.end("shard-3")
    world.look()
    assert {world.roster.holders[0], world.roster.holders[3]} == {"shard-1", "shard-2"}


def test_a_lease_ends_after_its_time_and_not_before() -> None:
    world = settled(2)
    world.processes["shard-0"].hung = True
    world.calm(LEASE_S - 0.5)
    assert "shard-0" in world.roster.posts
    world.calm(1)
    assert "shard-0" not in world.roster.posts
    assert world.roster.holders[0] == "shard-1"
    assert orders_for("shard-0", world.roster, world.muster()).gone


def test_leases_begin_anew_with_a_controller() -> None:
    world = settled(2)
    world.now_s += 100
    world.watched_s = world.now_s
    world.beats, world.heard_s = {}, {}
    world.look()
    assert world.roster.posts.keys() == {"shard-0", "shard-1"}
    world.now_s += LEASE_S + 0.1
    world.look()
    assert not world.roster.posts.keys() & {"shard-0", "shard-1"}, "no START_S: they had begun"


def test_a_process_that_starts_has_longer_than_a_lease() -> None:
    world = World(1)
    world.now_s += START_S - 1
    world.look()
    assert world.roster.posts.keys() == {"shard-0"}
    world.now_s += 2
    world.look()
    assert world.roster.posts.keys() == {"shard-1"}
    assert world.roster.posts["shard-1"].home == 0, "the slot that is there"


def test_where_none_survives_fresh_shards_take_the_slots_as_they_are() -> None:
    world = settled(3)
    for name in list(world.processes):
        world.end(name)
    world.look()
    roster = world.roster
    assert set(roster.holders) == {0, 1, 2}
    assert {post.home for post in roster.posts.values()} == {0, 1, 2}
    world.calm(10)
    assert sorted(loads(world).values()) == [85, 85, 86]
    assert world.epochs == {0: 2, 1: 2, 2: 2}


def test_slots_that_none_has_as_its_home_wait_for_a_shard_that_starts() -> None:
    world = settled(3)
    change(world, wanted=1)
    for name in list(world.processes):
        world.end(name)
    world.look()
    (name,) = world.roster.posts
    assert set(world.roster.holders.values()) == {name}
    world.calm(10)
    assert loads(world) == {name: PARTITIONS}


def test_what_starts_badly_is_not_started_again_and_again_at_once() -> None:
    world = settled(2)
    world.end("shard-0")
    muster = world.muster()
    muster.may_start = False
    roster = place(world.roster, muster)
    assert roster.posts.keys() == {"shard-1"}
    assert roster.holders[0] == "shard-1"


def test_slots_that_a_store_was_moved_here_with_keep_their_numbers_to_themselves() -> None:
    world = World(3)
    world.owners = [number % 3 + 2 for number in range(PARTITIONS)]
    world.owners[:20] = [4] * 20
    world.stored = encode_roster(Roster(wanted=3))
    world.look()
    assert set(world.roster.holders) == {2, 3, 4}
    change(world, wanted=4)
    assert set(world.roster.holders) == {2, 3, 4, 5}


def test_growth_moves_no_more_than_the_new_shards_share() -> None:
    world = settled(2)
    before = list(world.owners)
    change(world, wanted=3)
    world.calm(1)
    assert 0 < partitions_to_move(world.owners, [0, 1, 2], 3) <= 85
    world.calm(20)
    moved = [p for p in range(PARTITIONS) if world.owners[p] != before[p]]
    assert len(moved) == 85
    assert {world.owners[p] for p in moved} == {2}


def test_orders_name_few_moves_and_to_all_who_lack_in_turn() -> None:
    world = settled(1)
    change(world, wanted=4)
    for name in world.running():
        world.beat(name)
    for name in world.running():
        world.open(name)
    for name in world.running():
        world.beat(name)
    world.look()
    give = orders_for("shard-0", world.roster, world.muster()).give
    assert len(give) == GIVES_MAX
    assert [each.to_slot for each in give[:6]] == [1, 2, 3, 1, 2, 3]
    assert len({each.partition for each in give}) == GIVES_MAX


def test_what_is_to_leave_is_emptied_and_then_ends() -> None:
    world = settled(3)
    roster = change(world, wanted=1)
    assert sum(post.leaving for post in roster.posts.values()) == 2
    world.calm(0.5)
    assert not any(orders_for(name, world.roster, world.muster()).leave for name in roster.posts)
    world.calm(30)
    assert list(loads(world).values()) == [PARTITIONS]
    assert len(world.running()) == 1
    assert len(world.roster.holders) == 1, "their slots are gone from the roster"


def test_who_leaves_stays_where_another_is_lost() -> None:
    world = settled(3)
    roster = change(world, wanted=2)
    (leaving,) = [name for name, post in roster.posts.items() if post.leaving]
    world.end(next(name for name in roster.posts if name != leaving))
    world.look()
    assert leaving in world.roster.live()
    assert len(world.roster.posts) == 2, "none is started"


def test_shards_are_replaced_one_by_one_and_the_old_one_stays_until_the_new_one_serves() -> None:
    world = settled(3)
    roster = change(world, generation=1)
    assert len(roster.posts) == 4
    assert not any(post.leaving for post in roster.posts.values())
    most, ended = 0, []
    for _ in range(100):
        world.calm(0.5)
        roster = world.roster
        most = max(most, len(roster.posts))
        assert sum(post.leaving for post in roster.posts.values()) <= 1
        ended += [n for n, each in world.processes.items() if not each.alive and n not in ended]
    assert most == 4
    assert ended == ["shard-0", "shard-1", "shard-2"]
    assert {post.generation for post in roster.posts.values()} == {1}
    assert sorted(loads(world).values()) == [85, 85, 86]


def test_none_is_added_beyond_one_where_some_are_lost_while_others_leave() -> None:
    world = settled(3)
    change(world, generation=1)
    world.calm(1)
    assert sum(post.leaving for post in world.roster.posts.values()) == 1
    for post in world.roster.posts.values():  # Its home is let go of: it cannot stay.
        if post.leaving:
            world.owners = [1 if slot == post.home else slot for slot in world.owners]
    world.look()
    assert world.roster.retiring
    world.end("shard-1")
    world.end("shard-2")
    world.look()
    assert len(world.roster.posts) <= 4


def test_a_slot_is_struck_out_only_when_its_holder_has_let_go() -> None:
    world = settled(2)
    world.end("shard-0")
    world.calm(1)
    world.owners = [1 if slot == 0 else slot for slot in world.owners]
    beat = world.beats["shard-1"]
    world.beats["shard-1"] = replace(beat, held={1: beat.held[1]})  # Sent before it opened slot 0.
    world.look()
    assert world.roster.holders[0] == "shard-1", "what it says now is older than its orders"
    assert 0 not in orders_for("shard-1", world.roster, world.muster()).hold
    world.calm(1)
    assert 0 not in world.roster.holders


def test_a_slot_that_gets_a_partition_late_is_held_again() -> None:
    world = settled(2)
    world.owners[7] = 77
    world.look()
    assert world.roster.holders[77] in world.roster.posts
    world.calm(10)
    assert set(world.owners) == {0, 1}
    assert 77 not in world.roster.holders


def test_a_slot_about_to_be_let_go_of_stays_where_a_partition_comes_late() -> None:
    world = settled(2)
    world.end("shard-0")
    world.calm(1)
    moved = [p for p, slot in enumerate(world.owners) if slot == 0]
    world.owners = [1 if slot == 0 else slot for slot in world.owners]
    world.look()
    assert 0 in world.roster.retiring
    world.owners[moved[0]] = 0
    world.look()
    assert 0 in orders_for("shard-1", world.roster, world.muster()).hold


@pytest.mark.parametrize("wanted", [2, 3, 5])
def test_shards_are_even_over_nodes_also_when_one_joins(wanted: int) -> None:
    world = settled(wanted, ["a", "b"])
    world.nodes = ["a", "b", "c"]
    world.calm(60)
    on = [post.node for post in world.roster.posts.values()]
    counts = [on.count(node) for node in world.nodes]
    assert sum(counts) == wanted
    assert max(counts) - min(counts) <= 1


def test_a_rolling_restart_keeps_each_node_as_it_was() -> None:
    world = settled(2, ["a", "b"])
    change(world, generation=1)
    world.calm(60)
    assert sorted(post.node for post in world.roster.posts.values()) == ["a", "b"]
    assert len(world.processes) == 4, "none was replaced twice"


def test_all_are_told_to_drain_and_their_slots_stay_for_the_next_start() -> None:
    world = settled(2)
    roster = change(world, stopping=True)
    orders = orders_for("shard-0", roster, world.muster())
    assert orders.leave
    assert orders.hold == [0]
    world.calm(5)
    assert not world.roster.posts
    assert world.roster.holders == {0: "", 1: ""}
    change(world, stopping=False)
    world.calm(5)
    assert world.epochs == {0: 2, 1: 2}
