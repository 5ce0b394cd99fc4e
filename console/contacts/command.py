"""The commands `anlass contact`: erase, export, and show (see console.contacts.show)."""

import tempfile
from collections.abc import Awaitable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from msgspec import Struct

from actors.clock import CLOCKS
from actors.errors import OperatorError
from actors.kept.kept import StorePlace
from actors.links.credentials import Credentials
from actors.links.link import EraseContact, Erased, LinkClient, LinkError
from actors.map import shard_of
from actors.processes import RUNTIME_PREFIX, Processes
from actors.running import running_system
from actors.shards.service import ShardService
from actors.shards.shard import Shard
from actors.slot import open_slot
from actors.slot_files import SlotFiles
from actors.store.key import store_key
from actors.store.manifest import Store, read_store, shard_folder
from console.contacts.cluster import erase_in_cluster
from console.contacts.held import held_of
from console.contacts.show import show
from console.journeys.audit import ERASE, noted
from console.options import (
    ArchiveUrl,
    AsJson,
    Data,
    KeyFile,
    Keys,
    Redis,
    RedisCa,
    RedisPrefix,
    print_json,
    store_place,
)
from console.remote.client import Control, ControlClient, ControlKeyOption, part, told_there
from console.screen import console
from engine.calendar.span import SPAN_FORM, span_ms, span_text
from engine.contacts.erasure import digest_of
from engine.contacts.identity import partition_of
from engine.limits import KEEP_OUT_MS, KEEP_OUT_MS_MAX

contact_app = typer.Typer(
    help="Show or forget what is kept of one contact.", no_args_is_help=True, rich_markup_mode=None
)

contact_app.command()(show)

ContactKey = Annotated[
    str,
    typer.Argument(metavar="ID", help="Its id, or `anonymous/` and its anonymous id."),
]


class ErasureReport(Struct, kw_only=True):
    """What an erasure came to."""

    contact: str
    files: int
    """Of the log, its archive and the snapshots that were rewritten."""
    records: int
    """Of them that told of the contact, and do no more."""
    keep_out: str


@contact_app.command()
def erase(  # noqa: PLR0913, PLR0917 - the options of a command
    contact: ContactKey,
    data: Data = Path("data"),
    keep_out: Annotated[
        str, typer.Option(help="How long events that come late are kept out; 0s: not at all.")
    ] = span_text(KEEP_OUT_MS),
    key_file: KeyFile = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    keys: Keys = None,
    control: Control = "",
    control_key: ControlKeyOption = "",
    json: AsJson = False,  # noqa: FBT002
) -> None:
    """Forget a contact, and take it out of log, archive and snapshots; the system may run."""
    keep_out_ms = span_ms(keep_out)
    if keep_out_ms is None or keep_out_ms > KEEP_OUT_MS_MAX:
        most = span_text(KEEP_OUT_MS_MAX)
        raise OperatorError(f"--keep-out {keep_out!r}: write {SPAN_FORM}, {most} at most")
    if control:
        client, path = ControlClient(control, control_key), f"/v1/contacts/{part(contact)}"
        report = client.ask("DELETE", path, ErasureReport, keep_out=keep_out)
    else:
        place = store_place(data, redis, redis_prefix, redis_ca, "", keys)
        with _noted(place, contact):
            report = uvloop.run(erase_contact(place, contact, keep_out_ms, key_file))
    if json:
        print_json(report)
    else:
        console.print(
            f"{contact} is erased: {report.records:,} records taken out, {report.files:,} files"
            f" rewritten; its late events are kept out for {report.keep_out}.",
            markup=False,
            soft_wrap=True,
        )


@contact_app.command()
def export(  # noqa: PLR0913, PLR0917 - the options of a command
    contact: ContactKey,
    data: Data = Path("data"),
    key_file: KeyFile = None,
    redis: Redis = "",
    redis_prefix: RedisPrefix = "anlass",
    redis_ca: RedisCa = None,
    archive: ArchiveUrl = "",
    control: Control = "",
    control_key: ControlKeyOption = "",
) -> None:
    """Print all that is kept of a contact, as JSON; the system may run."""
    if control:
        client = ControlClient(control, control_key)
        told_there(client, f"/v1/contacts/{part(contact)}/export", json=True)
        return
    place = store_place(data, redis, redis_prefix, redis_ca, archive)
    print_json(held_of(place, contact, key_file))


def _noted(place: StorePlace, contact: str) -> AbstractContextManager[None]:
    """Note an erasure, where there is an audit log: of a cluster's, in the folder of a member."""
    if isinstance(place, Path):
        read_store(place)  # It says so where this is none.
    elif running_system(place.data) is None:
        return nullcontext()
    folder = place if isinstance(place, Path) else place.data
    return noted(folder, ERASE, digest_of(contact), contact)


async def erase_contact(
    data: StorePlace, contact: str, keep_out_ms: int, key_file: Path | None = None
) -> ErasureReport:
    """Erase a contact: by the shard that runs, else by opening its slot meanwhile.

    Raises OperatorError, also where the files could not all be rewritten: what to do is said.
    """
    request = EraseContact(0, contact, keep_out_ms)
    if not isinstance(data, Path):
        return await _reported(erase_in_cluster(data.redis, data.keys, request), request)
    store = read_store(data)
    slot = shard_of(partition_of(contact), store.shards)
    running = running_system(data)
    if running is not None:
        here = Credentials.open(running.keys, "operator")
        return await _reported(_ask(running.sockets[slot], request, here), request)
    return await _reported(_open_and_ask(data, store, slot, key_file, request), request)


async def _reported(erasing: Awaitable[Erased], request: EraseContact) -> ErasureReport:
    try:
        erased = await erasing
    except (LinkError, OSError) as error:
        raise OperatorError(f"{request.contact}: {error}") from None
    return ErasureReport(
        contact=request.contact,
        files=erased.files,
        records=erased.records,
        keep_out=span_text(request.keep_out_ms),
    )


async def _ask(socket: str, request: EraseContact, here: Credentials | None) -> Erased:
    client = await LinkClient.connect(socket, here)
    try:
        reply = await client.ask(request)
    finally:
        client.close()
    assert isinstance(reply, Erased)
    return reply


async def _open_and_ask(
    data: Path, store: Store, slot: int, key_file: Path | None, request: EraseContact
) -> Erased:
    """Be the shard's owner for a moment: it recovers, erases, and is closed in good order."""
    processes = Processes(data)
    processes.hold()
    try:
        processes.end_leftovers()
        key, folder = store_key(data, key_file), shard_folder(data, slot)
        shard = Shard(slot, store.shards, CLOCKS[store.clock]())
        log, snapshots = open_slot(folder, key, KEEP_ALL_MS, shard.now_ms)
        files = SlotFiles(folder, log=log, snapshots=snapshots, key=key)
        service = ShardService(shard, log, snapshots=snapshots, files=files)
        with tempfile.TemporaryDirectory(prefix=RUNTIME_PREFIX) as runtime:
            socket = str(Path(runtime) / "shard.sock")
            await service.start(socket)
            try:
                return await _ask(socket, request, None)
            finally:
                await service.stop()
    finally:
        processes.release()


KEEP_ALL_MS = 1 << 60
"""Nothing of the archive goes by age here: how long it is kept is said to `anlass run`."""
