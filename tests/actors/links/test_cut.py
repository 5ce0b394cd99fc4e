"""A cut cable sends no RST: the kernel is told to notice all the same, in seconds.

A socket filter that drops all packets, at both ends, is the cut: neither side hears of the other.
"""

import asyncio
import ctypes
import socket
import struct
from pathlib import Path

import pytest

from actors.links.address import KERNEL_OPTIONS
from actors.links.door import Door
from actors.links.link import Drain, Link, LinkClient, LinkError
from tests.actors.links.credentials import credentials

SO_ATTACH_FILTER = 26
DROP_ALL = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # `ret #0`


def cut(link: Link) -> None:
    """Let nothing that is sent to this end arrive any more, not even an ACK."""
    assert link._transport is not None
    program = struct.pack("HxxxxxxP", 1, ctypes.addressof(DROP_ALL))
    link._transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, program
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice within 1 s, not 4."""
    for name in {"TCP_USER_TIMEOUT"} & KERNEL_OPTIONS.keys():
        monkeypatch.setitem(KERNEL_OPTIONS, name, 800)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("asking", ["idle", "asking"])
async def test_both_ends_of_a_cut_link_notice(tmp_path: Path, asking: str) -> None:
    lost = asyncio.Event()
    door = Door(lambda *_: None, lambda _: lost.set())
    here = credentials(tmp_path)
    client = await LinkClient.connect(await door.open("tcp://127.0.0.1:0", here), here)
    (link,) = door.links
    cut(link)
    cut(client._link)
    asked = None if asking == "idle" else client.ask(Drain(0))
    async with asyncio.timeout(20):  # By the kernel's own measure it were two hours.
        await lost.wait()
        if asked is not None:
            with pytest.raises(LinkError):
                await asked
        while client.open:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    door.close()
