"""Publications in Redis: `{P}:publications`, a hash of number -> note and source, sealed."""

from typing import Final

import msgspec

from actors.errors import LogCorruptError, OperatorError, PassingError
from actors.publications import PublicationNote, too_many
from actors.store.redis_server import RedisServer
from actors.store.seal import SALT_BYTES, Seal, SealBrokenError, new_salt

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[PublicationNote, bytes]).decode


class PublishedRedis:
    """See Publications. From any thread. All methods raise what RedisServer.again raises."""

    def __init__(self, server: RedisServer, key: bytes | None) -> None:
        self._server = server
        self._name = server.key("publications")
        self._key = key

    def notes(self) -> list[PublicationNote]:
        """See Publications."""
        numbers = sorted(int(each) for each in self._server.run("HKEYS", self._name))
        return [self._read(number)[0] for number in numbers]

    def source(self, number: int) -> bytes:
        """See Publications."""
        return self._read(number)[1]

    def add(self, note: PublicationNote, source: bytes) -> None:
        """See Publications."""
        data = _encode((note, source))
        if self._key is not None:
            salt = new_salt()
            data = salt + Seal(self._key, salt).close(note.number, data)
        # To do it again after a lost answer says 0, too: then it must be what is there.
        if not self._server.run("HSETNX", self._name, str(note.number), data):
            if self._read(note.number) == (note, source):
                self._let_go()
                return
            text = f"publication {note.number} was published meanwhile by somebody else"
            raise PassingError(f"{text}; look at `anlass history`, and try again")
        self._let_go()

    def _let_go(self) -> None:
        numbers = [int(each) for each in self._server.run("HKEYS", self._name)]
        asked = [("HSTRLEN", self._name, str(number)) for number in numbers]
        sizes = dict(zip(numbers, self._server.run_all(asked), strict=True))
        gone = too_many(sizes)
        if gone:
            self._server.run("HDEL", self._name, *map(str, gone))

    def _read(self, number: int) -> tuple[PublicationNote, bytes]:
        data = self._server.run("HGET", self._name, str(number))
        if data is None:
            text = f"publication {number} is not kept"
            raise OperatorError(f"{text}, see `anlass history`")
        try:
            if self._key is not None:
                data = Seal(self._key, data[:SALT_BYTES]).open(number, data[SALT_BYTES:])
            return _decode(data)
        except (SealBrokenError, msgspec.DecodeError) as error:
            text = f"publication {number} of {self._name} cannot be read: {error}"
            raise LogCorruptError(f"{text}; remove its field") from None
