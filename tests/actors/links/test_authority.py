"""Certificates are made, renewed and changed while links go on."""

import asyncio
import shutil
import stat
from pathlib import Path

import pytest

from actors.clock import WallClock
from actors.errors import OperatorError
from actors.links.authority import Authority
from actors.links.certificate import ROLES, lines_of, notices_of
from actors.links.credentials import Credentials
from actors.links.door import Door
from actors.links.link import LinkClient
from engine.limits import DAY_MS
from tests.actors.links.credentials import authority, credentials


class Hosts:
    """Two hosts, each with the folder that was copied there last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.copies = [folder.parent / "host-a", folder.parent / "host-b"]

    def copy(self, host: int) -> None:
        shutil.copytree(self.folder / f"node-{host}", self.copies[host], dirs_exist_ok=True)

    async def meet(self) -> None:
        """Connect each to the other."""
        for here, there in (self.copies, self.copies[::-1]):
            door = Door(lambda *_: None, lambda _: None)
            address = await door.open("tcp://127.0.0.1:0", Credentials(here))
            client = await LinkClient.connect(address, Credentials(there))
            client.close()
            door.close()
            await asyncio.sleep(0)


async def test_a_new_authority_comes_in_without_a_moment_in_which_hosts_do_not_meet(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "ca"
    before = authority(folder)
    for name in ("node-0", "node-1"):
        before.issue(name, ROLES, (), 100)
    hosts = Hosts(folder)
    hosts.copy(0)
    hosts.copy(1)

    async def bring() -> None:
        for host in (0, 1):
            hosts.copy(host)
            await hosts.meet()

    await hosts.meet()
    authority(folder).change()
    await bring()
    with pytest.raises(OperatorError, match="still of the authority before"):
        authority(folder).forget()
    with pytest.raises(OperatorError, match="--forget-authority"):
        authority(folder).change()
    for name in ("node-0", "node-1"):
        authority(folder).renew(folder / name, 100)
    await bring()
    authority(folder).forget()
    await bring()
    assert len(authority(folder).bundle) == 1
    assert authority(folder).certificate != before.certificate


def test_a_certificate_is_renewed_for_what_it_was_and_with_another_key(tmp_path: Path) -> None:
    folder = authority(tmp_path, days_ago=10).issue("n", ["gateway"], ("n", "10.0.0.1"), 11)
    before, key = lines_of(folder)[1], (folder / "key.pem").read_bytes()
    authority(tmp_path).renew(folder, 100)
    after = lines_of(folder)[1]
    assert (
        (after.roles, after.hosts)
        == (before.roles, before.hosts)
        == (
            ["gateway"],
            ["n", "10.0.0.1"],
        )
    )
    assert after.until_ms - before.until_ms > 98 * DAY_MS
    assert (folder / "key.pem").read_bytes() != key


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = credentials(tmp_path).folder
    for secret in (tmp_path / "ca.key", folder / "key.pem"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert not (folder / "ca.key").exists()
    assert not list(tmp_path.rglob("*.new"))


def test_the_authoritys_key_may_be_kept_elsewhere(tmp_path: Path) -> None:
    now_ms = WallClock().read()
    key = tmp_path / "safe" / "ca.key"
    key.parent.mkdir()
    Authority.make(tmp_path / "ca", key, now_ms)
    with pytest.raises(OperatorError, match="name it with --ca-key"):
        Authority(tmp_path / "ca", None, now_ms)
    Authority(tmp_path / "ca", key, now_ms).issue("n", ROLES, (), 1)
    Authority.make(tmp_path / "other", None, now_ms)
    with pytest.raises(OperatorError, match="of no authority"):
        Authority(tmp_path / "ca", tmp_path / "other" / "ca.key", now_ms)


def test_an_authority_is_not_written_over(tmp_path: Path) -> None:
    authority(tmp_path)
    with pytest.raises(OperatorError, match="is not written over"):
        Authority.make(tmp_path, None, WallClock().read())
    (tmp_path / "ca.pem").unlink()
    with pytest.raises(OperatorError, match="is not written over"):
        Authority.make(tmp_path, None, WallClock().read())


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="ask for less with --days"):
        authority(tmp_path).issue("n", ROLES, (), 10_000)


@pytest.mark.parametrize(
    ("days", "words"), [(31, ""), (30, "ends on"), (1, "ends on"), (-1, "has ended on")]
)
def test_what_ends_soon_is_said_before(tmp_path: Path, days: int, words: str) -> None:
    folder = authority(tmp_path, days_ago=100).issue("n", ROLES, (), 100 + days)
    notices = notices_of(folder, WallClock().read())
    assert [words in notice and "anlass keys renew" in notice for notice in notices] == [
        True
    ] * bool(words)


def test_credentials_of_another_role_are_refused_at_the_start(tmp_path: Path) -> None:
    here = credentials(tmp_path, "n", "gateway")
    assert here.must_be("gateway") is here
    with pytest.raises(OperatorError, match="is of gateway, and this is for shard; make one with"):
        here.must_be("shard")


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
def test_a_folder_without_a_part_says_what_belongs_there(tmp_path: Path, name: str) -> None:
    folder = credentials(tmp_path).folder
    (folder / name).unlink()
    with pytest.raises(OperatorError, match=r"must hold .* that belong together"):
        Credentials(folder)
    (folder / name).write_text("nothing")
    with pytest.raises(OperatorError, match=r"must hold .* that belong together"):
        Credentials(folder)
