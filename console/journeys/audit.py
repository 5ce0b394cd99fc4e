"""Audit: who asked for which change when, and what came of it, as lines of JSON on the disk.

A line is durable before the change begins, another one when it has ended. A contact is named by its
digest: so an erased one is not told of here either. The control API writes it, and so do commands
on the machine itself, which ask the shards without it: whoever writes holds the log's lock.
"""

import contextlib
import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.clock import WallClock
from actors.errors import OperatorError
from console.journeys.publication import account

FILE: Final = "control-audit.jsonl"
FILE_BYTES_MAX: Final = 8 << 20
FILES_MAX: Final = 8
"""Older ones are `control-audit.jsonl.1` and so on; what is behind the last goes."""
LOCK: Final = "control-audit.lock"
LOCK_S: Final = 10.0
"""A line takes milliseconds: who holds the lock longer was stopped."""
TRY_S: Final = 0.005
TEXT_CHARS_MAX: Final = 500
BEGUN: Final = "begun"
DONE: Final = "done"
WRONG: Final = "it went wrong"
ERASE: Final = "erase"

_encode: Final = msgspec.json.Encoder().encode
_NEW: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class UnnotedError(OperatorError):
    """What cannot be noted may not begin."""


class AuditLine(Struct, kw_only=True, omit_defaults=True):
    """One change that was asked for."""

    number: int
    """The lines of a begin and of an end have the same."""
    at_ms: int
    by: str
    """Name of the key, `loopback` where there are none, `unknown` where none of them was shown; of
    a command, the account."""
    what: str
    """Such as `publish`; `refused` of who was not let in."""
    about: str = ""
    """The journey, or the digest of the contact, or a number."""
    outcome: str
    """`begun`, `done`, or why not. Where only `begun` is there, the process ended meanwhile.
    Of who was not let in, how often."""
    took_ms: int = 0
    command: bool = False
    """Whether a command on the machine itself did it, without the API."""


class Audit:
    """The audit log of a data folder; of any process and thread."""

    def __init__(self, folder: Path, file_bytes_max: int = FILE_BYTES_MAX) -> None:
        self._path = folder / FILE
        self._bytes_max = file_bytes_max
        self._lock = threading.Lock()
        self._number = 0
        """The highest that was given; as of `_seen`."""
        self._erasure: tuple[int, int] | None = None
        """Number and moment of the last that ended; as of `_seen`."""
        self._seen: tuple[int, int] | None = None
        """Which file was the last, and how long."""

    def begin(
        self, by: str, what: str, about: str, *, command: bool = False, outcome: str = BEGUN
    ) -> AuditLine:
        """Note what is about to begin; durable on return. Raises UnnotedError: it may not begin."""
        try:
            with self._held():
                self._look()
                line = AuditLine(
                    number=self._number + 1,
                    at_ms=WallClock().read(),
                    by=by,
                    what=what,
                    about=about[:TEXT_CHARS_MAX],
                    outcome=outcome,
                    command=command,
                )
                self._write(line)
        except OSError as error:
            text = f"{self._path} cannot be written: {error.strerror}; nothing was changed"
            raise UnnotedError(f"{text}, make space") from None
        return line

    def end(self, line: AuditLine, outcome: str, contact: str = "") -> None:
        """Note what came of it; the contact that it is about is not named. Raises OSError."""
        for said in {contact, repr(contact)[1:-1]} - {""}:
            outcome = outcome.replace(said, line.about)
        now_ms = WallClock().read()
        took_ms = max(0, now_ms - line.at_ms)
        ended = msgspec.structs.replace(
            line, at_ms=now_ms, outcome=outcome[:TEXT_CHARS_MAX], took_ms=took_ms
        )
        with self._held():
            self._look()
            self._write(ended)

    def last_erasure(self) -> tuple[int, int] | None:
        """Return what tells the last erasure that ended from others; None where none is known."""
        with self._lock:
            self._look()
            return self._erasure

    def lines(self, before: int, limit: int) -> list[AuditLine]:
        """Return the last changes with numbers below `before`, the latest first, as they ended."""
        found: dict[int, AuditLine] = {}
        for line in _read(self._files()):
            if line.number < before:
                begun = found.get(line.number)
                at_ms = line.at_ms if begun is None else begun.at_ms
                found[line.number] = msgspec.structs.replace(line, at_ms=at_ms)
        return [found[number] for number in sorted(found, reverse=True)[:limit]]

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Let nobody else write. Raises OSError."""
        with self._lock:
            file = _opened(self._path.with_name(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
            try:
                _wait_for(file)
                yield
            finally:
                os.close(file)

    def _look(self) -> None:
        """See what others have written since. Raises OSError."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return
        if self._seen == (seen := (stat.st_ino, stat.st_size)):
            return
        for line in _read(self._files()[-2:]):  # Numbers rise: the highest is in one of these.
            self._take(line)
        self._seen = seen

    def _take(self, line: AuditLine) -> None:
        self._number = max(self._number, line.number)
        if line.what == ERASE and line.outcome != BEGUN:
            self._erasure = line.number, line.at_ms

    def _write(self, line: AuditLine) -> None:
        """Add a line, after a look, while the lock is held. Raises OSError."""
        self._add(line)
        self._take(line)
        stat = self._path.stat()
        self._seen = stat.st_ino, stat.st_size

    def _files(self) -> list[Path]:
        """Return all files there may be, the oldest first."""
        older = [self._path.with_name(f"{FILE}.{i}") for i in range(FILES_MAX - 1, 0, -1)]
        return [*older, self._path]

    def _add(self, line: AuditLine) -> None:
        if self._path.exists() and self._path.stat().st_size > self._bytes_max:
            self._turn_over()
        new = not self._path.exists()
        file = _opened(self._path, _NEW)
        try:
            data = b"\n" + _encode(line) + b"\n"  # A torn line before ends here.
            if os.write(file, data) != len(data):
                raise OSError(0, "the disk is full")
            os.fsync(file)
        finally:
            os.close(file)
        if new:
            _sync_folder(self._path.parent)

    def _turn_over(self) -> None:
        files = self._files()
        for older, newer in pairwise(files):
            if newer.exists():
                newer.replace(older)
        _sync_folder(self._path.parent)


@contextlib.contextmanager
def noted(folder: Path, what: str, about: str = "", contact: str = "") -> Iterator[None]:
    """Note a change that a command makes on the machine itself, and what came of it.

    `contact` is whom it is about, and then `about` the digest: no error's text names them here.
    Raises UnnotedError before it begins, OperatorError where the log cannot say how it ended.
    """
    audit = Audit(folder)
    line = audit.begin(account(), what, about, command=True)
    outcome = WRONG
    try:
        yield
        outcome = DONE
    except Exception as error:
        outcome = str(error) or type(error).__name__
        raise
    finally:
        try:
            audit.end(line, outcome, contact)
        except OSError as error:
            text = f"{what}: {outcome}, and the audit log cannot say so: {error.strerror}"
            raise OperatorError(f"{text}; make space") from None


def _read(files: list[Path]) -> list[AuditLine]:
    decode = msgspec.json.Decoder(AuditLine).decode
    found = []
    for path in files:
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            continue
        for line in lines:
            try:
                found.append(decode(line))
            except msgspec.DecodeError:
                continue  # Torn by a crash: what it would have said did not begin.
    return found


def _opened(path: Path, flags: int) -> int:
    """Open a file for whoever owns the folder: the system's account writes there, and root may."""
    file = os.open(path, flags, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(file, owner.st_uid, owner.st_gid)
    return file


def _wait_for(file: int) -> None:
    end = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                text = f"another process holds {LOCK}"
                raise OSError(errno.EAGAIN, text) from None
            time.sleep(TRY_S)
        else:
            return


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
