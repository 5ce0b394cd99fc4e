"""The slow wire that tests lay between machines: late by as much as was asked, whole, in order."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.system.clustered import alive
from tests.system.other_machine import OtherMachine

PORT = 7
ECHO = """
import selectors, socket
tcp = socket.create_server(("0.0.0.0", 7))
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 7))
print("ready", flush=True)
selector = selectors.DefaultSelector()
selector.register(udp, selectors.EVENT_READ)
selector.register(tcp, selectors.EVENT_READ)
while True:
    for key, _ in selector.select():
        if key.fileobj is udp:
            udp.sendto(*udp.recvfrom(2048))
            continue
        client, _ = tcp.accept()
        with client:
            while data := client.recv(1 << 20):
                client.sendall(data)
"""


@pytest.fixture
def echo(machine: OtherMachine) -> Iterator[OtherMachine]:
    """A machine that sends back all that comes to its port."""
    command = machine.command(sys.executable, "-I", "-c", ECHO)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield machine
        process.kill()


def test_a_slow_wire_is_late_each_way_and_loses_nothing_of_large_segments(
    echo: OtherMachine,
) -> None:
    with socket.create_connection((echo.there, PORT)) as client:
        echo.slow(0.05, 0.02)
        began = time.monotonic()
        client.sendall(b"?")
        assert client.recv(1) == b"?"
        assert time.monotonic() - began >= 0.1
        sent = os.urandom(400_000)
        client.sendall(sent)
        got = bytearray()
        while len(got) < len(sent):
            got += client.recv(len(sent))
        assert got == sent
        wire = echo.wire_pid
        assert alive(wire)
        echo.join()
        client.sendall(b"!")
        assert client.recv(1) == b"!"
    assert not alive(wire)


def test_a_slow_wire_keeps_the_order_also_where_it_gets_quicker(echo: OtherMachine) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect((echo.there, PORT))
        client.send(b"")  # Few can wait until it is known who has the address.
        client.recv(2048)
        for number in range(150):
            if number % 50 == 0:
                echo.slow(*[(0.2, 0.0), (0.0, 0.1), (0.01, 0.0)][number // 50])
            client.send(str(number).encode())
            time.sleep(0.001)
        got = [int(client.recv(2048)) for _ in range(150)]
    assert got == list(range(150))


def test_nothing_passes_a_wire_that_was_cut(echo: OtherMachine) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect((echo.there, PORT))
        echo.slow(0.0)
        client.settimeout(10)
        client.send(b"1")
        assert client.recv(1) == b"1"
        echo.cut()
        client.settimeout(0.2)
        client.send(b"2")
        with pytest.raises(TimeoutError):
            client.recv(1)
        echo.join()
        client.settimeout(10)
        client.send(b"3")
        assert client.recv(1) == b"3"
