"""A slow wire between two network devices, made of a process: many kernels have no netem.

`python wire.py DEVICE DEVICE` passes each frame that comes in at one device out at the other, as
late as the last line on its standard input says: `<seconds> <seconds>`, the second at most more, by
chance, each way. Order is kept. It says `ready` once, and ends with its standard input.

Frames come with what the sending kernel left to its device, checksums and the cutting of large
segments (virtio_net_hdr, see packet(7)), and go with it: nothing is to be turned off there.
"""

import os
import random
import selectors
import socket
import sys
import time
from collections import deque

SOL_PACKET = 263
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
ETH_P_ALL = 3
"""Of <linux/if_packet.h> and <linux/if_ether.h>."""

FRAME_BYTES_MAX = 1 << 17
"""A large segment that is not cut yet, with its headers."""
BUFFER_BYTES = 4 << 20
QUEUE_BYTES_MAX = 32 << 20
"""On its way in one direction; what comes beyond is lost, as in any router."""


class Direction:
    """One way: from one socket to another."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source = source
        self._target = target
        self._queue: deque[tuple[float, bytes]] = deque()
        self._bytes = 0

    @property
    def due_s(self) -> float:
        """When the next frame is to go out."""
        return self._queue[0][0] if self._queue else float("inf")

    def take(self, late_s: float) -> None:
        """Take what has come in along, to go out so much later, and behind all before it."""
        while True:
            try:
                frame = self.source.recv(FRAME_BYTES_MAX)
            except BlockingIOError:
                return
            if self._bytes + len(frame) > QUEUE_BYTES_MAX:
                continue
            self._queue.append((time.monotonic() + late_s, frame))
            self._bytes += len(frame)

    def pass_on(self) -> None:
        """Let out what is due."""
        while self._queue and self._queue[0][0] <= time.monotonic():
            _, frame = self._queue.popleft()
            self._bytes -= len(frame)
            try:
                self._target.send(frame)
            except OSError:
                continue  # The device is down, or takes no more: lost, as in any wire.


def open_device(name: str) -> socket.socket:
    """Return a socket that takes and gives the frames of a device. Raises OSError."""
    device = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    device.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    device.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    device.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    device.bind((name, ETH_P_ALL))
    return device


def carry(one: str, other: str) -> None:
    """Be the wire between two devices."""
    ends = open_device(one), open_device(other)
    ways = Direction(*ends), Direction(*reversed(ends))
    delay_s = jitter_s = 0.0
    chance = random.Random(0)
    with selectors.DefaultSelector() as selector:
        for way in ways:
            selector.register(way.source, selectors.EVENT_READ, way)
        selector.register(sys.stdin, selectors.EVENT_READ)
        os.write(sys.stdout.fileno(), b"ready\n")
        while True:
            rest_s = min(way.due_s for way in ways) - time.monotonic()
            for key, _ in selector.select(None if rest_s == float("inf") else max(rest_s, 0.0)):
                if key.data is not None:
                    key.data.take(delay_s + chance.uniform(0.0, jitter_s))
                    continue
                lines = os.read(sys.stdin.fileno(), 4096).decode().splitlines()
                if not lines:
                    return
                delay_s, jitter_s = map(float, lines[-1].split())
            for way in ways:
                way.pass_on()


if __name__ == "__main__":
    carry(*sys.argv[1:])
