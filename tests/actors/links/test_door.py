"""Links by TCP: both sides prove who they are, and whoever is refused learns it and waits for none.

Real sockets on the loopback. The kernel's part (a cut cable) is in test_cut.py.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from actors.clock import EventClock
from actors.errors import OperatorError
from actors.links import link as link_module
from actors.links.address import Address, RefusedConnectionError, connect
from actors.links.credentials import Credentials
from actors.links.door import Door
from actors.links.link import (
    Accept,
    AskSightings,
    AskStatus,
    Done,
    Drain,
    Link,
    LinkClient,
    LinkEvent,
    Moves,
    PublishNow,
    Pull,
    RefusedError,
    Request,
    RunOut,
    Settle,
    decode_request,
)
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.store.log import open_log
from engine.contacts.identity import partition_of
from tests.actors.links.credentials import authority, credentials, ended_credentials
from tests.publications import journey, source_of

LOOPBACK = "tcp://127.0.0.1:0"


@asynccontextmanager
async def open_door(there: Credentials, address: str = LOOPBACK) -> AsyncIterator[tuple[Door, str]]:
    """Serve links that say Done to all."""

    def received(link: Link, data: bytes) -> None:
        link.send(Done(decode_request(data).seq))

    door = Door(received, lambda _: None)
    yield door, await door.open(address, there)
    door.close()
    door.close_links()
    await asyncio.sleep(0)


async def ask(address: str, here: Credentials) -> str:
    """Connect, ask once; return the name at the other end."""
    client = await LinkClient.connect(address, here)
    try:
        async with asyncio.timeout(5):
            assert isinstance(await client.ask(Drain(0)), Done)
        peer = client._link.peer
        assert peer is not None
        return peer.name
    finally:
        client.close()


async def refused(address: str, here: Credentials) -> str:
    async with asyncio.timeout(8):
        with pytest.raises(RefusedConnectionError) as caught:
            await ask(address, here)
    return str(caught.value)


async def test_both_sides_know_each_other_by_their_certificates(tmp_path: Path) -> None:
    here = credentials(tmp_path, "node-2", "gateway")
    async with open_door(credentials(tmp_path, "node-1", "shard")) as (door, address):
        client = await LinkClient.connect(address, here)
        assert await client.ask(Drain(0)) == Done(1)
        (link,) = door.links
        assert link.peer is not None
        assert (link.peer.name, link.peer.roles) == ("node-2", frozenset({"gateway"}))
        assert client._link.peer is not None
        assert client._link.peer.name == "node-1"
        transport = link._transport
        assert transport is not None
        assert transport.get_extra_info("cipher")[1] == "TLSv1.3"
        client.close()


async def test_nobody_of_another_authority_comes_in(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    async with open_door(credentials(ours)) as (door, address):
        assert "another authority" in await refused(address, credentials(theirs))
        # Who trusts us still gets nowhere with a certificate of its own authority.
        mixed = credentials(theirs)
        bundle = (ours / "ca.pem").read_bytes() + (theirs / "ca.pem").read_bytes()
        (mixed.folder / "ca.pem").write_bytes(bundle)
        with structlog.testing.capture_logs() as logs:
            assert "its log says why" in await refused(address, Credentials(mixed.folder))
        assert "another authority" in logs[-1]["why"]
        assert not door.links


async def test_an_ended_certificate_opens_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, ended = credentials(tmp_path), ended_credentials(tmp_path)
    async with open_door(ended) as (_, address):
        assert "it has ended; renew it" in await refused(address, good)
    async with open_door(good) as (door, address):
        assert "our certificate has ended; renew it" in await refused(address, ended)
        monkeypatch.setattr(ended, "refusal", lambda: "")  # Its clock is wrong.
        with structlog.testing.capture_logs() as logs:
            assert "its log says why" in await refused(address, ended)
        assert ["it has ended; renew it" in line["why"] for line in logs] == [True]
        assert not door.links


@pytest.mark.parametrize("role", ["gateway", "courier", "operator"])
async def test_only_a_shards_certificate_serves(tmp_path: Path, role: str) -> None:
    async with open_door(credentials(tmp_path, "node", role)) as (_, address):
        assert "not for this side of a link" in await refused(address, credentials(tmp_path))


async def test_a_role_is_asked_for_even_where_tls_would_do(tmp_path: Path) -> None:
    """As with a certificate that somebody made with the authority's key, but not by `keys`."""
    async with open_door(credentials(tmp_path, "node", "shard", "gateway")) as (_, address):
        with pytest.raises(
            RefusedConnectionError, match="is of gateway and shard, and this is for"
        ):
            await connect(
                address,
                lambda: Link(lambda *_: None, lambda _: None),
                credentials(tmp_path),
                "courier",
            )


async def test_who_has_no_role_does_not_come_in(tmp_path: Path) -> None:
    nobody = Credentials(authority(tmp_path).issue("nobody", ["visitor"], (), 30))
    async with open_door(credentials(tmp_path)) as (door, address):
        assert "refused: the certificate of 'nobody' is of visitor" in await refused(
            address, nobody
        )
        assert not door.links


async def test_a_certificate_serves_only_on_its_hosts(tmp_path: Path) -> None:
    here = credentials(tmp_path)
    async with open_door(credentials(tmp_path, "far", hosts=("10.1.2.3", "far.example"))) as (
        _,
        address,
    ):
        assert "is for 10.1.2.3 and far.example, not for 127.0.0.1" in await refused(address, here)
    async with open_door(credentials(tmp_path, "near", hosts=("127.0.0.1",))) as (_, address):
        assert await ask(address, here) == "near"
    async with open_door(credentials(tmp_path, "named", hosts=("LOCALHOST",))) as (_, address):
        named = f"tcp://localhost:{Address.parse(address).port}"
        assert await ask(named, here) == "named"


async def test_who_does_not_speak_tls_is_refused_with_a_word(tmp_path: Path) -> None:
    async with open_door(credentials(tmp_path)) as (_, address):
        with structlog.testing.capture_logs() as logs:
            reader, writer = await asyncio.open_connection("127.0.0.1", Address.parse(address).port)
            writer.write(b"\0\0\0\x05hello")
            async with asyncio.timeout(5):
                assert not await reader.read()
            writer.close()
        assert [line["why"] for line in logs] == ["what came is no TLS"]


async def test_who_shows_no_certificate_is_refused_with_a_word(tmp_path: Path) -> None:
    async with open_door(credentials(tmp_path)) as (door, address):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(tmp_path / "ca.pem")
        context.check_hostname = False
        with structlog.testing.capture_logs() as logs:
            port = Address.parse(address).port
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            async with asyncio.timeout(5):
                assert not await reader.read()
            writer.close()
        assert [line["why"] for line in logs] == ["it showed no certificate"]
        assert not door.links


async def test_older_tls_is_not_spoken(tmp_path: Path) -> None:
    here = credentials(tmp_path)
    async with open_door(here) as (_, address):
        context = here.client_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with structlog.testing.capture_logs() as logs:
            assert "its log says why" in await refused(address, here)
        assert [line["why"] for line in logs] == ["the other side does not speak TLS 1.3"]


async def test_a_handshake_that_is_cut_or_stands_still_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.links.door.HANDSHAKE_S", 0.2)
    async with open_door(credentials(tmp_path)) as (door, address):
        port = Address.parse(address).port
        _, cut = await asyncio.open_connection("127.0.0.1", port)
        cut.write(b"\x16\x03\x01\x02\x00\x01\x00")  # The beginning of a ClientHello.
        cut.close()
        silent, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            assert not await silent.read()
            while len(door._tasks) > 1:  # noqa: ASYNC110 - but for the one that accepts
                await asyncio.sleep(0.01)
        writer.close()
        assert not door.links
        assert await ask(address, credentials(tmp_path)) == "cluster"


async def test_no_more_come_in_at_once_than_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.links.door.HANDSHAKES_MAX", 2)
    async with open_door(credentials(tmp_path)) as (door, address):
        port = Address.parse(address).port
        ends = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        async with asyncio.timeout(2):  # Less than a handshake may take.
            assert not await ends[2][0].read()
            assert not await ends[3][0].read()
        assert len(door._tasks) == 3
        for _, writer in ends:
            writer.close()


async def test_who_serves_without_a_greeting_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program, or a shard that hangs: TLS is made, and then nothing comes."""
    monkeypatch.setattr("actors.links.address.CONNECT_S", 0.3)
    here = credentials(tmp_path)
    kept = []
    server = await asyncio.start_server(
        lambda *ends: kept.append(ends), "127.0.0.1", 0, ssl=here.server_context()
    )
    address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(TimeoutError, match="no greeting within"):
        await LinkClient.connect(address, here)
    server.close()


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\2ab", b"\xff" * 9])
async def test_what_is_no_greeting_is_no_link(tmp_path: Path, said: bytes) -> None:
    here = credentials(tmp_path)
    server = await asyncio.start_server(
        lambda _, writer: writer.write(said), "127.0.0.1", 0, ssl=here.server_context()
    )
    address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    assert "no greeting" in await refused(address, here)
    server.close()


async def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    there = ended_credentials(tmp_path, "node")
    async with open_door(there) as (_, address):
        here = credentials(tmp_path)
        assert "it has ended" in await refused(address, here)
        credentials(tmp_path, "node")
        assert await ask(address, here) == "node"


async def test_amid_a_renewal_links_go_on_with_the_keys_as_they_were(tmp_path: Path) -> None:
    there = credentials(tmp_path, "node")
    async with open_door(there) as (_, address):
        key = there.folder / "key.pem"
        key.write_bytes((credentials(tmp_path).folder / "key.pem").read_bytes())
        with structlog.testing.capture_logs() as logs:
            assert await ask(address, credentials(tmp_path)) == "node"
        assert "belong together" in logs[0]["error"]


ASKS: dict[str, Request] = {
    "accept": Accept(0, [LinkEvent(partition_of("c"), "c", "e", "hi", 1, b"{}")]),
    "pull": Pull(0, "email", 1, 1),
    "settle": Settle(0, []),
    "publish": PublishNow(0, source_of(journey())),
    "run_out": RunOut(0, 1),
    "status": AskStatus(0),
    "sightings": AskSightings(0),
}
MAY_ASK = {
    "gateway": {"accept", "status"},
    "courier": {"pull", "settle", "status"},
    "operator": {"publish", "run_out", "status", "sightings"},
}


@pytest.mark.parametrize("role", MAY_ASK)
async def test_each_role_asks_only_for_what_is_its_own(tmp_path: Path, role: str) -> None:
    service = ShardService(Shard(0, 1, EventClock()), open_log(tmp_path / "log"))
    await service.start(str(tmp_path / "s.sock"), LOOPBACK, credentials=credentials(tmp_path))
    (here, by_tcp) = service.door.addresses
    assert here == str(tmp_path / "s.sock")
    client = await LinkClient.connect(by_tcp, credentials(tmp_path, "node", role))
    taken = set()
    for name, request in ASKS.items():
        try:
            await client.ask(request)
            taken.add(name)
        except RefusedError as error:
            assert f"is of {role}, and this is for" in str(error)  # noqa: PT017
    assert taken == MAY_ASK[role]
    client.close()
    await service.stop()


async def test_tcp_is_never_without_tls(tmp_path: Path) -> None:
    door = Door(lambda *_: None, lambda _: None)
    with pytest.raises(OperatorError, match="--keys"):
        await door.open(LOOPBACK)
    with pytest.raises(OperatorError, match="--keys"):
        await LinkClient.connect("tcp://127.0.0.1:1")


async def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    async with open_door(credentials(tmp_path)) as (_, address):
        door = Door(lambda *_: None, lambda _: None)
        with pytest.raises(OSError, match=r"cannot serve links on 127.0.0.1:.*another address"):
            await door.open(address, credentials(tmp_path))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/run/s.sock", Address("/run/s.sock")),
        ("unix:/run/s.sock", Address("/run/s.sock")),
        ("tcp://node-1:7400", Address(host="node-1", port=7400)),
        ("tcp://[fe80::1]:7400", Address(host="fe80::1", port=7400)),
    ],
)
def test_an_address_is_read_as_people_write_it(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["tcp://node-1", "tcp://:7400", "tcp://n:70000", "tcp://n:x"])
def test_what_is_no_address_is_said_so(text: str) -> None:
    with pytest.raises(OperatorError, match="write tcp://HOST:PORT"):
        Address.parse(text)


async def test_what_is_pushed_before_anything_is_asked_does_no_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Moves are told to all links, also to one that is just being made."""
    ends = socket.socketpair()
    wired: list[Link] = []

    async def connect_slowly(address: str, make: Callable[[], Link], credentials: None) -> Link:
        theirs = make()
        _, mine = await asyncio.get_running_loop().create_connection(
            lambda: Link(lambda *_: None, lambda _: None), sock=ends[0]
        )
        mine.send(Moves(0, []))
        await asyncio.get_running_loop().create_connection(lambda: theirs, sock=ends[1])
        wired.append(mine)
        await asyncio.sleep(0.05)
        return theirs

    monkeypatch.setattr(link_module, "connect", connect_slowly)
    client = await LinkClient.connect("anywhere")
    assert client.open
    client.close()
    wired[0].close()
