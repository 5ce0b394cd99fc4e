"""What is acknowledged is on as many replicas as were asked for: on their disks, if one can ask."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from actors.frame import encode_frame
from actors.settings import RedisSettings
from actors.store import redis_log, redis_owner
from actors.store.port import StoreLostError
from actors.store.redis_log import open_redis_log
from actors.store.redis_replicas import waits_of
from actors.store.redis_server import RedisServer
from actors.store.redis_settings import IN_MEMORY, check_redis_settings
from tests.actors.store.contract import append, frame_at, positions
from tests.actors.store.proxy import proxying
from tests.actors.store.redis_server import free_port, program, serving, valkey_program
from tests.actors.store.test_redis_failover import Pair

PROGRAMS = {"6.2": program, "7.2": valkey_program}
FEW = "0 of 1 replicas have what was written to"
ON_DISK = f"{FEW} .* on their disks"


@pytest.fixture(scope="module", params=PROGRAMS)
def servers(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A primary and a replica, which are there for all tests."""
    path = PROGRAMS[request.param]()
    with (
        serving(port=free_port(), path=path) as primary,
        serving(port=free_port(), path=path) as replica,
        proxying(primary.port) as way,
    ):
        replica.follow(primary)
        yield Pair(primary, replica, way)


@pytest.fixture
def pair(servers: Pair, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A store of one's own there; the replica must have what is acknowledged."""
    more = replace(servers.settings, replicas=1, timeout_s=2.5, prefix=request.node.name)
    servers.settings, before = more, servers.settings
    yield servers
    servers.settings = before
    servers.replica.go_on()
    servers.replica.client.config_set("appendonly", "yes")


only_later = pytest.mark.parametrize("servers", ["7.2"], indirect=True)


def notes_of(settings: RedisSettings) -> list[str]:
    server = RedisServer(settings)
    try:
        return check_redis_settings(server)
    finally:
        server.close()


def test_what_no_replica_has_is_not_acknowledged_and_comes_once(pair: Pair) -> None:
    log = pair.open()
    append(log, 1)
    pair.replica.stop()
    with pytest.raises(StoreLostError, match=FEW):
        log.append(1, [encode_frame(frame_at(1))])
    pair.replica.go_on()
    append(log, 1, position=1)
    assert pair.replica.client.xlen(f"{{{pair.settings.prefix}}}:log:3") == 2
    assert positions(log) == [0, 1]
    log.close()


def test_what_is_sent_again_as_its_answer_got_lost_waits_for_replicas_too(pair: Pair) -> None:
    """The connection that sends it again has written nothing yet, and would wait for nothing."""
    log = pair.open()
    append(log, 1)
    pair.replica.stop()
    pair.way.lose = redis_log._APPEND.digest.encode()
    with pytest.raises(StoreLostError, match=FEW):
        log.append(1, [encode_frame(frame_at(1))])
    assert not pair.way.lose
    pair.replica.go_on()
    append(log, 1, position=1)
    assert positions(log) == [0, 1]
    log.close()


@pytest.mark.parametrize("lost", [False, True])
def test_a_slot_is_nobodys_until_replicas_know_whose(pair: Pair, *, lost: bool) -> None:
    pair.open().close()
    pair.replica.stop()
    pair.way.lose = redis_owner._ACQUIRE.digest.encode() if lost else b""
    with pytest.raises(StoreLostError, match=FEW):
        pair.open()
    assert not pair.way.lose
    pair.replica.go_on()
    log = pair.open()
    assert int(pair.replica.client.hget(f"{{{pair.settings.prefix}}}:slot:3", "epoch")) == log.epoch
    log.close()


@only_later
def test_replicas_without_a_file_have_nothing_that_is_acknowledged(pair: Pair) -> None:
    log = pair.open()
    append(log, 1)
    pair.replica.client.config_set("appendonly", "no")
    with pytest.raises(StoreLostError, match=ON_DISK):
        log.append(1, [encode_frame(frame_at(1))])
    pair.replica.client.config_set("appendonly", "yes")
    append(log, 1, position=1)
    log.close()


@only_later
def test_relaxed_takes_what_replicas_have_in_memory(pair: Pair) -> None:
    pair.settings = replace(pair.settings, mode="relaxed")
    pair.replica.client.config_set("appendonly", "no")
    log = pair.open()
    append(log, 1)
    log.close()


def test_a_server_that_cannot_be_asked_for_disks_waits_for_memory_and_the_start_says_so(
    pair: Pair, request: pytest.FixtureRequest
) -> None:
    asked = "6.2" not in request.node.name
    assert (IN_MEMORY not in notes_of(pair.settings)) == asked
    rights = ["~*", "+@read", "+@write", "+@scripting", "+@connection", "+info", "+wait"]
    if asked:
        rights.append("-waitaof")
    pair.primary.client.execute_command("ACL", "SETUSER", "some", "on", ">secret", *rights)
    pair.settings = replace(pair.settings, url=pair.way.url.replace("//", "//some:secret@"))
    assert IN_MEMORY in notes_of(pair.settings)
    log = open_redis_log(RedisServer(pair.settings), 4)
    append(log, 1)
    log.close()


def test_replicas_are_asked_for_their_disks_when_they_have_it_in_memory() -> None:
    strict = RedisSettings(url="unix:///none", replicas=2, timeout_s=5.0)
    both = [("WAIT", 2, 2000), ("WAITAOF", 1, 2, 2000)]
    assert waits_of(strict, disks=True) == both
    assert waits_of(strict, disks=False) == both[:1]
    assert waits_of(replace(strict, mode="relaxed"), disks=True) == both[:1]
    assert waits_of(replace(strict, replicas=0), disks=True) == []
