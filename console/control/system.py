"""System: the running system that the API is about, and what requests share."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

from actors.kept.kept import StorePlace
from actors.kept.opening import key_of, publications_of
from actors.kept.served import served_store
from actors.publications import PublicationNote, Publications
from actors.publisher import Publisher
from actors.running import Running, running_system
from console.control.draft import Draft, DraftFile, checked
from console.control.faults import refused
from console.control.jobs import Jobs
from console.control.refusals import Refusals
from console.control.work import Place
from console.journeys.audit import Audit
from engine.language.journey import Publication

CHANGING_S: Final = 30.0
"""How long a change may wait for the one before."""

Answer = TypeVar("Answer")


class System:
    """What runs on a data folder; used by several threads."""

    def __init__(
        self,
        data: Path,
        key_file: Path | None = None,
        operator: dict[str, Any] | None = None,
        store: StorePlace | None = None,
    ) -> None:
        """`data` is this machine's folder; `store` where the store is, if it is not there."""
        self.data = data
        self.store: StorePlace = data if store is None else store
        self.key_file = key_file
        self.operator = operator or {"keys": [], "channels": {}}
        self.audit = Audit(data)
        self.refusals = Refusals(self.audit)
        self.drafts = DraftFile(data, key_of(self.store, key_file))
        self._jobs = Jobs()
        self._erasure = self.audit.last_erasure()
        self._changing = threading.Lock()

    @property
    def jobs(self) -> Jobs:
        """All jobs, but those from before an erasure: also by a command, which tells no one."""
        last = self.audit.last_erasure()
        if last != self._erasure:
            self._erasure = last
            self._jobs.forget()
        return self._jobs

    def running(self) -> Running:
        """Return where it is. Raises RefusedError where it has just ended."""
        running = running_system(self.data)
        if running is None:
            text = f"nothing runs on {self.data}; start it with `anlass run`"
            raise refused(HTTPStatus.SERVICE_UNAVAILABLE, text)
        return running

    def publications(self) -> Publications:
        """Return what was ever published."""
        return publications_of(self.store, self.key_file)

    def notes(self) -> list[PublicationNote]:
        """Return who published what when."""
        return self.publications().notes()

    def publisher(self) -> Publisher:
        """Return who asks the shards what is in force."""
        self.running()
        served = served_store(self.store)
        if served is None:
            text = "no shard is served just now; try again in a moment"
            raise refused(HTTPStatus.SERVICE_UNAVAILABLE, text)
        addresses = list(served.addresses.values())
        return Publisher(addresses, self.publications(), served.credentials, served.spread)

    def in_force(self) -> Publication:
        """Return what is in force."""
        return self.wait(self.publisher().in_force)

    def queued(self) -> dict[str, int] | None:
        """Return how many entries wait for each journey that is paused; None: not all say it."""
        return self.wait(self.publisher().queued)

    def draft(self, sent: Draft | None) -> Draft:
        """Return the draft that a request is about: the one sent along, or the one kept."""
        return sent if sent is not None else self.drafts.read()

    def source(self, sent: Draft | None) -> Publication:
        """Return that draft, in order. Raises AuthorError."""
        return checked(self.draft(sent), self.operator).publication

    def place(self, out: str) -> Place:
        """Return where a job reads, and writes what it comes to."""
        key_file = "" if self.key_file is None else str(self.key_file.absolute())
        place = Place(data=str(self.data.absolute()), key_file=key_file, out=out)
        if not isinstance(self.store, Path):
            place.redis, place.archive = self.store.redis, self.store.archive
        return place

    def close(self) -> None:
        """End the job that works, and note who was refused."""
        self._jobs.close()
        self.refusals.write()

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Let one change happen at a time. Raises RefusedError."""
        if not self._changing.acquire(timeout=CHANGING_S):
            text = "another change goes on; try again in a moment"
            raise refused(HTTPStatus.SERVICE_UNAVAILABLE, text)
        try:
            yield
        finally:
            self._changing.release()

    @staticmethod
    def wait(ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do what is asked on a loop of this thread's own."""

        async def asked() -> Answer:
            return await ask()

        return asyncio.run(asked())
