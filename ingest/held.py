"""Held: connections that are not read until their turn, while the gateway is full."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from ingest.admission import Admission
from ingest.desk import Connection
from ingest.limits import HELD_AT_ONCE, HELD_S, HELD_TURN_S


class Held:
    """The connections whose events were refused while there was no room for anybody's.

    And, while there are such, those whose events were just taken: they come after them. Each is
    read again in this order as soon as there is room, so that what it sends is mostly taken; and at
    the latest after `HELD_S`. Until then what is sent too early waits in its socket, and costs
    nothing.
    """

    def __init__(self, most: int, admission: Admission, room: Callable[[float], bool]) -> None:
        """Hold `most` at once; `room` says whether there is room at a moment of `monotonic`."""
        self._most = most
        self._admission = admission
        self._room = room
        self._at_once = 1
        """One where there was no room of late, then two, three and so on while there is: with twice
        as many each time, a third of them was refused again."""
        self._until_s: OrderedDict[Connection, float] = OrderedDict()
        self._turn: asyncio.TimerHandle | None = None
        """One for all of them."""

    def __len__(self) -> int:
        return len(self._until_s)

    def wait_s(self) -> int:
        """Return in how many seconds the turn of one more will come, as far as is known."""
        if not self._until_s:
            return 0
        waited_s = monotonic() + HELD_S - next(iter(self._until_s.values()))
        return 1 + int(waited_s)  # Who came first waits for so long already.

    def put(self, connection: Connection) -> bool:
        """Hold one more, until its `release`; False where there are too many.

        Hence half of the places stay for others: whether its sender has left is not seen meanwhile.
        """
        if len(self._until_s) >= self._most:
            return False
        self._until_s[connection] = monotonic() + HELD_S
        self._admission.turns = True
        if self._turn is None:
            self._next_turn(HELD_TURN_S)
        return True

    def release_all(self) -> None:
        """Hold none any more."""
        while self._until_s:
            self._release_first()
        self._end_turns()

    def _go_on(self) -> None:
        now_s = monotonic()
        room = self._room(now_s)
        # Before all else: whatever happens to one of them, the others' turn comes. And where there
        # is room at once, as it may be so after these have been read as well.
        self._next_turn(0 if room else HELD_TURN_S)
        for turn in range(HELD_AT_ONCE):
            if not self._until_s:
                break
            due = next(iter(self._until_s.values())) <= now_s
            if not due and not (room and turn < self._at_once):
                break
            self._release_first()
        self._at_once = min(self._at_once + 1, HELD_AT_ONCE) if room else 1
        if not self._until_s:
            self._admission.turns = False
            self._end_turns()

    def _end_turns(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def _next_turn(self, pause_s: float) -> None:
        self._turn = asyncio.get_running_loop().call_later(pause_s, self._go_on)

    def _release_first(self) -> None:
        connection, _ = self._until_s.popitem(last=False)
        connection.release()
