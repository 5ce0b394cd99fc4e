"""A real SMTP server in a thread, for systems that run in processes of their own."""

from email import message_from_bytes
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.actors.store.redis_server import free_port


class Mailbox:
    """Takes every mail, and keeps its Message-ID in the order of arrival."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = free_port()
        self.message_ids: list[str] = []
        self.addresses: dict[str, str] = {}
        """To whom each of them went."""
        self._controller: Any = Controller(self, hostname=host, port=self.port)

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        id = message_from_bytes(envelope.content)["Message-ID"]
        self.addresses[id] = envelope.rcpt_tos[0]
        self.message_ids.append(id)
        return "250 OK"

    def __enter__(self) -> "Mailbox":
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._controller.stop()
