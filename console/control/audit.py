"""Audit: who asked for which change when, and what came of it, as lines of JSON on the disk.

A line is durable before the change begins, another one when it has ended. A contact is named by its
digest: so an erased one is not told of here either.
"""

import os
import threading
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.clock import WallClock
from console.control.faults import refused

FILE: Final = "control-audit.jsonl"
FILE_BYTES_MAX: Final = 8 << 20
FILES_MAX: Final = 8
"""Older ones are `control-audit.jsonl.1` and so on; what is behind the last goes."""
TEXT_CHARS_MAX: Final = 500
BEGUN: Final = "begun"
DONE: Final = "done"

_encode: Final = msgspec.json.Encoder().encode
_NEW: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class AuditLine(Struct, kw_only=True, omit_defaults=True):
    """One change that was asked for."""

    number: int
    """The lines of a begin and of an end have the same."""
    at_ms: int
    by: str
    """Name of the key; `loopback` where there are none."""
    what: str
    about: str = ""
    """The journey, or the digest of the contact, or a number."""
    outcome: str
    """`begun`, `done`, or why not. Where only `begun` is there, the process ended meanwhile."""
    took_ms: int = 0


class Audit:
    """The audit log of a data folder; of one process, any of its threads."""

    def __init__(self, folder: Path, file_bytes_max: int = FILE_BYTES_MAX) -> None:
        self._path = folder / FILE
        self._bytes_max = file_bytes_max
        self._lock = threading.Lock()
        self._number = max((each.number for each in self._read_all()), default=0)

    def begin(self, by: str, what: str, about: str) -> AuditLine:
        """Note what is about to begin; durable on return. Raises RefusedError: it may not begin."""
        with self._lock:
            self._number += 1
            line = AuditLine(
                number=self._number,
                at_ms=WallClock().read(),
                by=by,
                what=what,
                about=about[:TEXT_CHARS_MAX],
                outcome=BEGUN,
            )
            try:
                self._add(line)
            except OSError as error:
                text = f"{self._path} cannot be written: {error.strerror}; nothing was changed"
                raise refused(HTTPStatus.SERVICE_UNAVAILABLE, f"{text}, make space") from None
        return line

    def end(self, line: AuditLine, outcome: str) -> None:
        """Note what came of it. Raises OSError."""
        now_ms = WallClock().read()
        took_ms = max(0, now_ms - line.at_ms)
        ended = msgspec.structs.replace(
            line, at_ms=now_ms, outcome=outcome[:TEXT_CHARS_MAX], took_ms=took_ms
        )
        with self._lock:
            self._add(ended)

    def lines(self, before: int, limit: int) -> list[AuditLine]:
        """Return the last changes with numbers below `before`, the latest first, as they ended."""
        found: dict[int, AuditLine] = {}
        for line in self._read_all():
            if line.number < before:
                begun = found.get(line.number)
                at_ms = line.at_ms if begun is None else begun.at_ms
                found[line.number] = msgspec.structs.replace(line, at_ms=at_ms)
        return [found[number] for number in sorted(found, reverse=True)[:limit]]

    def _files(self) -> list[Path]:
        """Return all files there may be, the oldest first."""
        older = [self._path.with_name(f"{FILE}.{i}") for i in range(FILES_MAX - 1, 0, -1)]
        return [*older, self._path]

    def _read_all(self) -> list[AuditLine]:
        decode = msgspec.json.Decoder(AuditLine).decode
        found = []
        for path in self._files():
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

    def _add(self, line: AuditLine) -> None:
        if self._path.exists() and self._path.stat().st_size > self._bytes_max:
            self._turn_over()
        new = not self._path.exists()
        file = os.open(self._path, _NEW, 0o600)
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


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
