"""The server of a store: what it must be set to, TLS, users, and errors that say what to do."""

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec.structs import replace
from redis.exceptions import ReadOnlyError, ResponseError

from actors.errors import OperatorError
from actors.settings import REDIS_PASSWORD_VARIABLE, RedisSettings
from actors.store.port import StoreLostError
from actors.store.redis_log import StreamArchive, open_redis_log
from actors.store.redis_map import RedisMap
from actors.store.redis_server import RedisServer, redacted
from actors.store.redis_settings import BOUNDLESS, OPEN, RELAXED, check_redis_settings
from actors.store.redis_snapshots import RedisSnapshots
from actors.store.redis_store import open_redis_store
from tests.actors.store.contract import append, positions
from tests.actors.store.frames import KEY
from tests.actors.store.proxy import proxying
from tests.actors.store.redis_server import Server, free_port, new_settings, serving
from tests.actors.store.test_snapshots import rows_of, write

GIVEN = "+@read +@write +@connection +@transaction +@scripting -@dangerous +info +wait +config|get"
"""What docs/operations.md tells to give to a store's user."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(port=free_port()) as running:
        yield running


@pytest.fixture
def settings(server: Server) -> RedisSettings:
    return new_settings(server)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon."""
    monkeypatch.setattr(RedisServer.again, "__defaults__", (0.1,))


def notes_of(settings: RedisSettings) -> list[str]:
    server = RedisServer(settings)
    try:
        return check_redis_settings(server)
    finally:
        server.close()


def use_all(settings: RedisSettings) -> None:
    """Do all that a store does."""
    server = RedisServer(settings)
    open_redis_store(server, 1, "wall", encrypted=None, key=KEY)
    the_map = RedisMap(server)
    the_map.change(0, {5: 0})
    log = open_redis_log(RedisServer(settings), 0, KEY, archive=StreamArchive(lambda *_: None))
    append(log, 1, 1)
    snapshots = RedisSnapshots(server, KEY, log.owner)
    heads = [write(snapshots, 5, position, rows_of(2)) for position in (1, 2, 3)]
    assert snapshots.heads(5) == heads[:0:-1]
    assert list(snapshots.rows(heads[2])) == [rows_of(2)]
    assert snapshots.size_bytes > 0
    log.check()
    log.release(1)
    assert positions(log, 1) == [1]
    assert the_map.give(5, 0, log.epoch, 1) == 2
    assert the_map.read().owners[5] == 1
    log.close()
    server.close()


def test_a_server_set_as_it_should_be_is_taken(settings: RedisSettings) -> None:
    assert notes_of(settings) == [BOUNDLESS, OPEN]
    assert notes_of(replace(settings, mode="relaxed")) == [RELAXED, BOUNDLESS, OPEN]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy allkeys-lru;.*maxmemory-policy noev"),
        ("appendonly", "no", "appendonly no;.*: set appendonly yes"),
        ("appendfsync", "everysec", "appendfsync everysec,.*always, or take --redis-mode relaxed"),
        ("appendfsync", "no", "appendfsync no;.*set appendfsync always"),
        ("no-appendfsync-on-rewrite", "yes", "no-appendfsync-on-rewrite yes;.*rewrite no"),
    ],
)
def test_a_setting_that_could_lose_what_was_acknowledged_is_refused(
    server: Server, settings: RedisSettings, name: str, value: str, text: str
) -> None:
    before = server.client.config_get(name)
    server.client.config_set(name, value)
    try:
        with pytest.raises(OperatorError, match=text):
            notes_of(settings)
    finally:
        server.client.config_set(name, next(iter(before.values())))


def test_relaxed_takes_a_sync_each_second_and_says_what_that_costs(
    server: Server, settings: RedisSettings
) -> None:
    relaxed = replace(settings, mode="relaxed")
    try:
        server.client.config_set("appendfsync", "everysec")
        assert RELAXED in notes_of(relaxed)
        server.client.config_set("appendfsync", "no")
        with pytest.raises(OperatorError, match="appendfsync no"):
            notes_of(relaxed)
    finally:
        server.client.config_set("appendfsync", "always")


def test_a_replica_is_refused_and_its_primary_named(server: Server) -> None:
    with serving(port=free_port()) as replica:
        replica.follow(server)
        with pytest.raises(OperatorError, match=f"name its primary 127.0.0.1:{server.port}"):
            notes_of(new_settings(replica))


def test_fewer_replicas_than_are_waited_for_are_refused(settings: RedisSettings) -> None:
    with pytest.raises(OperatorError, match=r"has \d replicas, and --redis-replicas 5"):
        notes_of(replace(settings, replicas=5))


def test_a_node_of_a_redis_cluster_is_refused() -> None:
    with (
        serving("--cluster-enabled", "yes") as node,
        pytest.raises(OperatorError, match="node of a Redis Cluster"),
    ):
        notes_of(new_settings(node))


def test_a_server_that_is_too_old_is_refused(
    settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RedisServer.info
    monkeypatch.setattr(
        RedisServer, "info", lambda *each: whole(*each) | {"redis_version": "6.0.16"}
    )
    with pytest.raises(OperatorError, match=r"is Redis 6\.0\.16; use 6\.2 or later"):
        notes_of(settings)


def test_a_server_that_is_not_there_is_named(quick: None) -> None:
    settings = RedisSettings(url=f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(OperatorError, match=r"cannot be reached .*; look whether it runs"):
        notes_of(settings)


def test_a_user_with_the_rights_that_are_documented_can_do_all_of_it(
    server: Server, settings: RedisSettings
) -> None:
    keys = "~{" + settings.prefix + "}*"
    server.client.execute_command("ACL", "SETUSER", "anlass", "on", ">secret", keys, *GIVEN.split())
    named = replace(settings, url=f"redis://anlass:secret@127.0.0.1:{server.port}")
    assert notes_of(named) == [BOUNDLESS, OPEN]
    use_all(named)


def test_a_user_that_may_not_ask_for_settings_is_told_what_to_look_at(
    server: Server, settings: RedisSettings
) -> None:
    server.client.execute_command(
        "ACL", "SETUSER", "few", "on", ">secret", "~*", *GIVEN.split(), "-config"
    )
    url = f"redis://few:secret@127.0.0.1:{server.port}"
    strict, *_ = notes_of(replace(settings, url=url))
    assert "see for yourself that appendfsync is always, no-appendfsync-on-rewrite no" in strict


def test_a_user_that_may_not_ask_for_anything_about_the_server_can_still_write(
    server: Server, settings: RedisSettings
) -> None:
    server.client.execute_command(
        "ACL", "SETUSER", "blind", "on", ">secret", "~*", *GIVEN.split(), "-info"
    )
    log = open_redis_log(
        RedisServer(replace(settings, url=f"redis://blind:secret@127.0.0.1:{server.port}")), 0
    )
    append(log, 1)
    log._server.drop()
    append(log, 1, position=1)
    assert positions(log) == [0, 1]
    log.close()


@pytest.mark.parametrize("user", ["anlass:wrong", "nobody:secret"])
def test_a_wrong_password_is_an_operators_error_and_is_not_shown(
    server: Server, settings: RedisSettings, user: str
) -> None:
    name, password = user.split(":")
    url = f"redis://{user}@127.0.0.1:{server.port}"
    with pytest.raises(OperatorError, match="user and password") as caught:
        notes_of(replace(settings, url=url))
    assert password not in str(caught.value)
    assert redacted(url) == f"redis://{name}:***@127.0.0.1:{server.port}"


def test_the_password_may_be_in_the_environment(
    server: Server, settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.client.execute_command("ACL", "SETUSER", "quiet", "on", ">secret", "~*", "+@all")
    monkeypatch.setenv(REDIS_PASSWORD_VARIABLE, "secret")
    assert notes_of(replace(settings, url=f"redis://quiet@127.0.0.1:{server.port}"))
    with pytest.raises(OperatorError, match="leave one out"):
        notes_of(replace(settings, url=f"redis://quiet:other@127.0.0.1:{server.port}"))


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1", "is no URL of a Redis server"),
        ("127.0.0.1:6379", "is no URL of a Redis server"),
    ],
)
def test_a_url_that_is_none_is_named(url: str, text: str) -> None:
    with pytest.raises(OperatorError, match=text):
        RedisServer(RedisSettings(url=url))


def test_a_ca_file_without_tls_is_a_mistake() -> None:
    with pytest.raises(OperatorError, match="without TLS, and uses no CA file; write rediss"):
        RedisServer(RedisSettings(url="redis://127.0.0.1", ca_file="ca.pem"))


class Authority:
    """Signs certificates of servers on loopback."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._sign(self._name, self._key.public_key(), None))

    def _sign(self, name: x509.Name, key, address: str | None) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(
                x509.BasicConstraints(ca=address is None, path_length=None), critical=True
            )
        )
        if address is not None:
            names = [x509.IPAddress(ipaddress.ip_address(address))]
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def server(self, address: str) -> ssl.SSLContext:
        """Return what a server at this address shows."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        path = self._folder / f"server-{address}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + self._sign(name, key.public_key(), address)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def test_all_of_it_goes_over_tls_with_a_certificate_that_is_checked(
    server: Server, settings: RedisSettings, tmp_path: Path, quick: None
) -> None:
    """The server in the tests has no TLS of its own: what stands before it ends the TLS."""
    authority = Authority(tmp_path, "ours")
    with proxying(server.port, authority.server("127.0.0.1")) as way:
        assert way.url.startswith("rediss:")
        over_tls = replace(settings, url=way.url, ca_file=str(authority.file))
        assert notes_of(over_tls) == [BOUNDLESS]
        use_all(over_tls)
        other = Authority(tmp_path, "other")
        with pytest.raises(OperatorError, match=r"cannot be reached .*CERTIFICATE_VERIFY_FAILED"):
            notes_of(replace(over_tls, ca_file=str(other.file)))
    with proxying(server.port, authority.server("127.0.0.2")) as way:
        elsewhere = replace(settings, url=way.url, ca_file=str(authority.file))
        with pytest.raises(OperatorError, match="IP address mismatch"):
            notes_of(elsewhere)


def test_a_server_that_loads_its_data_or_follows_another_is_waited_for(
    settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (ReadOnlyError("You can't write"), ResponseError("LOADING data")):
        server = RedisServer(settings)
        server.run("PING")
        left = [error, error]

        def fails(left=left) -> str:
            if left:
                raise left.pop()
            return "done"

        assert server.again(fails) == "done"
        assert server._connection is None, "another connection may lead to another server"
    server = RedisServer(settings)
    with pytest.raises(StoreLostError, match="MISCONF"):
        server.again(lambda: (_ for _ in ()).throw(ResponseError("MISCONF no disk")))


def test_who_was_told_of_another_server_and_failed_is_told_again(server: Server) -> None:
    client = RedisServer(new_settings(server))
    told: list[int] = []

    def fails_first() -> None:
        told.append(1)
        if len(told) == 1:
            raise ZeroDivisionError

    client.met_another = fails_first
    client.run("PING")
    client.drop()
    client.run("PING")
    assert told == [], "it is the same server"
    server.kill()
    server.start()
    with pytest.raises(ZeroDivisionError):
        client.run("PING")
    client.run("PING")
    client.run("PING")
    assert len(told) == 2
    client.close()
