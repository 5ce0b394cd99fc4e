"""The control API, and commands that ask, over a cluster: slots in Redis, shards without Ray."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from actors.control.charter import stop_shards
from actors.errors import OperatorError
from actors.kept.kept import RedisPlace
from actors.links.link import AskStatus, LinkClient, Status
from actors.running import forget_running, note_running
from actors.settings import RedisSettings
from actors.store.redis_server import RedisServer
from actors.store.redis_store import open_redis_store
from console.__main__ import app
from console.control.app import app_of
from console.control.system import System
from engine.contacts.erasure import digest_of
from tests.actors.control.crew import Ground, ground
from tests.console.control.served import HERE
from tests.publications import journey

DRAFT = {
    "journeys": {"hello.yaml": journey(entry={"event": "tick"}, nodes=[{"id": "w", "wait": "1h"}])},
    "templates": {},
}
CONTACTS = [f"c-{number}" for number in range(12)]


class Api:
    """The API of a cluster, and its command."""

    def __init__(self, here: Ground, data: Path) -> None:
        self.here = here
        redis, archive = here.settings.redis, here.settings.archive
        self.system = System(data, store=RedisPlace(redis=redis, archive=archive, data=data))
        self.app, self.api = app_of(self.system, [])
        transport = httpx.ASGITransport(self.app)
        self._client = httpx.AsyncClient(transport=transport, base_url=HERE)
        where = ["--redis", redis.url, "--redis-prefix", redis.prefix]
        self._where = [*where, "--data", str(data)]
        self._archive = ["--archive", archive]

    async def asks(self, method: str, path: str, **said: Any) -> Any:
        answer = await self._client.request(method, path, **said)
        assert answer.is_success, answer.text
        return answer.json()

    async def job(self, path: str, **said: Any) -> Any:
        """Begin a job, and return what it came to."""
        job = await self.asks("POST", path, **said)
        while job["state"] == "works":
            await asyncio.sleep(0.05)
            job = await self.asks("GET", f"/v1/jobs/{job['id']}")
        assert job["state"] == "done", job["problem"]
        return job

    async def command(self, *words: str) -> Any:
        """Run a command on the cluster; return what it prints as JSON."""

        def run() -> str:
            asked = [*words, *self._where]
            asked += [] if "erase" in words else self._archive
            asked += [] if "export" in words else ["--json"]
            done = CliRunner().invoke(app, asked, catch_exceptions=False, standalone_mode=False)
            return done.stdout

        return json.loads((await asyncio.to_thread(run)).splitlines()[-1])

    async def published(self) -> set[bytes]:
        """Return what is in force in any slot."""
        found = set()
        for site in self.here.map.sites.values():
            client = await LinkClient.connect(site.address("here"))
            reply = await client.ask(AskStatus(0))
            client.close()
            assert isinstance(reply, Status)
            found.add(reply.status["published"])
        return found


@asynccontextmanager
async def cluster_api(redis: RedisSettings, data: Path) -> AsyncIterator[Api]:
    """Have a cluster of two shards, to which twelve contacts have said something, and its API."""
    server = RedisServer(redis)
    open_redis_store(server, 2, "wall", encrypted=False, key=None)
    server.close()
    async with ground(redis, 2) as here:
        for number, contact in enumerate(CONTACTS):
            await here.send(contact, f"e-{number}")
        note_running(data, "http://127.0.0.1:8080", [], "")
        found = Api(here, data)
        try:
            yield found
        finally:
            await asyncio.to_thread(found.api.close)
            forget_running(data)


async def test_a_cluster_is_asked_and_changed_through_its_api(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    async with cluster_api(redis_settings, tmp_path) as api:
        status = await api.asks("GET", "/v1/status")
        assert status["total"]["contacts"] == len(CONTACTS)
        assert [line["partitions"] for line in status["shards"]] == [128, 128]
        assert [each["journey"] for each in status["journeys"]] == ["hello"]
        assert (status["clock"], status["running"]) == ("wall", True)

        story = await api.asks("GET", "/v1/contacts/c-3/explain")
        assert [each["input"]["what"] for each in story["entries"] if "input" in each] == [
            *("publish", "event")
        ]
        assert (await api.asks("GET", "/v1/contacts/c-3"))["state"]["key"] == "c-3"
        numbers = await api.asks("GET", "/v1/numbers")
        assert numbers["journeys"][0]["total"]["counts"]["entered"] == len(CONTACTS)
        assert numbers["faults"] == []
        (seen,) = (await api.asks("GET", "/v1/events"))["events"]
        assert (seen["name"], seen["count"]) == ("tick", len(CONTACTS))

        said = await api.asks("POST", "/v1/journeys/hello/pause", json={})
        assert said["published"]["what"] == "pause"
        (source,) = await api.published()
        assert b"paused" in source
        assert api.here.roster.serial > 0, "a partition that moves must not meet it twice"
        assert (await api.asks("GET", "/v1/journeys"))["journeys"][0]["state"] == "paused"
        api.here.scale(3)
        await api.here.until(lambda: api.here.settled(3), "three")
        assert await api.published() == {source}
        await api.asks("POST", "/v1/journeys/hello/resume", json={})
        assert len(await api.published()) == 1

        erased = await api.asks("DELETE", "/v1/contacts/c-3")
        assert erased["records"] == 1
        kept = await api.asks("GET", "/v1/contacts/c-3/export")
        assert (kept["inputs"], kept["state"]) == ([], None)
        assert kept["kept_out_until_ms"] > 0
        assert await api.asks("GET", "/v1/failed") == {"failed": [], "left_off": 0}
        assert [each["what"] for each in await api.asks("GET", "/v1/history")] == [
            *("pause", "resume")
        ]
        assert (await api.job("/v1/verifications"))["summary"]["equal"]
        compared = await api.job("/v1/replays", json={"draft": DRAFT})
        assert compared["summary"]["events"] == len(CONTACTS) - 1, "of whom is erased, none"
        read = await api.job("/v1/outcomes", json={})
        assert read["summary"]["contacts"] == len(CONTACTS) - 1
        audit = await api.asks("GET", "/v1/audit")
        assert [each["what"] for each in audit] == [
            *("outcomes", "replay", "verify", "export", "erase", "resume", "pause")
        ]


async def test_commands_ask_a_cluster_and_when_it_has_ended_its_store(
    redis_settings: RedisSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cluster_api(redis_settings, tmp_path) as api:
        assert (await api.command("numbers"))["running"]
        (seen,) = await api.command("events")
        assert seen["count"] == len(CONTACTS)
        erased = await api.command("contact", "erase", "c-5")
        assert (erased["contact"], erased["records"]) == ("c-5", 1)
        (noted,) = await api.asks("GET", "/v1/audit")
        assert (noted["what"], noted["about"], noted["outcome"], noted["command"]) == (
            *("erase", digest_of("c-5"), "done"),
            True,
        )
        assert (await api.command("contact", "export", "c-5"))["inputs"] == []
        assert (await api.command("contact", "export", "c-6"))["inputs"][0]["event"] == "tick"
        await asyncio.to_thread(stop_shards, api.here.charter)
        await api.here.until(lambda: not api.here.roster.posts, "all ended")
        numbers = await api.command("numbers", "hello")
        assert not numbers["running"]
        assert numbers["journeys"][0]["total"]["counts"]["entered"] == len(CONTACTS)
        assert (await api.command("events"))[0]["count"] == len(CONTACTS)
        monkeypatch.setattr("console.contacts.cluster.PATIENCE_S", 0.3)
        with pytest.raises(OperatorError, match=r"nobody serves slot .* just now"):
            await api.command("contact", "erase", "c-6")
