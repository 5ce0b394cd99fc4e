"""The ledger client: numbered events over several connections, and a note of what was answered."""

import http.client
import json
import threading
import time
from collections import Counter
from random import Random
from typing import Any

from actors.map import shard_of
from engine.contacts.identity import partition_of
from tests.chaos.erasing import Erasures

Numbered = tuple[str, str]
"""(contact, event id)."""

SHARDS = 2
TIMEOUT_S = 4.0
RETRY_S = 0.05
PAUSE_S = 0.01
ACK_S = 60.0
"""The last request must be acknowledged within this, once all harm is over."""

NAMES = {"tick": 75, "buy": 12, "wish": 10, "cancel": 3}
"""Event names and how often each comes."""


CONTACTS_OF_BURST = 2_000


class Connection(threading.Thread):
    """Sends events of its own contacts, a request after the other, the next once one is 202.

    What is answered otherwise, or not at all, is sent again with the same ids: so the order of
    `acknowledged` is the order in which one connection had them accepted. Now and then it hangs
    up without reading the answer, as clients do. Events of erased contacts must be refused as such.
    """

    def __init__(
        self, port: int, name: str, contacts: int, random: Random, erasures: Erasures
    ) -> None:
        super().__init__(name=name, daemon=True)
        # None is the beginning of another, or of an event's id: they can be looked for in files.
        self.contacts = [f"{name}-contact-{number:04}" for number in range(contacts)]
        self.acknowledged: list[Numbered] = []
        self.begun: list[Numbered] = []
        """All that was ever sent, acknowledged or not."""
        self.refused: Counter[int] = Counter()
        self.refused_erased = 0
        """Events that were, as of erased contacts."""
        self.unanswered = 0
        self.tries = 0
        self.faults: list[str] = []
        """Answers that no well-behaved system gives."""
        self._port = port
        self._random = random
        self._erasures = erasures
        self._timeout_s = TIMEOUT_S
        self._number = 0
        self._ending = threading.Event()
        self._client: http.client.HTTPConnection | None = None

    def run(self) -> None:
        for contact in self.contacts:
            attributes = {"email": f"{contact}@shop.example"}
            self._send([self._event(contact, "identify", {"attributes": attributes})])
        while not self._ending.is_set():
            self._send(self._make_events())
            time.sleep(self._random.expovariate(1 / PAUSE_S))
        for contact in sorted(self._erasures.done & set(self.contacts))[:1]:
            self._send([self._event(contact, "tick", {})])  # Late, also where chance sent none.
        self._hang_up()

    def end(self) -> None:
        """Let it come to an end with its last request acknowledged; a fault if that never comes."""
        self._ending.set()
        self.join(ACK_S)
        if self.is_alive():
            self.faults.append(f"{self.name}: nothing is acknowledged any more")

    @property
    def retries(self) -> int:
        return self.unanswered + self.refused.total()

    def _make_events(self) -> list[dict[str, Any]]:
        random = self._random
        names = random.choices(list(NAMES), list(NAMES.values()), k=random.randint(1, 8))
        return [self._event(random.choice(self.contacts), name, {}) for name in names]

    def _event(self, contact: str, name: str, payload: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        return {
            "id": f"{self.name}-{self._number}",
            "contact": contact,
            "name": name,
            "payload": payload,
        }

    def _send(self, events: list[dict[str, Any]]) -> None:
        body = json.dumps(events)
        numbered = [(event["contact"], event["id"]) for event in events]
        self.begun += numbered
        first = self.tries
        give_up = 0.0
        while True:
            wait_s = self._try(body, numbered, first_try=self.tries == first)
            if not wait_s:
                break
            if self._ending.is_set():
                give_up = give_up or time.monotonic() + ACK_S
                if time.monotonic() > give_up:
                    return
            time.sleep(wait_s)
        self.acknowledged += numbered

    def _try(self, body: str, numbered: list[Numbered], *, first_try: bool) -> float:
        """Send once; 0 if it was acknowledged, else in how many seconds to send again."""
        self.tries += 1
        erased = self._erasures.done
        if self._client is None:
            self._client = http.client.HTTPConnection(
                "127.0.0.1", self._port, timeout=self._timeout_s
            )
        try:
            self._client.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
            if self._random.random() < 0.01:
                raise ConnectionAbortedError  # The answer is never read.
            answer = self._client.getresponse()
            said = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.unanswered += 1
            self._hang_up()
            return RETRY_S
        refused = said.get("refused_erased", 0)
        if answer.status != 202 and not 0 < refused == len(numbered):
            self.refused[answer.status] += 1
            if answer.status not in {429, 503}:
                self.faults.append(f"{self.name}: answered with {answer.status}: {said}")
            # A second at most: nothing here needs the pause, it is what a good sender does.
            return min(float(answer.getheader("Retry-After", RETRY_S)), 1.0)
        if said.get("rejected") or said.get("failed") or (first_try and said.get("repeated")):
            self.faults.append(f"{self.name}: acknowledged with {said}")
        least, most = (
            sum(contact in each for contact, _ in numbered)
            for each in (erased, self._erasures.begun)
        )
        if not least <= refused <= most:
            self.faults.append(f"{self.name}: {refused} events refused as erased, not {least}")
        self.refused_erased += refused
        return 0.0

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class Burst(Connection):
    """Sends requests of so many events as fast as it can, and ends by itself."""

    def __init__(
        self, port: int, name: str, random: Random, erasures: Erasures, requests: list[int]
    ) -> None:
        super().__init__(port, name, CONTACTS_OF_BURST, random, erasures)
        self.padding_bytes = 0
        self._requests = requests
        self._timeout_s = ACK_S  # To ask for so much again while it is in work makes it worse.

    def run(self) -> None:
        payload = {"padding": "x" * self.padding_bytes}
        for events in self._requests:
            contacts = [self.contacts[number % len(self.contacts)] for number in range(events)]
            self._send([self._event(contact, "noise", payload) for contact in contacts])
        self._hang_up()


class Ledger:
    """Several connections, and the bursts that came beside them."""

    def __init__(
        self, port: int, connections: int, contacts: int, random: Random, erasures: Erasures
    ) -> None:
        self._port = port
        self._erasures = erasures
        self._random = random
        self._bursts = 0
        self.connections: list[Connection] = [
            Connection(
                port, f"c{number}", contacts // connections, Random(random.random()), erasures
            )
            for number in range(connections)
        ]

    def start(self) -> None:
        for connection in self.connections:
            connection.start()

    def burst(self, *requests: int, padding_bytes: int = 0, slot: int | None = None) -> None:
        """Send further requests at once, of so many events each, one after the other.

        With `slot`, all of them are for the contacts of one shard.
        """
        self._bursts += 1
        name, random = f"b{self._bursts}", Random(self._random.random())
        burst = Burst(self._port, name, random, self._erasures, list(requests))
        burst.padding_bytes = padding_bytes
        if slot is not None:
            burst.contacts = [
                contact
                for contact in burst.contacts
                if shard_of(partition_of(contact), SHARDS) == slot
            ]
        self.connections.append(burst)
        burst.start()

    def end(self) -> None:
        for connection in self.connections:
            connection.end()

    @property
    def acknowledged(self) -> int:
        return sum(len(connection.acknowledged) for connection in self.connections)

    @property
    def refused(self) -> Counter[int]:
        return sum((connection.refused for connection in self.connections), Counter())

    @property
    def retries(self) -> int:
        return sum(connection.retries for connection in self.connections)

    @property
    def refused_erased(self) -> int:
        return sum(connection.refused_erased for connection in self.connections)

    @property
    def faults(self) -> list[str]:
        return [fault for connection in self.connections for fault in connection.faults]
