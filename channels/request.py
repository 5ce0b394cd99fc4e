"""Request: what a webhook's message asks of which server, as bytes."""

import base64
import hashlib
import hmac
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from channels.message import Message, one_line
from engine.decision import Delivery

PORTS: Final = {"http": 80, "https": 443}
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - it says that a secret follows
AGENT: Final = b"anlass"

Origin = tuple[str, str, int]
"""Scheme, host and port: what an operator allows."""


class RequestError(ValueError):
    """There is no such request, or it can be put to nobody; the text says why."""


class WebRequest(Struct, frozen=True, kw_only=True, gc=False):
    """A request, ready to be put."""

    origin: Origin
    method: str
    url: str
    headers: list[tuple[bytes, bytes]]
    content: bytes


def origin_of(url: str) -> Origin:
    """Return the origin of a URL. Raises RequestError where it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise RequestError(f"{url!r:.100} is no http or https address") from None
    if not parts.hostname:
        raise RequestError(f"{url!r:.100} names no host")
    return parts.scheme, parts.hostname, port


def allowed_origin(said: str) -> Origin:
    """Return the origin that an operator means: `https`, unless it begins with `http://`.

    Raises RequestError where it is none, or names more than a host and a port.
    """
    url = said if "://" in said else f"https://{said}"
    if url.partition("://")[2].strip("/") != urlsplit(url).netloc or "@" in url or "*" in url:
        fix = "write hosts like api.example.com, api.example.com:8443 or http://127.0.0.1:8000"
        raise RequestError(f"{said!r:.100} is no host; {fix}")
    return origin_of(url)


def request_of(message: Message) -> WebRequest:
    """Return what a webhook's message asks. Raises RequestError where that cannot be asked."""
    said = message.request
    if said is None:
        raise RequestError("nothing is known any more of what it was to ask")
    url, method, body = said["url"], said["method"], said["body"]
    if method == "GET":
        url, content = _with_query(url, body), b""
    else:
        content = _json(body)
    headers = {
        b"accept": b"application/json",
        b"user-agent": AGENT,
        **{name.lower().encode(): _header(value) for name, value in said["headers"].items()},
        b"accept-encoding": b"identity",  # A small answer may unpack to a very long one.
        b"content-type": b"application/json",
        b"idempotency-key": message.key.encode(),
    }
    origin = origin_of(url)
    return WebRequest(
        origin=origin, method=method, url=url, headers=list(headers.items()), content=content
    )


def message_of(delivery: Delivery) -> Message:
    """Return the message of a webhook, for which no template is rendered.

    Address, subject and body say the request in words, for channels that ask no server.
    """
    said = delivery.request or {}
    return Message(
        key=delivery.key,
        contact=delivery.contact,
        journey=delivery.journey,
        node=delivery.node,
        channel=delivery.channel,
        at_ms=delivery.at_ms,
        purpose=delivery.purpose,
        to=said.get("url", ""),
        language="",
        subject=said.get("method", ""),
        body=_json(said.get("body", {})).decode(),
        request=delivery.request,
    )


def signing_key(secret: str) -> bytes:
    """Return the bytes of a secret: what follows `whsec_` is base64, any other text is itself.

    Raises RequestError where it is no base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        raise RequestError("what follows `whsec_` in the secret is no base64") from None


def signature(
    key: bytes, message_key: str, now_s: int, content: bytes
) -> list[tuple[bytes, bytes]]:
    """Return the headers by which a receiver knows who asks, as Standard Webhooks has them."""
    signed = f"{message_key}.{now_s}.".encode() + content
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    return [
        (b"webhook-id", message_key.encode()),
        (b"webhook-timestamp", str(now_s).encode()),
        (b"webhook-signature", b"v1," + digest),
    ]


def _with_query(url: str, fields: dict[str, Any]) -> str:
    if not fields:
        return url
    query = urlencode({name: _bytes(value) for name, value in fields.items()})
    return f"{url}{'&' if urlsplit(url).query else '?'}{query}"


def _header(value: Any) -> bytes:
    """Return a header's value on one line: a line break would open another."""
    return one_line(_bytes(value).decode()).encode()


def _bytes(value: Any) -> bytes:
    """Return a text as it is, and any other value as JSON."""
    try:
        return value.encode() if isinstance(value, str) else _json(value)
    except UnicodeEncodeError as error:
        raise RequestError(f"no valid Unicode: {error.reason}") from None


def _json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError) as error:  # Half a surrogate pair, say.
        raise RequestError(f"cannot be written as JSON: {error}") from None
