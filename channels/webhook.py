"""Webhook: a channel that asks servers, and brings back what they answer."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Annotated, Any, Final

import httpx
import msgspec
from msgspec import Meta, Struct

from channels.channel import ChannelError, Kind, Result
from channels.message import Message, one_line
from channels.request import (
    Origin,
    RequestError,
    WebRequest,
    allowed_origin,
    request_of,
    signature,
    signing_key,
)
from engine.contacts.answer import web_answer

ANSWER_BYTES_MAX: Final = 64 << 10
"""Of an answer's body that are read; of one that is longer nothing is kept but its status."""

CONNECTIONS_MAX: Final = 32
"""Requests under way at once; the others wait for their turn."""

ANSWERED_KEYS_MAX: Final = 10_000
"""Keys whose results are remembered, 2 kB each at most: a repeat within one life of the courier is
answered with the same. Across lives the server knows it by its idempotency key."""

NOT_NOW: Final = frozenset({408, 425, 429})
"""Beside the 5xx: the server may answer otherwise later."""

_REASON_CHARS_MAX: Final = 200


class WebhookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which servers journeys may ask, and how these know who asks. See docs/journeys.md."""

    hosts: Annotated[list[str], Meta(min_length=1, max_length=1_000)]
    """`api.example.com`, `api.example.com:8443`; `http://127.0.0.1:8000` allows plain HTTP."""
    secret: str = ""
    """Signs requests as Standard Webhooks has it; empty for no signature."""
    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 10
    """Longest wait for a whole answer."""

    def __repr__(self) -> str:
        return f"WebhookSettings({', '.join(self.hosts)})"


def check_webhooks(settings: WebhookSettings) -> tuple[frozenset[Origin], bytes]:
    """Return the origins that are allowed, and the key that signs.

    Raises:
        ChannelError: A host is none, or the secret cannot be read.
    """
    try:
        return frozenset(map(allowed_origin, settings.hosts)), signing_key(settings.secret)
    except RequestError as error:
        raise ChannelError(f"channels.webhook: {error}") from None


class WebhookChannel:
    """Asks allowed servers only, and follows no redirect to others.

    A 2xx is `delivered`, with the answer. 408, 425, 429, 5xx, silence and a connection that fails
    are `retry`. All else is `failed`, with the answer where there was one.
    """

    def __init__(self, settings: WebhookSettings, read_ms: Callable[[], int]) -> None:
        """Keep the settings; connections are made when there is something to ask.

        `read_ms` reads the time of day, which a signature says.

        Raises:
            ChannelError: See check_webhooks.
        """
        self._allowed, self._key = check_webhooks(settings)
        self._timeout_s = settings.timeout_s
        self._read_ms = read_ms
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            timeout=None,  # noqa: S113 - one span for the whole exchange bounds all of it
            trust_env=False,  # No proxy that nobody named in the settings.
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            # What one journey is told must not come with what another asks.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)
        self._under_way: dict[str, asyncio.Task[Result]] = {}
        self._answered: OrderedDict[str, Result] = OrderedDict()

    async def deliver(self, messages: Sequence[Message]) -> list[Result]:
        """Ask for all messages at the same time; a call that is cancelled lets them come to an end.

        One dead server costs a batch one timeout, and delays none that asks another.
        """
        tries = {message.key: self._try(message) for message in messages}
        results = await asyncio.gather(*map(asyncio.shield, tries.values()))
        by_key = dict(zip(tries, results, strict=True))
        return [by_key[message.key] for message in messages]

    async def close(self) -> None:
        """Close all connections, when what is under way has come to an end."""
        await asyncio.gather(*self._under_way.values())
        await self._client.aclose()

    def _try(self, message: Message) -> asyncio.Task[Result]:
        """Return the one try of a key that is under way, or begin it."""
        task = self._under_way.get(message.key)
        if task is None:
            task = asyncio.create_task(self._settle(message))
            self._under_way[message.key] = task
            task.add_done_callback(lambda _: self._under_way.pop(message.key))
        return task

    async def _settle(self, message: Message) -> Result:
        known = self._answered.get(message.key)
        if known is not None:
            return known
        try:
            request = request_of(message)
            self._check_allowed(request)
            async with self._turns:
                result = await self._ask(message.key, request)
        except RequestError as error:
            return Result(message.key, "failed", _reason(str(error)))
        except Exception as error:  # noqa: BLE001 - no message may end the others' batch
            return Result(message.key, "retry", _reason(f"the channel broke: {error!r}"))
        if result.kind == "delivered":
            self._remember(result)
        return result

    def _check_allowed(self, request: WebRequest) -> None:
        scheme, host, port = request.origin
        if request.origin not in self._allowed:
            where = f"{scheme}://{host}:{port}"
            fix = "the operator may name it in channels.webhook.hosts of anlass.yaml"
            raise RequestError(f"{where} is not allowed; {fix}")

    async def _ask(self, key: str, request: WebRequest) -> Result:
        """Put a request. Raises RequestError where it can never be put."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(key, request)
        except TimeoutError:
            return Result(key, "retry", f"no whole answer within {self._timeout_s:g} s")
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise RequestError(f"{type(error).__name__}: {error}") from None
        except (httpx.HTTPError, OSError) as error:
            where = f"{request.origin[1]}:{request.origin[2]}"
            return Result(key, "retry", _reason(f"{where}: {type(error).__name__} {error}"))

    async def _exchange(self, key: str, request: WebRequest) -> Result:
        headers = request.headers
        if self._key:
            headers = headers + signature(self._key, key, self._read_ms() // 1000, request.content)
        async with self._client.stream(
            request.method, request.url, headers=headers, content=request.content
        ) as response:
            content, whole = await _read(response)
        kind, reason = _judge(response)
        if kind == "retry":
            return Result(key, kind, reason)
        body, kept = _decode(content) if whole else (None, False)
        return Result(key, kind, reason, web_answer(response.status_code, body, whole=kept))

    def _remember(self, result: Result) -> None:
        if len(self._answered) >= ANSWERED_KEYS_MAX:
            self._answered.popitem(last=False)
        self._answered[result.key] = result


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    """Return the body as it came, and whether that is all of it; no more is read than is kept."""
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            return b"", False
    return bytes(content), True


def _decode(content: bytes) -> tuple[Any, bool]:
    """Return what is said as JSON, None where it is none; and whether it could be kept."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None, True
    try:
        msgspec.msgpack.encode(body)
    except (OverflowError, ValueError, RecursionError):  # A giant number: no link or log has it.
        return None, False
    return body, True


def _judge(response: httpx.Response) -> tuple[Kind, str]:
    status = response.status_code
    if 200 <= status < 300:
        return "delivered", ""
    reason = _reason(f"{status} {response.reason_phrase}")
    if 300 <= status < 400:
        return "failed", f"{reason}: redirects are not followed"
    return ("retry" if status >= 500 or status in NOT_NOW else "failed"), reason


def _reason(text: str) -> str:
    return one_line(text.encode(errors="replace").decode())[:_REASON_CHARS_MAX]
