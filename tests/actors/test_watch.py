"""The watch over the Controller: a slow start is no silence, and a silence is one replacement."""

import asyncio
from collections.abc import Callable

import pytest

from actors.control.charter import Charter, new_roster
from actors.control.watch import Watch
from actors.settings import RedisSettings

SHORT_S, LONG_S = 0.2, 60.0


class Controllers:
    """Each answers so many seconds after it was first asked for; which were is noted in order."""

    def __init__(self, slow_s: dict[str, float]) -> None:
        self.slow_s = slow_s
        self.asked: list[str] = []
        self.heard: list[str] = []
        self.ended: list[str] = []
        self.silent: set[str] = set()

    async def ask(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        if name not in self.asked:
            self.asked.append(name)
            self.slow_s[name] = loop.time() + self.slow_s.get(name, 0)
        await asyncio.sleep(self.slow_s[name] - loop.time())
        if name in self.silent:
            await asyncio.Event().wait()
        self.heard.append(name)


async def watched(
    settings: RedisSettings, controllers: Controllers, watches: int, until: Callable[[], bool]
) -> Charter:
    """Let so many members watch until this holds."""
    charter = Charter(settings)
    charter.change(lambda _: None, new_roster(2))
    ask, end = controllers.ask, controllers.ended.append
    each = [
        asyncio.create_task(Watch(charter, ask, end, silent_s=SHORT_S, begin_s=LONG_S).run())
        for _ in range(watches)
    ]
    try:
        while not until():  # noqa: ASYNC110 - of others' doing
            await asyncio.sleep(0.01)
    finally:
        for task in each:
            task.cancel()
        await asyncio.gather(*each, return_exceptions=True)
    return charter


def test_one_that_takes_long_to_start_is_not_replaced(redis_settings: RedisSettings) -> None:
    slow = Controllers({"controller-0": 10 * SHORT_S})
    asyncio.run(watched(redis_settings, slow, 2, lambda: bool(slow.heard)))
    assert slow.asked == ["controller-0"]
    assert slow.ended == []


def test_one_that_falls_silent_is_replaced_once_by_whoever_notices(
    redis_settings: RedisSettings,
) -> None:
    controllers = Controllers({})

    def heard(name: str) -> bool:
        if controllers.heard.count("controller-0") > 3:
            controllers.silent = {"controller-0"}
        return controllers.heard.count(name) > 6

    charter = asyncio.run(watched(redis_settings, controllers, 3, lambda: heard("controller-1")))
    assert charter.change(lambda _: None).controller == 1
    assert controllers.asked == ["controller-0", "controller-1"]
    assert set(controllers.ended) == {"controller-0"}


def test_one_that_never_begins_is_replaced(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.actors.test_watch.LONG_S", 2 * SHORT_S)
    dead = Controllers({})
    dead.silent = {"controller-0"}
    asyncio.run(watched(redis_settings, dead, 1, lambda: "controller-1" in dead.heard))
    assert dead.asked == ["controller-0", "controller-1"]
