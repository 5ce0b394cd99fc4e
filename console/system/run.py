"""Run: the whole system in one command: shards and courier by Ray, and the gateway."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
import structlog

from actors.cluster import Cluster
from actors.control.member import Member
from actors.errors import OperatorError, PassingError
from actors.folder import checked_folder, operator_of
from actors.links.credentials import Credentials
from actors.map import ClusterMap, even_map
from actors.publications import Publications
from actors.publisher import Publisher
from actors.settings import SystemSettings, keys_of_environment, secret_of_environment
from actors.store.key import store_key
from actors.store.manifest import is_store
from actors.store.published import PublishedFiles
from channels.delivery import ChannelSettings
from channels.email import EmailChannel
from channels.webhook import check_webhooks
from console.control.settings import ControlStart, control_keys, read_address
from console.control.upkeep import ControlProcess
from console.system.start import source_at_start
from engine.fold.succession import source_of
from engine.language.journey import Publication
from ingest.gateway import Gateway
from ingest.gateway_process import GatewayStart, calm_collector
from ingest.gateways import Gateways
from ingest.listening import check_free
from ingest.settings import GatewaySettings

VARIABLE_SIGN: Final = "$"
PUBLISH_S: Final = 60.0
PUBLISH_AGAIN_S: Final = 0.25

log = structlog.get_logger()


class System:
    """A running system: made with `start`, ended with `stop`."""

    def __init__(
        self,
        settings: SystemSettings,
        shards: int | None,
        host: str,
        port: int,
        gateways: int = 1,
        control: str = "",
    ) -> None:
        """`control` is the address of the control API, HOST:PORT; empty: there is none."""
        self._draft: Publication | None = None
        if settings.journeys is None:
            operator = operator_of(settings.settings_file)
        else:
            folder = checked_folder(settings.journeys)
            self._draft, operator = folder.publication, folder.operator
        keys = [*operator.get("keys", []), *keys_of_environment()]
        self._gateway_settings = gateway_settings(operator.get("gateway", {}), host, port, keys)
        self._channels = channel_settings(operator.get("channels", {}))
        self._operator = operator
        self._control_keys = control_keys(operator.get("control", {}))
        address = read_address(control, self._control_keys) if control else None
        self.cluster: Cluster | Member
        self._publications: Publications
        if settings.cluster is None:
            if not is_store(settings.data):
                check_addresses(host, port, address)
            self._keys = str(settings.keys.absolute()) if settings.keys else ""
            self.cluster = Cluster(settings, shards)
            key = store_key(settings.data, settings.key_file)
            self._publications = PublishedFiles(settings.data, key)
        else:
            self._keys = settings.cluster.keys
            member = self.cluster = Member(settings, shards)
            self._publications = member.publications
        self._credentials = Credentials.open(self._keys, "gateway")
        self._gateway_count = gateways
        self._gateway: Gateway | Gateways | None = None
        self._settings = settings
        self._control: ControlProcess | None = None
        if address is not None:
            self._control = ControlProcess(*address, self.cluster.note_process)
        self.published = False

    def start_ray(self) -> None:
        """Start Ray: seconds, and not on an event loop."""
        self.cluster.start_ray()

    async def start(self) -> None:
        """Take the address, recover the shards, publish what the folder says, then listen.

        A start that is refused has published nothing.
        """
        channels = msgspec.json.encode(self._channels)
        if self._control is not None:
            await self._control.bind()
        try:
            if isinstance(self.cluster, Member):  # Only then is it known where slots are served.
                await self.cluster.start_actors(channels)
                self._gateway = self._new_gateway()
                await self._gateway.bind()
            else:
                self._gateway = self._new_gateway()
                await self._gateway.bind()
                await self.cluster.start_actors(channels)
            await self._publish()
            await self._start_gateway()
        except OSError as error:
            raise OperatorError(str(error)) from None
        self.cluster.announce(self.url, self._reports)
        if self._control is not None:
            await self._control.start(self._control_start())

    def _control_start(self) -> ControlStart:
        settings = self._settings
        cluster = settings.cluster
        return ControlStart(
            data=str(settings.data.absolute()),
            lifeline=self.cluster.lifeline,
            listener=-1,
            keys=self._control_keys,
            operator={"keys": [], "channels": self._operator.get("channels", {})},
            key_file=str(settings.key_file.absolute()) if settings.key_file else "",
            redis=cluster.redis if cluster else None,
            archive=cluster.archive if cluster else "",
            certificates=cluster.keys if cluster else "",
        )

    @property
    def control_url(self) -> str:
        """Where the control API listens; empty where there is none."""
        return "" if self._control is None else self._control.url

    @property
    def _reports(self) -> list[str]:
        """The sockets on which several gateways say how they are."""
        count = self._gateway_count if self._gateway_count > 1 else 0
        return [str(self.cluster.runtime / f"gateway-{number}.sock") for number in range(count)]

    async def _start_gateway(self) -> None:
        if not isinstance(self._gateway, Gateways):
            assert self._gateway is not None
            await self._gateway.start()
            return
        start = GatewayStart(
            settings=self._gateway_settings,
            told=self._told,
            host=self._host,
            reports=self._reports,
            number=0,
            lifeline=self.cluster.lifeline,
            keys=self._keys,
            redis=self._settings.cluster.redis if self._settings.cluster else None,
        )
        await self._gateway.start(start)

    async def _publish(self) -> None:
        """Put the folder in force; in a cluster also while slots move, or others start, too."""
        end_s = asyncio.get_running_loop().time() + PUBLISH_S
        while True:
            try:
                await self._publish_now()
            except PassingError as error:
                here = self.cluster
                if not isinstance(here, Member) or asyncio.get_running_loop().time() > end_s:
                    raise
                log.info("a start waits to publish", why=str(error))
                await here.look()
                await asyncio.sleep(PUBLISH_AGAIN_S)
            else:
                return

    async def _publish_now(self) -> None:
        """Put the folder in force where something else is, and note that; versions go on.

        Without a folder, what is in force goes on, also where a publish was cut short.
        """
        cluster = self.cluster
        publisher = Publisher(cluster.sockets, self._publications, cluster.credentials)
        before = await publisher.in_force()
        source = await source_at_start(publisher, before, self._draft, self._settings)
        if source_of(before) != source:
            publisher.note_start(before, source)
        self.published = await self.cluster.publish(source)

    @property
    def _told(self) -> ClusterMap:
        """Where the slots are served."""
        cluster = self.cluster
        return cluster.map if isinstance(cluster, Member) else even_map(cluster.sockets)

    @property
    def _host(self) -> str:
        return self.cluster.host if isinstance(self.cluster, Member) else ""

    def _new_gateway(self) -> Gateway | Gateways:
        settings, cluster = self._gateway_settings, self.cluster
        if self._gateway_count > 1:
            return Gateways(settings, self._gateway_count, cluster.note_process)
        ask_store = cluster.where if isinstance(cluster, Member) else None
        told, host = self._told, self._host
        return Gateway(settings, told, self._credentials, host, ask_store=ask_store)

    async def ended(self) -> None:
        """Return when somebody elsewhere has all of it stopped.

        Raises OperatorError where the Ray that is its own ends, or the node's that it joined.
        """
        cluster = self.cluster
        waits = [cluster.ended()] if isinstance(cluster, Member) else []
        await _first_of(cluster.ray.ended(), *waits)

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        assert self._gateway is not None
        return f"http://{self._gateway_settings.host}:{self._gateway.port}"

    async def stop(self) -> None:
        """Answer what is in flight, then end everything."""
        if self._control is not None:
            await self._control.stop()
        if self._gateway is not None:
            await self._gateway.stop()
        await self.cluster.stop()


def check_addresses(host: str, port: int, control: tuple[str, int] | None) -> None:
    """Refuse a start whose addresses are taken, before a store is made for it: OperatorError."""
    try:
        check_free(host, port)
    except OSError as error:
        raise OperatorError(str(error)) from None
    if control is None:
        return
    try:
        check_free(*control)
    except OSError as error:
        raise OperatorError(f"--control: {error}") from None


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
        calm_collector()
        ready()
        await _first_of(ended.wait(), system.ended())
    finally:
        await system.stop()


async def _first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return when one of these does."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
