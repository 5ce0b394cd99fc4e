"""E-mail: a channel over SMTP."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import aiosmtplib
from aiosmtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from msgspec import Meta, Struct

from channels.channel import ChannelError, Kind, Result
from channels.letter import Letter, LetterError, Sender
from channels.message import Message, one_line

DELIVERED_KEYS_MAX: Final = 100_000
"""Keys remembered as delivered, about 12 MB: a repeat within one life of the courier goes out
once. Across lives SMTP has no way to know, and the same Message-ID marks the second copy."""

_ABOUT_US: Final = frozenset({503, 530, 534, 535, 538})
"""Bad sequence, no or bad login: of the 5xx, those that say nothing about the message."""

_REASON_CHARS_MAX: Final = 200


class EmailSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The SMTP server to hand e-mails to. User and password come from the environment."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65_535)] = 587
    sender: str
    """`news@shop.example` or `Shop <news@shop.example>`."""
    user: str = ""
    password: str = ""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    timeout_s: Annotated[float, Meta(gt=0)] = 30
    """Longest wait for one answer of the server."""

    def __repr__(self) -> str:
        return f"EmailSettings({self.host}:{self.port}, {self.sender!r}, tls={self.tls})"


class _UnreachableError(Exception):
    """The server does not answer: no use in trying the rest of the batch now."""


class EmailChannel:
    """Sends e-mails one after another over a connection kept open and renewed when lost.

    The server's 5xx about a message is `failed`; 4xx, a lost connection and silence are `retry`.
    Where no connection can be made or the server falls silent, the rest of the batch is `retry`
    at once: a dead server costs a batch one timeout, not one for each message.
    """

    def __init__(self, settings: EmailSettings) -> None:
        """Keep the settings; the connection is made for the first message.

        Raises:
            ChannelError: The sender is no address.
        """
        try:
            self._sender = Sender(settings.sender)
        except LetterError as error:
            raise ChannelError(f"email.sender: {error}; write `Shop <news@shop.example>`") from None
        self._settings = settings
        self._turn = asyncio.Lock()
        self._smtp: aiosmtplib.SMTP | None = None
        self._delivered: OrderedDict[str, None] = OrderedDict()

    async def deliver(self, messages: Sequence[Message]) -> list[Result]:
        """Send the messages in order; those without a proper address fail."""
        async with self._turn:
            await self._probe()
            results: list[Result] = []
            unreachable = ""
            for message in messages:
                if message.key in self._delivered:
                    results.append(Result(message.key, "delivered"))
                    continue
                try:
                    letter = self._sender.letter(message)
                    if not unreachable:
                        results.append(Result(message.key, *await self._send(message.key, letter)))
                        continue
                except LetterError as error:
                    results.append(Result(message.key, "failed", str(error)))
                    continue
                except _UnreachableError as error:
                    unreachable = str(error)
                results.append(Result(message.key, "retry", unreachable))
            return results

    async def close(self) -> None:
        """Say good-bye to the server and close the connection."""
        async with self._turn:
            if self._smtp is not None and self._smtp.is_connected:
                with contextlib.suppress(SMTPException, OSError):
                    await self._smtp.quit()
            self._drop()

    async def _send(self, key: str, letter: Letter) -> tuple[Kind, str]:
        smtp = await self._connected()
        try:
            await smtp.sendmail(self._sender.address, [letter.to], letter.content)
        except SMTPRecipientsRefused as error:
            return self._refusal(error.recipients[0])
        except SMTPResponseException as error:
            return self._refusal(error)
        except TimeoutError as error:
            self._drop()
            raise _UnreachableError(_reason(str(error))) from error
        except (SMTPException, OSError) as error:
            self._drop()
            return "retry", _reason(str(error))
        except BaseException:  # Cancelled: a late answer must not be taken for the next one's.
            self._drop()
            raise
        self._remember(key)
        return "delivered", ""

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._smtp is not None and self._smtp.is_connected:
            return self._smtp
        settings = self._settings
        smtp = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.user or None,
            password=settings.password or None,
            # The default asks DNS for this machine's name, which no timeout covers.
            local_hostname=self._sender.domain,
            timeout=settings.timeout_s,
            use_tls=settings.tls == "tls",
            start_tls=settings.tls == "starttls",
        )
        try:
            await smtp.connect()
        except (SMTPException, OSError, ValueError) as error:
            where = f"{settings.host}:{settings.port}"
            raise _UnreachableError(_reason(f"cannot connect to {where}: {error}")) from error
        self._smtp = smtp
        return smtp

    async def _probe(self) -> None:
        """Find out whether an idle connection still lives, before a message depends on it."""
        if self._smtp is not None and self._smtp.is_connected:
            try:
                await self._smtp.noop()
            except (SMTPException, OSError):
                self._drop()
            except BaseException:
                self._drop()
                raise

    def _refusal(self, error: SMTPResponseException) -> tuple[Kind, str]:
        reason = _reason(f"{error.code} {error.message}")
        if 500 <= error.code < 600 and error.code not in _ABOUT_US:
            return "failed", reason
        if not 400 <= error.code < 500:
            self._drop()  # Out of step, or logged out: only a new connection can mend it.
        return "retry", reason

    def _remember(self, key: str) -> None:
        if len(self._delivered) >= DELIVERED_KEYS_MAX:
            self._delivered.popitem(last=False)
        self._delivered[key] = None

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


def _reason(text: str) -> str:
    return one_line(text.encode(errors="replace").decode())[:_REASON_CHARS_MAX]
