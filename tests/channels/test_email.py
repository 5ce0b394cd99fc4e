"""E-mail over a real SMTP server: what is sent, what fails and what is tried again."""

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.channel import ChannelError, Result
from channels.email import EmailChannel, EmailSettings
from channels.letter import LetterError, Sender, mailbox
from channels.message import Message
from tests.channels.letters import MESSAGE, message
from tests.channels.mailbox import Postbox

SENDER = Sender("Müllers Laden <news@shop.example>")


def kinds(results: list[Result]) -> list[str]:
    return [each.kind for each in results]


async def test_a_letter_has_the_headers_and_text_it_should(postbox: Postbox) -> None:
    channel = EmailChannel(postbox.settings())
    assert await channel.deliver([MESSAGE]) == [Result(MESSAGE.key, "delivered")]
    await channel.close()
    (letter,) = postbox.letters
    assert postbox.recipients == ["anna@home.example"]
    assert letter["From"] == "Müllers Laden <news@shop.example>"
    assert letter["To"] == "anna@home.example"
    assert letter["Subject"] == "Schöne Grüße"
    assert letter["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert letter["Message-ID"] == "<5f3a.remind.1@shop.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content_type() == "text/plain"
    assert letter.get_content() == "Guten Tag, Frau Müller!\r\n"
    assert postbox.raw[0].isascii()


def test_the_same_message_has_the_same_bytes() -> None:
    assert SENDER.letter(MESSAGE) == Sender("Müllers Laden <news@shop.example>").letter(MESSAGE)


def test_the_longest_key_stays_whole_in_the_message_id() -> None:
    key = f"{'f' * 20}.{'n' * 64}.128"
    content = SENDER.letter(message(key)).content
    assert f"\r\nMessage-ID: <{key}@shop.example>\r\n".encode() in content


@given(subject=st.text(st.characters(codec="utf-8")), body=st.text(st.characters(codec="utf-8")))
def test_no_subject_or_body_adds_a_header(subject: str, body: str) -> None:
    head, _, _ = SENDER.letter(message(subject=subject, body=body)).content.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert names == [
        b"From",
        b"To",
        b"Subject",
        b"Date",
        b"Message-ID",
        b"Auto-Submitted",
        b"Content-Type",
        b"Content-Transfer-Encoding",
        b"MIME-Version",
    ]


@pytest.mark.parametrize(
    "subject",
    [
        "Hallo\r\nBcc: evil@x.example",
        "Hallo\nBcc: evil@x.example",
        "=?utf-8?q?Hallo=0D=0ABcc=3A_evil=40x.example?=",
        "=?utf-8?b?SGFsbG8NCkJjYzogZXZpbEB4LmV4YW1wbGU=?=",
        "Hallo\x00\x0bBcc: evil@x.example",
    ],
)
def test_a_subject_cannot_add_a_recipient(subject: str) -> None:
    content = SENDER.letter(message(subject=subject)).content
    assert b"\nBcc" not in content
    assert b"\x00" not in content


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("anna@home.example", "anna@home.example"),
        ("o'neill+shop@home.example", "o'neill+shop@home.example"),
        ("anna@müller.example", "anna@xn--mller-kva.example"),
        ("postmaster@localhost", "postmaster@localhost"),
    ],
)
def test_an_address_is_taken_as_smtp_writes_it(written: str, used: str) -> None:
    assert mailbox(written) == used


@pytest.mark.parametrize(
    "address",
    [
        "anna",
        "@home.example",
        "anna@",
        "änna@home.example",
        "anna@home.example, bert@home.example",
        "anna@home.example\r\nRCPT TO:<evil@x.example>",
        "anna@home.example\n",
        "Anna <anna@home.example>",
        "anna@home..example",
        "anna bert@home.example",
        "a" * 65 + "@home.example",
        "a@" + ".".join(["b" * 60] * 5),
    ],
)
async def test_an_address_that_smtp_cannot_use_fails_with_a_reason(
    postbox: Postbox, address: str
) -> None:
    channel = EmailChannel(postbox.settings())
    results = await channel.deliver([message("a.n.1", to=address), message("b.n.1")])
    await channel.close()
    assert kinds(results) == ["failed", "delivered"]
    assert "address" in results[0].reason
    assert postbox.recipients == ["anna@home.example"]


async def test_a_contact_without_address_fails_without_a_connection(postbox: Postbox) -> None:
    channel = EmailChannel(postbox.settings())
    assert await channel.deliver([message(to="")]) == [
        Result(MESSAGE.key, "failed", "no e-mail address")
    ]
    assert postbox.connections == []


async def test_5xx_fails_and_4xx_is_tried_again_later(postbox: Postbox) -> None:
    postbox.answers = {"no@x.example": "550 5.1.1 who?", "later@x.example": "451 4.7.1 greylisted"}
    postbox.data_answers = {"spam@x.example": "554 5.7.1 spam", "full@x.example": "452 4.3.1 full"}
    recipients = ["no@x.example", "later@x.example", "spam@x.example", "full@x.example"]
    batch = [message(f"v{i}.n.1", to=to) for i, to in enumerate(recipients)]
    channel = EmailChannel(postbox.settings())
    results = await channel.deliver([*batch, message("ok.n.1")])
    await channel.close()
    assert [(each.kind, each.reason) for each in results] == [
        ("failed", "550 5.1.1 who?"),
        ("retry", "451 4.7.1 greylisted"),
        ("failed", "554 5.7.1 spam"),
        ("retry", "452 4.3.1 full"),
        ("delivered", ""),
    ]
    assert len(postbox.connections) == 1
    assert postbox.recipients == ["anna@home.example"]


async def test_a_message_put_off_is_sent_when_it_comes_again(postbox: Postbox) -> None:
    channel = EmailChannel(postbox.settings())
    postbox.answers = {MESSAGE.to: "451 later"}
    assert kinds(await channel.deliver([MESSAGE])) == ["retry"]
    postbox.answers = {}
    assert kinds(await channel.deliver([MESSAGE])) == ["delivered"]
    await channel.close()
    assert len(postbox.raw) == 1


async def test_a_login_the_server_misses_fails_no_message(postbox: Postbox) -> None:
    postbox.sender_answer = "530 5.7.0 authentication required"
    channel = EmailChannel(postbox.settings())
    assert kinds(await channel.deliver([MESSAGE])) == ["retry"]
    await channel.close()


async def test_one_connection_carries_many_batches(postbox: Postbox) -> None:
    channel = EmailChannel(postbox.settings())
    for number in range(3):
        await channel.deliver([message(f"v{number}.n.1")])
    await channel.close()
    assert (len(postbox.connections), len(postbox.raw)) == (1, 3)


async def test_an_idle_connection_the_server_closed_is_renewed_unnoticed(postbox: Postbox) -> None:
    channel = EmailChannel(postbox.settings())
    await channel.deliver([message("a.n.1")])
    await postbox.hang_up()
    assert kinds(await channel.deliver([message("b.n.1")])) == ["delivered"]
    await channel.close()
    assert (len(postbox.connections), len(postbox.raw)) == (2, 2)


async def test_a_connection_lost_in_between_delays_only_the_message_it_met(
    postbox: Postbox,
) -> None:
    postbox.hang_up_on = {"b@x.example"}
    batch = [message(f"{name}.n.1", to=f"{name}@x.example") for name in "abc"]
    channel = EmailChannel(postbox.settings())
    results = await channel.deliver(batch)
    assert kinds(results) == ["delivered", "retry", "delivered"]
    assert results[1].reason
    assert kinds(await channel.deliver(batch)) == ["delivered"] * 3
    await channel.close()
    assert postbox.recipients == ["a@x.example", "c@x.example", "b@x.example"]


async def test_a_server_that_is_not_there_puts_the_whole_batch_off() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        channel = EmailChannel(EmailSettings(host="127.0.0.1", port=port, sender="a@shop.example"))
        results = await channel.deliver([message("a.n.1"), message("b.n.1", to=""), MESSAGE])
    assert kinds(results) == ["retry", "failed", "retry"]
    assert results[0].reason.startswith(f"cannot connect to 127.0.0.1:{port}: ")
    await channel.close()


async def test_the_server_is_greeted_with_the_senders_domain(postbox: Postbox) -> None:
    channel = EmailChannel(postbox.settings())
    await channel.deliver([MESSAGE])
    session = postbox.connections[0].session
    assert session is not None
    assert session.host_name == "shop.example"
    await channel.close()


async def test_a_silent_server_costs_a_batch_one_timeout(postbox: Postbox) -> None:
    batch = [message(f"v{i}.n.1", to="mute@x.example") for i in range(50)]
    postbox.silent_for = {"mute@x.example"}
    channel = EmailChannel(postbox.settings(timeout_s=0.5))
    results = await channel.deliver([message("a.n.1"), *batch])
    assert kinds(results) == ["delivered"] + ["retry"] * 50
    assert len(postbox.connections) == 1
    await channel.close()


async def test_a_server_without_starttls_gets_nothing_in_the_clear(postbox: Postbox) -> None:
    channel = EmailChannel(postbox.settings(tls="starttls"))
    assert kinds(await channel.deliver([MESSAGE])) == ["retry"]
    assert postbox.raw == []
    await channel.close()


async def test_after_a_cancelled_call_no_late_answer_is_taken_for_another_message(
    postbox: Postbox,
) -> None:
    postbox.silent_for = {"mute@x.example"}
    postbox.answers = {"mute@x.example": "250 OK"}
    channel = EmailChannel(postbox.settings())
    call = asyncio.ensure_future(channel.deliver([message("a.n.1", to="mute@x.example")]))
    await postbox.silent.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    postbox.silence_over.set()
    assert kinds(await channel.deliver([message("b.n.1")])) == ["delivered"]
    await channel.close()
    assert len(postbox.connections) == 2


async def test_only_so_many_keys_are_remembered(
    postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.email.DELIVERED_KEYS_MAX", 2)
    channel = EmailChannel(postbox.settings())
    await channel.deliver([message(f"{name}.n.1") for name in "abcacb"])
    await channel.close()
    assert [letter["Message-ID"][1] for letter in postbox.letters] == ["a", "b", "c", "a", "b"]


@pytest.mark.parametrize("sender", ["", "Shop", "Shop <news@>", "a@x.example, b@x.example"])
def test_a_sender_that_is_no_address_is_refused_at_once(sender: str) -> None:
    with pytest.raises(ChannelError, match=r"^email\.sender: "):
        EmailChannel(EmailSettings(host="x", sender=sender))


def test_settings_never_show_the_password() -> None:
    settings = EmailSettings(host="x", sender="a@x.example", user="u", password="secret")
    assert "secret" not in repr(settings)


@pytest.mark.parametrize("unfit", [message(body="\ud800"), message(at_ms=10**18)])
def test_what_no_e_mail_can_say_is_no_letter(unfit: Message) -> None:
    with pytest.raises(LetterError, match="cannot be written"):
        SENDER.letter(unfit)
