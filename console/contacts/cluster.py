"""A contact of a cluster: whoever has its partition is asked, wherever that is just now."""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Final

from actors.control.charter import Charter
from actors.control.host import host_name
from actors.errors import OperatorError
from actors.links.credentials import Credentials
from actors.links.link import EraseContact, Erased, LinkClient, LinkError, RefusedError
from actors.map import Site
from actors.settings import RedisSettings
from actors.shards.eraser import NOT_HERE
from engine.contacts.identity import partition_of

PATIENCE_S: Final = 20.0
"""For so long a partition may be on its way, or its slot be taken over."""

LOOK_S: Final = 0.25


async def erase_in_cluster(
    redis: RedisSettings, keys: Path | None, request: EraseContact
) -> Erased:
    """Have a contact erased. Raises OperatorError, LinkError, OSError; it may be asked again."""
    charter = Charter(redis)
    credentials = Credentials.open(str(keys) if keys else "", "operator")
    partition = partition_of(request.contact)
    end_s = time.monotonic() + PATIENCE_S
    while True:
        _, told = await asyncio.to_thread(charter.read)
        site = told.sites.get(told.owners[partition])
        try:
            if site is not None:
                return await _ask(site, credentials, request)
            why = f"nobody serves slot {told.owners[partition]} just now"
        except RefusedError as error:
            why = str(error)
            if why != NOT_HERE:
                raise
        except (LinkError, OSError) as error:
            why = str(error)
        if time.monotonic() > end_s:
            raise OperatorError(f"{why}; `anlass status --redis` says how it is; then try again")
        await asyncio.sleep(LOOK_S)


async def _ask(site: Site, credentials: Credentials | None, request: EraseContact) -> Erased:
    client = await LinkClient.connect(site.address(host_name()), credentials)
    with contextlib.closing(client):
        reply = await client.ask(request)
    assert isinstance(reply, Erased)
    return reply
