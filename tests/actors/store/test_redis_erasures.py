"""Which erasures are not carried out in all slots: said by owners, and the latest alone."""

import pytest

from actors.settings import RedisSettings
from actors.store.erased import Erasure
from actors.store.port import FencedError
from actors.store.redis_erasures import OpenErasures
from actors.store.redis_owner import take_slot
from actors.store.redis_server import RedisServer
from engine.contacts.erasure import digest_of


def erasure(pseq: int, contact: str = "ada") -> Erasure:
    digest = digest_of(contact)
    return Erasure(digest=digest, partition=3, position=1, keep_out_ms=0, pseq=pseq)


def test_a_later_erasure_of_the_same_contact_is_another(redis_settings: RedisSettings) -> None:
    server = RedisServer(redis_settings)
    board = OpenErasures(server)
    one, two = take_slot(server, 0), take_slot(server, 1)
    for each in (erasure(7), erasure(5), erasure(9, "other")):
        board.post(one, each)
    board.note(one, 0, [erasure(7), erasure(9, "other")], 1, 2)
    board.note(two, 1, [erasure(5)], 3, 4)
    found = {each.erasure: set(each.done) for each in board.read()}
    assert found == {erasure(7): {0}, erasure(9, "other"): {0}}
    known = {each.erasure: each for each in board.read()}
    board.post(two, erasure(8))
    board.close(one, known[erasure(7)])
    board.close(one, known[erasure(9, "other")])
    (left,) = board.read()
    assert (left.erasure, left.done) == (erasure(8), {})
    board.close(one, left)
    board.note(two, 1, [erasure(8)], 0, 0)
    assert board.read() == []
    assert not server.run("EXISTS", server.key("erasures"))


def test_who_no_longer_owns_a_slot_says_nothing_of_erasures(redis_settings: RedisSettings) -> None:
    server = RedisServer(redis_settings)
    board = OpenErasures(server)
    zombie = take_slot(server, 0)
    board.post(zombie, erasure(7))
    board.note(zombie, 0, [erasure(7)], 0, 0)
    (before,) = board.read()
    take_slot(server, 0)
    for do in (
        lambda: board.post(zombie, erasure(9)),
        lambda: board.note(zombie, 1, [erasure(7)], 0, 0),
        lambda: board.close(zombie, before),
    ):
        with pytest.raises(FencedError):
            do()
    assert board.read() == [before]
