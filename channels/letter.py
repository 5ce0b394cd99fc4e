"""Letter: a message as the bytes of an e-mail."""

import re
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import getaddresses
from typing import Final

from msgspec import Struct

from channels.message import Message, one_line

ADDRESS_CHARS_MAX: Final = 254
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class LetterError(Exception):
    """A message cannot be an e-mail, now or ever."""


class Letter(Struct, frozen=True):
    """Whom the server is asked to deliver to, and what."""

    to: str
    content: bytes


class Sender:
    """Writes letters from one address."""

    def __init__(self, text: str) -> None:
        """Take an address, with or without a name before it.

        Raises:
            LetterError: It is no address that SMTP can use.
        """
        found = getaddresses([text])
        if len(found) != 1:
            raise LetterError(f"{text!r:.80} is not one e-mail address")
        name, address = found[0]
        self.address = mailbox(address or text)
        self.domain = self.address.rpartition("@")[2]
        self._from = Address(display_name=_header(name), addr_spec=self.address)

    def letter(self, message: Message) -> Letter:
        """Write the message as an e-mail; the same message always gives the same bytes.

        Raises:
            LetterError: The contact has no usable address, or the text is no valid Unicode.
        """
        to = mailbox(message.to)
        try:
            return Letter(to, self._write(message, to).as_bytes(policy=SMTP))
        except (MessageError, ValueError, LookupError) as error:
            raise LetterError(f"cannot be written as an e-mail: {error}") from error

    def _write(self, message: Message, to: str) -> EmailMessage:
        letter = EmailMessage(policy=SMTP)
        letter["From"] = self._from
        letter["To"] = Address(addr_spec=to)
        letter["Subject"] = _header(message.subject)
        letter["Date"] = datetime.fromtimestamp(message.at_ms // 1000, UTC)
        letter["Message-ID"] = f"<{message.key}@{self.domain}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(message.body, charset="utf-8", cte="quoted-printable")
        return letter


def mailbox(address: str) -> str:
    """Return the address as SMTP takes it: ASCII, an umlaut domain in its `xn--` form.

    Raises:
        LetterError: It is none, or needs SMTPUTF8 (non-ASCII before the @), or holds a second.
    """
    if not address:
        raise LetterError("no e-mail address")
    local, _, domain = address.rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        domain = ""
    if not (_LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)):
        raise LetterError(f"{address!r:.80} is no e-mail address that can be used")
    if len(local) + 1 + len(domain) > ADDRESS_CHARS_MAX:
        raise LetterError(f"the e-mail address has more than {ADDRESS_CHARS_MAX} characters")
    return f"{local}@{domain}"


def _header(text: str) -> str:
    # Python before 3.12.5 decodes `=?utf-8?q?=0D=0A?=` in a header's value and writes the line
    # break out raw (CVE-2024-6923): a contact's name could add a Bcc.
    return one_line(text).replace("=?", "= ?")
