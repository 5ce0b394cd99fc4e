"""Newer code folds an older log otherwise: what was recorded of a message holds all the same."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from actors.frame import Frame, PublishRecord, decode_frame, encode_frame
from channels.render import Renderer, RenderError
from engine.contacts.identity import partition_of
from engine.count_table import Window, table_of
from engine.decision import CAPPED, DECLINED, EXITED, FAILED, SENT
from tests.actors.shards.life import CONTACTS, Life
from tests.engine.recount import outcomes_in
from tests.engine.situation import MINUTE_MS, mail, wait
from tests.publications import journey, source_of

CONTACT = CONTACTS[0]


def otherwise(life: Life, change: Callable[[Frame], None]) -> None:
    """Change what the log says, as if other code had written it."""
    frames = [decode_frame(data) for data in life.log.kept]
    for frame in frames:
        change(frame)
    life.log.kept = [encode_frame(frame) for frame in frames]


def published_as(source: bytes) -> Callable[[Frame], None]:
    def change(frame: Frame) -> None:
        frame.records = [
            replace(record, source=source) if isinstance(record, PublishRecord) else record
            for record in frame.records
        ]

    return change


def recorded_as(outcome: str) -> Callable[[Frame], None]:
    def change(frame: Frame) -> None:
        frame.outcomes = [replace(each, outcome=outcome) for each in frame.outcomes]

    return change


def one_sent() -> Life:
    life = Life()
    life.publish(journey())
    life.event(CONTACT, "hi", {"size": 42})
    (outcome,) = life.commit()
    assert outcome.outcome == SENT
    return life


def come_back(life: Life) -> Life:
    """Recover; the numbers say what was recorded, as the counts of messages do."""
    again = life.again()
    table = table_of([each.numbers for each in again.shard.partitions.values()], Window())
    told: dict[str, dict[str, int]] = {}
    for (name, _, outcome), count in outcomes_in(table).items():
        of = told.setdefault(name, {})
        of[outcome] = of.get(outcome, 0) + count
    by_journey = again.shard.status()["outcomes"]
    assert without_zeros(told) == without_zeros(by_journey)
    return again


def without_zeros(told: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    kept = {name: {each: n for each, n in of.items() if n} for name, of in told.items()}
    return {name: of for name, of in kept.items() if of}


def pending_of(life: Life) -> list[str]:
    contacts = [each.contact(CONTACT) for each in life.shard.partitions.values()]
    return [each.key for contact in contacts if contact is not None for each in contact.pending]


def test_a_message_that_a_refold_does_not_decide_is_delivered_all_the_same() -> None:
    life = one_sent()
    otherwise(life, published_as(source_of(journey(nodes=[wait("1h"), mail()]))))
    again = come_back(life)
    assert again.shard.differences == 1
    (outcome,) = again.hand_over(9)
    (delivery,) = [each for each in again.shard.deliveries if each.key == outcome.key]
    assert (delivery.template, delivery.purpose) == ("hello", "transactional")
    assert delivery.trigger == {"size": 42}
    again.settle(outcome, delivered=False)
    again.commit()
    assert again.shard.status()["outcomes"] == {"hello": {SENT: 0, FAILED: 1}}
    assert pending_of(again) == []
    third = come_back(again)
    assert third.outbox.depth == 0
    assert third.shard.status()["outcomes"] == again.shard.status()["outcomes"]


def test_a_message_whose_node_is_gone_is_settled_with_a_word() -> None:
    life = one_sent()
    otherwise(life, published_as(source_of(journey("other"))))
    again = come_back(life)
    (outcome,) = again.hand_over(9)
    (delivery,) = again.shard.deliveries
    assert delivery.key == outcome.key
    with pytest.raises(RenderError, match="there is no such template"):
        Renderer({"hello.en": "Hello"}, "en").render(delivery)


def test_a_message_that_counts_for_caps_counts_again() -> None:
    life = one_sent()
    otherwise(life, published_as(source_of(journey(nodes=[wait("1h"), mail()]))))
    again = come_back(life)
    contact = again.shard.partitions[partition_of(CONTACT)].contact(CONTACT)
    assert contact is not None
    assert [sent.key for sent in contact.messages] == pending_of(again)


def test_a_message_that_the_log_does_not_know_of_does_not_go_out() -> None:
    life = one_sent()

    def forget(frame: Frame) -> None:
        frame.outcomes = []

    otherwise(life, forget)
    again = come_back(life)
    assert again.shard.differences == 1
    assert again.outbox.depth == 0
    assert pending_of(again) == []
    assert again.shard.status()["outcomes"] == {}


@pytest.mark.parametrize("outcome", [CAPPED, DECLINED])
def test_a_message_recorded_as_held_back_stays_so(outcome: str) -> None:
    life = one_sent()
    otherwise(life, recorded_as(outcome))
    again = come_back(life)
    assert again.shard.differences == 1
    assert (again.outbox.depth, pending_of(again)) == (0, [])
    contact = again.shard.partitions[partition_of(CONTACT)].contact(CONTACT)
    assert contact is not None
    assert contact.messages == [], "it counts for no cap"
    assert again.shard.status()["outcomes"] == {"hello": {outcome: 1}}


def test_a_message_recorded_as_stopped_at_its_handover_stays_so() -> None:
    life = Life()
    stopping = journey(exit_on=["stop"])
    life.publish(stopping)
    life.event(CONTACT, "hi")
    life.commit()
    life.now_ms += MINUTE_MS
    life.event(CONTACT, "stop")
    life.now_ms += MINUTE_MS
    life.hand_over(9)
    (outcome,) = life.commit()
    assert outcome.outcome == EXITED
    otherwise(life, published_as(source_of(journey())))
    again = come_back(life)
    assert again.shard.differences == 1
    assert (again.outbox.depth, pending_of(again)) == (0, [])
    assert again.shard.status()["outcomes"] == {"hello": {SENT: 0, EXITED: 1}}


def test_where_nothing_differs_nothing_is_counted() -> None:
    life = one_sent()
    again = come_back(life)
    assert again.shard.differences == 0
    assert (again.outbox.depth, len(pending_of(again))) == (1, 1)


def test_a_request_that_a_refold_does_not_decide_is_put_all_the_same() -> None:
    life = Life()
    ask = {
        "id": "ask",
        "webhook": "https://a.example",
        "body": {"size": {"from": "trigger.size"}},
    }
    life.publish(journey(nodes=[ask]))
    life.event(CONTACT, "hi", {"size": 42})
    (sent,) = life.commit()
    assert sent.outcome == SENT
    otherwise(life, published_as(source_of(journey(nodes=[wait("1h"), ask]))))
    again = come_back(life)
    assert again.shard.differences == 1
    (outcome,) = again.outbox.take("webhook", 9)
    assert outcome.key == sent.key
    again.shard.hand_over(partition_of(CONTACT), outcome, again.now_ms)
    (delivery,) = again.shard.deliveries
    assert delivery.request is not None
    assert delivery.request["body"] == {"size": 42}
    contact = again.shard.partitions[partition_of(CONTACT)].contact(CONTACT)
    assert contact is not None
    assert contact.messages == []
