"""File: a channel that writes messages as JSON lines, for all that has no provider of its own."""

import asyncio
import contextlib
import fcntl
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from channels.channel import ChannelError, Result
from channels.message import Message


class Line(Struct, frozen=True, kw_only=True, gc=False):
    """One line of the file. Readers rest on it: new fields come last and have defaults."""

    key: str
    contact: str
    journey: str
    node: str
    channel: str
    at_ms: int
    outcome: str = "sent"
    purpose: str
    language: str
    to: str
    subject: str
    body: str


class _KeyOnly(Struct, gc=False):
    key: str


_encode: Final = msgspec.json.Encoder().encode
_decode_key: Final = msgspec.json.Decoder(_KeyOnly).decode


class FileChannel:
    """Appends messages to one file, each key once, and says `delivered` when they are on disk.

    All keys of the file are held in memory, about 120 MB per million for keys of 31 characters.
    Nothing but the file's length bounds that: to begin anew, stop the courier and move the file
    away. Keys in the moved file are then unknown, which matters only for messages not settled.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`, or create it; read its keys back and mend a last line torn by a crash.

        Raises:
            ChannelError: Another channel has the file open, or a line of it is no message.
            OSError: The file cannot be opened, read or written.
        """
        self._path = path
        self._turn = threading.Lock()  # Held in threads: a cancelled deliver() writes on there.
        self._closed = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            self._lock()
            self._keys, self._length = self._read_back()
            # A crash may have come between write and sync: a key that is known must be on disk.
            os.fdatasync(self._file)
            _sync_folder(path.parent)
        except BaseException:
            os.close(self._file)
            raise

    async def deliver(self, messages: Sequence[Message]) -> list[Result]:
        """Write the messages whose keys are new, in one write and one sync, in a thread."""
        return await asyncio.to_thread(self._deliver, messages)

    async def close(self) -> None:
        """Close the file and give up its lock."""
        await asyncio.to_thread(self._close)

    def _deliver(self, messages: Sequence[Message]) -> list[Result]:
        with self._turn:
            assert not self._closed, f"{self._path} was closed"
            results: dict[str, Result] = {}
            lines: dict[str, bytes] = {}
            for message in messages:
                key = message.key
                if key in self._keys or key in lines:
                    continue
                try:
                    lines[key] = _line_of(message)
                except UnicodeEncodeError as error:
                    results[key] = Result(key, "failed", f"no valid Unicode: {error.reason}")
            if lines:
                reason = self._append(b"".join(lines.values()))
                if reason:
                    results |= {key: Result(key, "retry", reason) for key in lines}
                else:
                    self._keys.update(lines)
            return [
                results.get(message.key) or Result(message.key, "delivered") for message in messages
            ]

    def _append(self, data: bytes) -> str:
        """Bring `data` to the disk whole, or leave the file as it was and return why."""
        try:
            self._cut()  # Only does something if the last cut, too, had failed.
            view = memoryview(data)
            while view:  # A disk that fills up takes a part first; the next write says why.
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut()
            return f"{self._path}: {error.strerror or error}"
        self._length += len(data)
        return ""

    def _cut(self) -> None:
        if os.fstat(self._file).st_size != self._length:
            os.ftruncate(self._file, self._length)

    def _close(self) -> None:
        with self._turn:
            if not self._closed:
                self._closed = True
                os.close(self._file)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ChannelError(
                f"{self._path} is open in another courier; stop that one, or use another folder"
            ) from None

    def _read_back(self) -> tuple[set[str], int]:
        """Return the keys of the file and its length, its last line mended or cut off."""
        keys: set[str] = set()
        length = 0
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                whole = line.endswith(b"\n")
                try:
                    keys.add(_decode_key(line).key)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    if whole:
                        raise ChannelError(
                            f"{self._path}, line {number}: {error}; mend the line, or move the "
                            "file away if none of its messages is still under way"
                        ) from error
                    os.ftruncate(self._file, length)
                    break
                length += len(line)
                if not whole:  # A line torn anywhere else is no JSON: only its end is missing.
                    length += os.write(self._file, b"\n")
                    break  # Reading on would meet the end just written.
        return keys, length


def _line_of(message: Message) -> bytes:
    line = Line(
        key=message.key,
        contact=message.contact,
        journey=message.journey,
        node=message.node,
        channel=message.channel,
        at_ms=message.at_ms,
        purpose=message.purpose,
        language=message.language,
        to=message.to,
        subject=message.subject,
        body=message.body,
    )
    return _encode(line) + b"\n"


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable; its content's sync does not."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
