"""Questions: what a lane asks its shard beside events, and the replies it waits for."""

import asyncio

from actors.links.link import AskMap, AskStatus, Link, LinkError, MapIs, Status


class Questions:
    """Numbers questions apart from frames, below 0, and gives each its reply."""

    def __init__(self) -> None:
        self._seq = 0
        self._asked: dict[int, asyncio.Future[Status | MapIs]] = {}

    async def ask(
        self, link: Link | None, request: AskStatus | AskMap, timeout_s: float
    ) -> Status | MapIs | None:
        """Ask; None where there is no link, or no reply in time."""
        if link is None:
            return None
        self._seq -= 1
        request.seq = seq = self._seq
        self._asked[seq] = asyncio.get_running_loop().create_future()
        link.send(request)
        try:
            return await asyncio.wait_for(self._asked[seq], timeout_s)
        except (TimeoutError, LinkError):
            return None
        finally:
            self._asked.pop(seq, None)

    def take(self, reply: Status | MapIs) -> None:
        """Take a reply."""
        future = self._asked.get(reply.seq)
        if future is not None and not future.done():
            future.set_result(reply)

    def fail(self) -> None:
        """Fail all that wait: the link is gone."""
        for future in self._asked.values():
            if not future.done():
                future.set_exception(LinkError("the shard's link was lost"))
