"""Pulls: couriers that wait for messages, and what each link has been given already."""

from collections import deque
from typing import Final

import msgspec

from actors.links.link import Done, Handed, Link, PublishNow, Pull, Refused
from actors.shards.outbox import Outbox
from actors.shards.shard import Shard
from engine.compile.publication import programs_of
from engine.contacts.identity import partition_of
from engine.errors import AuthorError
from engine.language.journey import Publication

PULLS_MAX: Final = 64
"""Of one channel, at once; a courier has one."""

HANDED_MAX: Final = 128
"""Messages handed over in one slice to one courier, whatever it asks for."""

SUPERSEDED: Final = "a later publication is in force"


class Pulls:
    """Answers pulls: folds a Handover of each message, and sends templates along where needed."""

    def __init__(self, shard: Shard, outbox: Outbox) -> None:
        self._shard = shard
        self._outbox = outbox
        self._waiting: dict[str, deque[tuple[Link, Pull]]] = {}
        """By channel, in the order in which they came."""
        self._source = b""
        """The publication whose templates these are."""
        self._templates: dict[str, str] = {}
        self._templates_sent: dict[Link, dict[str, str]] = {}
        self._language = ""

    @property
    def ready(self) -> bool:
        """Whether some pull would be given something."""
        return any(pulls and self._outbox.waiting(name) for name, pulls in self._waiting.items())

    @property
    def links(self) -> int:
        """How many couriers have a pull waiting: 0 for long means that none is there."""
        return len({link for pulls in self._waiting.values() for link, _ in pulls})

    def full(self, channel: str) -> bool:
        """Say whether no further pull for this channel may wait."""
        return len(self._waiting.get(channel, ())) >= PULLS_MAX

    def put(self, link: Link, pull: Pull) -> None:
        """Let a pull wait for messages."""
        self._waiting.setdefault(pull.channel, deque()).append((link, pull))

    def lose(self, link: Link) -> None:
        """Forget a lost link."""
        self._templates_sent.pop(link, None)
        for pulls in self._waiting.values():
            for pull in [each for each in pulls if each[0] is link]:
                pulls.remove(pull)

    def end(self, link: Link, pull: Pull) -> None:
        """Answer a pull that has waited long enough with nothing, if it still waits."""
        pulls = self._waiting.get(pull.channel)
        if pulls and (link, pull) in pulls:
            pulls.remove((link, pull))
            link.send(Handed(pull.seq, [], {}, self._language))

    def fold(self, read_ms: int) -> list[tuple[Link, Handed]]:
        """Hand messages over, to one courier of each channel; the replies wait for the commit."""
        return [
            self._hand_over(*pulls.popleft(), read_ms)
            for name, pulls in self._waiting.items()
            if pulls and self._outbox.waiting(name)
        ]

    def publish(self, request: PublishNow, read_ms: int) -> Done | Refused:
        """Put a publication in force, if this version can.

        One that is in force already folds nothing: it is answered when it is durable. One that is
        older than what a partition has brought here is refused.
        """
        try:
            programs_of(request.source)
        except (AuthorError, ValueError) as error:
            return Refused(request.seq, str(error))
        shard = self._shard
        if request.source != shard.published:
            if 0 < request.serial < shard.serial:
                return Refused(request.seq, SUPERSEDED)
            shard.publish(request.source, read_ms, request.serial)
        return Done(request.seq)

    def _take_publication(self) -> None:
        """Take templates and language from what the shard has in force, however that came."""
        source = self._shard.published
        if source is not self._source:
            self._source = source
            publication = msgspec.json.decode(self._shard.published, type=Publication)
            self._templates = publication.templates
            self._language = str(publication.settings.get("language", "en"))

    def _hand_over(self, link: Link, pull: Pull, read_ms: int) -> tuple[Link, Handed]:
        self._take_publication()
        shard = self._shard
        taken = self._outbox.take(pull.channel, min(pull.limit, HANDED_MAX))
        for outcome in taken:
            if not shard.hand_over(partition_of(outcome.contact), outcome, read_ms):
                self._outbox.settle(None, outcome.key)
        deliveries, shard.deliveries = shard.deliveries, []
        packed = {delivery.key for delivery in deliveries}
        self._outbox.hand(link, [outcome for outcome in taken if outcome.key in packed])
        sent = self._templates_sent.setdefault(link, {})
        needed = {delivery.template for delivery in deliveries}
        templates = {
            name: text
            for name, text in self._templates.items()
            if name.rpartition(".")[0] in needed and sent.get(name) != text
        }
        sent.update(templates)
        return link, Handed(pull.seq, deliveries, templates, self._language)
