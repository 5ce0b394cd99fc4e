"""A real SMTP server on loopback, which answers as a test wants it to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from channels.email import EmailSettings


class Postbox:
    """Keeps what it is sent, unless told to answer, hang up or keep silent."""

    def __init__(self) -> None:
        self.port = 0
        self.raw: list[bytes] = []
        self.recipients: list[str] = []
        self.connections: list[SMTP] = []
        self.answers: dict[str, str] = {}  # recipient -> answer to RCPT
        self.data_answers: dict[str, str] = {}
        self.sender_answer = ""
        self.hang_up_on: set[str] = set()
        self.silent_for: set[str] = set()
        self.silent = asyncio.Event()
        self.silence_over = asyncio.Event()

    @property
    def letters(self) -> list[EmailMessage]:
        return [message_from_bytes(raw, policy=default) for raw in self.raw]

    def settings(self, **changes: Any) -> EmailSettings:
        fields: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "sender": "Müllers Laden <news@shop.example>",
            "tls": "none",
            "timeout_s": 20,
        }
        return EmailSettings(**(fields | changes))

    def connect(self) -> SMTP:
        connection = SMTP(self, hostname="mx.example", loop=asyncio.get_running_loop())
        self.connections.append(connection)
        return connection

    async def hang_up(self) -> None:
        """Close the newest connection, as a server does with one that was idle for long."""
        transport = self.connections[-1].transport
        assert transport is not None
        transport.close()
        await asyncio.sleep(0)

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.sender_answer:
            return self.sender_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.hang_up_on:
            self.hang_up_on.discard(address)
            assert server.transport is not None
            server.transport.close()
            return "250 never read"
        if address in self.silent_for:
            self.silent.set()
            await self.silence_over.wait()
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        (to,) = envelope.rcpt_tos
        if to in self.data_answers:
            return self.data_answers[to]
        assert isinstance(envelope.content, bytes)
        self.raw.append(envelope.content)
        self.recipients.append(to)
        return "250 OK"


@asynccontextmanager
async def open_postbox() -> AsyncIterator[Postbox]:
    postbox = Postbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(postbox.connect, "127.0.0.1", 0)
    postbox.port = server.sockets[0].getsockname()[1]
    try:
        yield postbox
    finally:
        postbox.silence_over.set()
        server.close()
        for connection in postbox.connections:
            if connection.transport is not None:
                connection.transport.close()
        await asyncio.sleep(0)
