"""The `anlass` command for tests, as people run it: arguments in; output, errors and a code out."""

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
COMMAND_S = 60.0


def anlass(*arguments: object, temporary: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, forked from one that has imported all it needs."""
    words = [str(each) for each in arguments]
    environment = os.environ | ({} if temporary is None else {"TMPDIR": str(temporary)})
    request = {"arguments": words, "environment": dict(environment), "folder": str(Path.cwd())}
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as errors,
        contextlib.ExitStack() as stack,
    ):
        told, answer = os.pipe()
        stack.callback(os.close, told)
        files = [out.fileno(), errors.fileno(), answer]
        socket.send_fds(_server(), [json.dumps(request).encode()], files)
        os.close(answer)
        code = _code(told, words)
        return subprocess.CompletedProcess(words, code, _text(out), _text(errors))


def fresh_anlass(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command as a shell does: in an interpreter that shares nothing with any other."""
    command = [sys.executable, "-m", "console", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_S)


@functools.cache
def _server() -> socket.socket:
    """Start what forks commands; it ends when this process does, and so its end of the socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.console.forked"]
    server = subprocess.Popen(command, stdin=theirs.fileno(), cwd=ROOT)
    theirs.close()

    def end() -> None:
        ours.close()
        server.terminate()
        server.wait()

    atexit.register(end)
    return ours


def _code(told: int, words: list[str]) -> int:
    """Wait for the exit code; a command that takes too long is ended."""
    lines = b""
    while lines.count(b"\n") < 2:
        if not select.select([told], [], [], COMMAND_S)[0]:
            if lines:
                os.kill(int(lines), signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, COMMAND_S)
        read = os.read(told, 100)
        assert read, "what forks commands has ended"
        lines += read
    return int(lines.split()[1])


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
