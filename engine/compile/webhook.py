"""A webhook's node -> its place: what is asked must be a request that a server can get."""

import re
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from engine.compile.change import compile_filling
from engine.fold.webhook import Webhook
from engine.language.author import Reader
from engine.language.node import WebhookNode
from engine.limits import REQUEST_HEADERS_MAX, REQUEST_URL_CHARS_MAX, WAIT_MS_MAX

URL_FORM: Final = re.compile(r"[!-~]+")
HEADER_FORM: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
OWN_HEADERS: Final = (
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
)
"""Headers that the channel sets, or must not have."""


def compile_webhook(
    node: WebhookNode, then: str, otherwise: str, path: str, reader: Reader
) -> Webhook:
    """Return the place; mistakes are noted, and then it must not run."""
    _check_url(node.webhook, f"{path}.webhook", reader)
    _check_headers(node.headers, f"{path}.headers", reader)
    if node.method == "GET":
        _check_query(node.body, f"{path}.body", reader)
    timeout_ms = reader.read_span(node.timeout, f"{path}.timeout", WAIT_MS_MAX)
    place = Webhook(node.id, then, otherwise, node.timeout, timeout_ms)
    headers = compile_filling(node.headers, f"{path}.headers", reader)
    body = compile_filling(node.body, f"{path}.body", reader)
    place.ask(node.webhook, node.method, headers, body)
    return place


def _check_url(url: str, path: str, reader: Reader) -> None:
    fix = "write it like https://shop.example/hook; what it is to know stands in `body`"
    if len(url) > REQUEST_URL_CHARS_MAX:
        fix = f"{REQUEST_URL_CHARS_MAX} at most; longer things stand in `body`"
        reader.add(path, f"{len(url)} characters", fix)
    elif not _is_web(url):
        reader.add(path, f"{url!r:.100} is no address of a server", fix)
    elif "{" in url or "}" in url:
        reader.add(path, f"{url!r:.100} has braces, and nothing is put in for them", fix)


def _is_web(url: str) -> bool:
    parts = _parts_of(url)
    if parts is None or parts.scheme not in ("http", "https"):
        return False
    return bool(parts.hostname) and "@" not in parts.netloc and not parts.fragment


def _parts_of(url: str) -> SplitResult | None:
    """Return the parts of a URL; None where it can have none."""
    if not URL_FORM.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # It is read only here.
    except ValueError:
        return None
    return parts


def _check_headers(headers: dict[str, Any], path: str, reader: Reader) -> None:
    if len(headers) > REQUEST_HEADERS_MAX:
        reader.add(path, f"{len(headers)} headers", f"{REQUEST_HEADERS_MAX} at most")
    for name, value in headers.items():
        if not HEADER_FORM.fullmatch(name):
            reader.add(f"{path}.{name}", f"{name!r:.60} is no header", "use letters, digits and -")
        elif name.lower() in OWN_HEADERS:
            fix = "leave it out: the channel sets what is needed"
            reader.add(f"{path}.{name}", f"{name} is not the journey's to set", fix)
        _check_plain(value, f"{path}.{name}", reader)


def _check_query(body: dict[str, Any], path: str, reader: Reader) -> None:
    """Check the body of a GET, which comes into the URL."""
    for name, value in body.items():
        _check_plain(value, f"{path}.{name}", reader)


def _check_plain(value: Any, path: str, reader: Reader) -> None:
    taken = isinstance(value, dict) and "from" in value
    if not taken and not isinstance(value, str | int | float):
        problem = f"{value!r:.60} is no text or number"
        reader.add(path, problem, "write one, or `{from: contact.tier}`")
