"""Run: the whole system in one command: shards and courier by Ray, and the gateway."""

import asyncio
import gc
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from actors.cluster import Cluster
from actors.errors import OperatorError
from actors.folder import Folder, read_folder
from actors.map import even_map
from actors.publisher import Publisher
from actors.settings import SystemSettings, keys_of_environment, secret_of_environment
from actors.store.key import store_key
from actors.store.published import PublishedFiles
from channels.delivery import ChannelSettings
from channels.email import EmailChannel
from channels.webhook import check_webhooks
from engine.errors import AuthorError
from engine.succession import source_of
from ingest.gateway import Gateway
from ingest.settings import GatewaySettings

VARIABLE_SIGN: Final = "$"
GC_THRESHOLDS: Final = (100_000, 50, 50)
"""Of the gateway's process: what lives longer than a request is there from the start, frozen."""


class System:
    """A running system: made with `start`, ended with `stop`."""

    def __init__(self, settings: SystemSettings, shards: int | None, host: str, port: int) -> None:
        folder = checked_folder(settings.journeys)
        keys = [*folder.operator.get("keys", []), *keys_of_environment()]
        self._gateway_settings = gateway_settings(
            folder.operator.get("gateway", {}), host, port, keys
        )
        self._channels = channel_settings(folder.operator.get("channels", {}))
        self._folder = folder
        self.cluster = Cluster(settings, shards)
        self._publications = PublishedFiles(
            settings.data, store_key(settings.data, settings.key_file)
        )
        self._gateway: Gateway | None = None
        self.published = False

    def start_ray(self) -> None:
        """Start Ray: seconds, and not on an event loop."""
        self.cluster.start_ray()

    async def start(self) -> None:
        """Take the address, recover the shards, publish what the folder says, then listen.

        A start that is refused has published nothing.
        """
        self._gateway = Gateway(self._gateway_settings, even_map(self.cluster.sockets))
        try:
            await self._gateway.bind()
            await self.cluster.start_actors(msgspec.json.encode(self._channels))
            await self._publish()
            await self._gateway.start()
        except OSError as error:
            raise OperatorError(str(error)) from None
        self.cluster.announce(self.url)

    async def _publish(self) -> None:
        """Put the folder in force where something else is, and note that; versions go on."""
        publisher = Publisher(self.cluster.sockets, self._publications)
        before = await publisher.in_force()
        source = await publisher.succession_of(self._folder.publication)
        if source_of(before) != source:
            publisher.note_start(before, source)
        self.published = await self.cluster.publish(source)

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        assert self._gateway is not None
        return f"http://{self._gateway_settings.host}:{self._gateway.port}"

    async def stop(self) -> None:
        """Answer what is in flight, then end everything."""
        if self._gateway is not None:
            await self._gateway.stop()
        await self.cluster.stop()


def checked_folder(path: Path) -> Folder:
    """Read a folder of journeys. Raises AuthorError with every mistake in it."""
    folder = read_folder(path)
    if folder.mistakes:
        raise AuthorError(folder.mistakes)
    return folder


def gateway_settings(
    said: dict[str, Any], host: str, port: int, keys: list[str]
) -> GatewaySettings:
    """Return the gateway's settings: what `anlass.yaml` says, the rest at its default."""
    options = {"host": host, "port": port, "keys": keys}
    for name in sorted(said.keys() & options.keys()):
        raise OperatorError(
            f"anlass.yaml, gateway: `{name}` does not stand there; "
            "host and port are options of `anlass run`, keys stand beside `gateway`"
        )
    try:
        return msgspec.convert(said | options, GatewaySettings)
    except msgspec.ValidationError as error:
        where = "anlass.yaml, gateway: " if said else ""
        raise OperatorError(f"{where}{error}") from None


def channel_settings(said: dict[str, Any]) -> ChannelSettings:
    """Return the channels' settings; a value `$NAME` is taken from the environment."""
    resolved = {
        channel: {
            name: secret_of_environment(value[1:])
            if isinstance(value, str) and value.startswith(VARIABLE_SIGN)
            else value
            for name, value in settings.items()
        }
        for channel, settings in said.items()
    }
    try:
        settings = msgspec.convert(resolved, ChannelSettings)
    except msgspec.ValidationError as error:
        raise OperatorError(f"anlass.yaml, channels: {error}") from None
    if settings.email is not None:
        EmailChannel(settings.email)  # It says what is wrong with the sender; nothing is sent.
    if settings.webhook is not None:
        check_webhooks(settings.webhook)
    return settings


async def run_system(system: System, ready: Callable[[], None]) -> None:
    """Start, stay until SIGTERM or SIGINT, and end in good order: also amid a start."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    try:
        if not await _started(system, ended):
            return
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        ready()
        await ended.wait()
    finally:
        await system.stop()


async def _started(system: System, ended: asyncio.Event) -> bool:
    """Start; False, with the start given up, if the end is asked for before it is done.

    A start may take long: shards recover, or wait for space on a full disk.
    """
    starting = asyncio.create_task(system.start())
    ending = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting  # It raises what refuses the start.
            return True
        return False
    finally:
        for task in (starting, ending):
            task.cancel()
        await asyncio.gather(starting, ending, return_exceptions=True)
