"""Runs `anlass` commands for tests: each in a process of its own, forked when it is asked for.

`python -m console` imports for a second before it does what it is told. This process imports once,
also what is only imported when options are read, and starts nothing; whatever it forks begins where
a fresh one is after its imports. It reads requests from the socket at its standard input, and ends
with it.
"""

import contextlib
import gc
import json
import os
import socket
import sys
import tempfile
from typing import Any

REQUEST_BYTES_MAX = 1 << 17


def wait_for_a_request() -> None:
    """Fork for each request; return in such a process only, or end where nobody asks any more."""
    gc.collect()
    gc.freeze()  # Else each copies all that is imported, at the latest when it ends.
    asked = socket.socket(fileno=os.dup(0))
    while True:
        request, files, _, _ = socket.recv_fds(asked, REQUEST_BYTES_MAX, 3)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            asked.close()
            return _begin(json.loads(request), *files)
        for file in files:
            os.close(file)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _begin(request: dict[str, Any], out: int, errors: int, answer: int) -> None:
    """Fork once more, to tell how that ends, and be there what `python -m console` would be."""
    process = os.fork()
    if process:
        os.write(answer, f"{process}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        os.write(answer, f"{code}\n".encode())
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for file, standard in ((nothing, 0), (out, 1), (errors, 2)):
        os.dup2(file, standard)
    for file in (nothing, out, errors, answer):
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    sys.argv = ["anlass", *request["arguments"]]


if __name__ == "__main__":
    from actors.errors import OperatorError
    from console.__main__ import app, main

    with contextlib.suppress(OperatorError):
        app(["verify", os.devnull], standalone_mode=False)
    wait_for_a_request()
    main()
