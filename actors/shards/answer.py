"""Answer: a reply that waits until what it tells of is durable."""

from actors.links.link import Link, Reply


class Answer:
    """A reply, held back until the frames it depends on are durable."""

    __slots__ = ("link", "reply")

    def __init__(self, link: Link | None, reply: Reply) -> None:
        """`link` is None where nobody waits for it any more."""
        self.link = link
        self.reply = reply

    def give(self) -> None:
        """Send it: all it depends on is durable."""
        self.send(self.reply)

    def send(self, reply: Reply) -> None:
        """Send this, if anybody waits."""
        if self.link is not None:
            self.link.send(reply)


def give_all(answers: list[Answer]) -> None:
    """Send these: all they depend on is durable."""
    for answer in answers:
        answer.give()
