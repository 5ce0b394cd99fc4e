"""Webhooks: only allowed servers are asked, and whatever they answer is bounded."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from channels.channel import ChannelError, Result
from channels.render import Renderer, RenderError
from channels.webhook import ANSWER_BYTES_MAX, WebhookChannel, WebhookSettings
from tests.channels.letters import NOW_MS, asking, delivery, read_ms
from tests.channels.web_server import WebServer, response

CUT = {"cut": True}


@pytest_asyncio.fixture
async def channel(web_server: WebServer) -> AsyncIterator[WebhookChannel]:
    channel = WebhookChannel(web_server.settings(), read_ms)
    yield channel
    await channel.close()


async def one(channel: WebhookChannel, url: str, **request: Any) -> Result:
    (result,) = await channel.deliver([asking(url, **request)])
    return result


async def test_a_request_has_its_key_its_headers_and_its_body(
    web_server: WebServer, channel: WebhookChannel
) -> None:
    web_server.answers["/hook"] = response(body={"tier": "gold"})
    result = await one(
        channel,
        f"{web_server.host}/hook?a=1",
        method="PUT",
        headers={"X-Tier": "gold", "X-Count": 5, "Accept": "text/plain"},
        body={"who": "Müller", "sizes": [38, 40]},
    )
    assert result.answer == {"status": 200, "body": {"tier": "gold"}}
    (asked,) = web_server.asked
    assert (asked.method, asked.target) == ("PUT", "/hook?a=1")
    assert json.loads(asked.content) == {"who": "Müller", "sizes": [38, 40]}
    wanted = {
        "x-tier": "gold",
        "x-count": "5",
        "accept": "text/plain",
        "content-type": "application/json",
        "idempotency-key": "5f3a.remind.1",
    }
    assert wanted.items() <= asked.headers.items()
    assert not [name for name in asked.headers if name.startswith("webhook-")]


@pytest.mark.parametrize(("url", "opens"), [("/hook", "?"), ("/hook?a=1", "&")])
async def test_what_a_get_is_to_tell_comes_into_its_query(
    web_server: WebServer, channel: WebhookChannel, url: str, opens: str
) -> None:
    body = {"who": "Müller & Co", "count": 5, "known": True}
    await one(channel, f"{web_server.host}{url}", method="GET", body=body)
    (asked,) = web_server.asked
    assert asked.target == f"{url}{opens}who=M%C3%BCller+%26+Co&count=5&known=true"
    assert asked.content == b""


async def test_a_value_cannot_open_another_header(
    web_server: WebServer, channel: WebhookChannel
) -> None:
    headers = {"X-Name": "Ida\r\nX-Evil: 1\r\n\r\nGET /admin"}
    await one(channel, f"{web_server.host}/hook", headers=headers)
    (asked,) = web_server.asked
    assert "x-evil" not in asked.headers
    assert asked.headers["x-name"] == "Ida X-Evil: 1 GET /admin"


@pytest.mark.parametrize("raw", [b"a secret that is kept by two", b"whsec"])
async def test_a_secret_signs_what_is_asked(web_server: WebServer, raw: bytes) -> None:
    secret = f"whsec_{base64.b64encode(raw).decode()}" if raw != b"whsec" else "whsec"
    channel = WebhookChannel(web_server.settings(secret=secret), read_ms)
    await one(channel, f"{web_server.host}/hook", body={"a": 1})
    await channel.close()
    (asked,) = web_server.asked
    key, at_s = asked.headers["webhook-id"], asked.headers["webhook-timestamp"]
    assert (key, int(at_s)) == (asked.key, NOW_MS // 1000)
    signed = f"{key}.{at_s}.".encode() + asked.content
    expected = base64.b64encode(hmac.digest(raw, signed, hashlib.sha256)).decode()
    assert asked.headers["webhook-signature"] == f"v1,{expected}"
    assert secret not in repr(web_server.settings(secret=secret))


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        ("200 OK", "delivered", ""),
        ("201 Created", "delivered", ""),
        ("400 Bad Request", "failed", "400 Bad Request"),
        ("404 Not Found", "failed", "404 Not Found"),
        ("408 Request Timeout", "retry", "408 Request Timeout"),
        ("429 Too Many Requests", "retry", "429 Too Many Requests"),
        ("500 Internal Server Error", "retry", "500 Internal Server Error"),
        ("503 Service Unavailable", "retry", "503 Service Unavailable"),
    ],
)
async def test_what_a_status_means(
    web_server: WebServer, channel: WebhookChannel, status: str, kind: str, reason: str
) -> None:
    web_server.answers["/hook"] = response(status, {"said": "so"})
    result = await one(channel, f"{web_server.host}/hook")
    answer = None if kind == "retry" else {"status": int(status[:3]), "body": {"said": "so"}}
    assert (result.kind, result.reason, result.answer) == (kind, reason, answer)


async def test_one_to_be_tried_again_is_asked_again(
    web_server: WebServer, channel: WebhookChannel
) -> None:
    url = f"{web_server.host}/hook"
    web_server.answers["/hook"] = response("503 Service Unavailable")
    assert (await one(channel, url)).kind == "retry"
    web_server.answers["/hook"] = response(body={"now": True})
    assert (await one(channel, url)).answer == {"status": 200, "body": {"now": True}}
    assert len({asked.key for asked in web_server.asked}) == 1
    assert (await one(channel, url)).answer == {"status": 200, "body": {"now": True}}
    assert len(web_server.asked) == 2


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
async def test_no_redirect_is_followed(
    web_server: WebServer, channel: WebhookChannel, status: str
) -> None:
    web_server.answers["/hook"] = response(status, b"", location=f"{web_server.host}/admin")
    result = await one(channel, f"{web_server.host}/hook")
    assert (result.kind, result.reason) == ("failed", f"{status}: redirects are not followed")
    assert [asked.target for asked in web_server.asked] == ["/hook"]


@pytest.mark.parametrize(
    ("said", "body", "cut"),
    [
        (b"", None, {}),
        (b"ok", None, {}),
        (b"<html>", None, {}),
        (b"\xff\xfe", None, {}),
        (b"[1, null, {}]", [1, None, {}], {}),
        (b'"ok"', "ok", {}),
        (b"[" * 60_000, None, {}),
        (b'{"a": 123456789012345678901234567890}', None, CUT),
        (b'{"a": 1, "b": "' + b"x" * 5_000 + b'"}', {"a": 1}, CUT),
        (b'"' + b"x" * ANSWER_BYTES_MAX + b'"', None, CUT),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_an_answer_that_is_no_plain_json_is_kept_as_far_as_it_can_be(
    web_server: WebServer, channel: WebhookChannel, said: bytes, body: Any, cut: dict[str, bool]
) -> None:
    web_server.answers["/hook"] = response(body=said)
    result = await one(channel, f"{web_server.host}/hook")
    answer = {"status": 200, "body": body} | cut
    assert (result.kind, result.answer) == ("delivered", answer)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(result.answer)) == answer


async def test_an_endless_answer_is_not_read_to_its_end(
    web_server: WebServer, channel: WebhookChannel
) -> None:
    web_server.endless_for.add("/hook")
    result = await one(channel, f"{web_server.host}/hook")
    assert result.answer == {"status": 200, "body": None, "cut": True}
    async with asyncio.timeout(20):
        await web_server.left.wait()


@pytest.mark.parametrize("behaviour", ["silent_for", "trickling_for"])
async def test_a_slow_server_is_left_and_asked_again(web_server: WebServer, behaviour: str) -> None:
    getattr(web_server, behaviour).add("/hook")
    channel = WebhookChannel(web_server.settings(timeout_s=0.2), read_ms)
    result = await one(channel, f"{web_server.host}/hook")
    assert (result.kind, result.reason) == ("retry", "no whole answer within 0.2 s")
    async with asyncio.timeout(20):
        await web_server.left.wait()
    await channel.close()


async def test_a_slow_server_holds_up_no_other_message(
    web_server: WebServer, channel: WebhookChannel
) -> None:
    web_server.silent_for.add("/slow")
    slow = asyncio.create_task(channel.deliver([asking(f"{web_server.host}/slow", "a.n.1")]))
    async with asyncio.timeout(10):
        (result,) = await channel.deliver([asking(f"{web_server.host}/hook", "b.n.1")])
    assert result.kind == "delivered"
    assert not slow.done()
    web_server.hang_up()
    assert [each.kind for each in await slow] == ["retry"]


async def test_a_call_that_is_cancelled_takes_nothing_from_another(
    web_server: WebServer, channel: WebhookChannel
) -> None:
    web_server.silent_for.add("/hook")
    batch = [asking(f"{web_server.host}/hook")]
    first, second = (asyncio.create_task(channel.deliver(batch)) for _ in range(2))
    async with asyncio.timeout(10):
        while not web_server.asked:  # noqa: ASYNC110 - the server has no event
            await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    web_server.hang_up()
    assert [each.kind for each in await second] == ["retry"]
    assert len(web_server.asked) == 1


async def test_where_nobody_listens_it_is_tried_again(
    web_server: WebServer, unused_tcp_port: int
) -> None:
    host = f"http://127.0.0.1:{unused_tcp_port}"
    channel = WebhookChannel(web_server.settings(hosts=[host]), read_ms)
    result = await one(channel, f"{host}/hook")
    await channel.close()
    assert result.kind == "retry"
    assert f"127.0.0.1:{unused_tcp_port}" in result.reason


async def test_a_server_that_hangs_up_is_asked_again(
    web_server: WebServer, channel: WebhookChannel
) -> None:
    web_server.hang_up_on.add("/hook")
    assert (await one(channel, f"{web_server.host}/hook")).kind == "retry"
    web_server.hang_up_on.clear()
    assert (await one(channel, f"{web_server.host}/hook")).kind == "delivered"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:{port}/hook",
        "http://127.0.0.1/hook",
        "https://127.0.0.1:{port}/hook",
        "http://127.0.0.1:{port}@evil.example/",
        "http://evil.example:{port}/",
        "file:///etc/passwd",
        "http://127.0.0.1:port/",
    ],
)
async def test_a_server_that_is_not_allowed_is_not_asked(
    web_server: WebServer, channel: WebhookChannel, url: str
) -> None:
    result = await one(channel, url.format(port=web_server.port))
    assert result.kind == "failed"
    assert result.answer is None
    assert web_server.asked == []
    assert web_server.connections == 0


async def test_no_cookie_of_one_answer_comes_with_what_is_asked_next(
    web_server: WebServer, channel: WebhookChannel
) -> None:
    web_server.answers["/hook"] = response(body={}, set_cookie="session=1; Path=/")
    for key in ("a.n.1", "b.n.1"):
        await channel.deliver([asking(f"{web_server.host}/hook", key)])
    assert ["cookie" in asked.headers for asked in web_server.asked] == [False, False]


async def test_no_proxy_of_the_environment_is_asked(
    web_server: WebServer, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_tcp_port}")
    monkeypatch.setenv("NO_PROXY", "")
    channel = WebhookChannel(web_server.settings(), read_ms)
    assert (await one(channel, f"{web_server.host}/hook")).kind == "delivered"
    await channel.close()


async def test_a_message_of_which_the_request_is_gone_fails(channel: WebhookChannel) -> None:
    message = Renderer({}, "en").render(delivery(channel="webhook", request=None))
    (result,) = await channel.deliver([message])
    assert (result.kind, result.answer) == ("failed", None)
    assert result.reason == "nothing is known any more of what it was to ask"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "https://",
        "*.example.com",
        "ftp://example.com",
        "user@example.com",
        "example.com/path",
        "https://example.com?a",
        "example.com:port",
        "example.com:99999",
    ],
)
def test_what_is_no_host_cannot_be_allowed(host: str) -> None:
    with pytest.raises(ChannelError, match=r"is no host|is no http|names no host"):
        WebhookChannel(WebhookSettings(hosts=[host]), read_ms)


def test_a_secret_that_is_no_base64_is_refused() -> None:
    with pytest.raises(ChannelError, match="no base64"):
        WebhookChannel(WebhookSettings(hosts=["a.example"], secret="whsec_ä"), read_ms)


def test_a_request_is_rendered_without_a_template() -> None:
    request = {
        "url": "https://a.example/hook",
        "method": "POST",
        "headers": {},
        "body": {"tier": "gold"},
    }
    message = Renderer({}, "en").render(delivery(channel="webhook", template="", request=request))
    assert (message.to, message.subject) == ("https://a.example/hook", "POST")
    assert message.body == '{"tier":"gold"}'
    assert message.request == request


def test_a_request_that_is_no_unicode_cannot_be_rendered() -> None:
    request = {"url": "https://a.example", "method": "POST", "headers": {}, "body": {"a": "\ud800"}}
    with pytest.raises(RenderError, match="cannot be written as JSON"):
        Renderer({}, "en").render(delivery(channel="webhook", request=request))
