"""Identity's keys while identity hangs, fails and comes back: one fetch at a time, and nobody waits."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import pytest

from chassis.auth.jwks import (
    AGE_MAX_S,
    REFRESH_AFTER_S,
    RETRY,
    UNKNOWN_KID_PAUSE_S,
    UNKNOWN_KID_TTL_S,
    PublicKeys,
)
from chassis.auth.tokens import Verifier
from chassis.problems import InvalidToken, Problem, Unavailable
from identity.keys import SigningKey
from tests.support.clock import SetClock
from tests.unit.chassis.auth.test_tokens import USER, KeySet, new_key, signed


class HangingKeySet(KeySet):
    """Answers when it is let; counts who asks, and how many at once."""

    def __init__(self, *keys: SigningKey) -> None:
        super().__init__(*keys)
        self.answering = asyncio.Event()
        self.answering.set()
        self.under_way = self.at_once_max = 0
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def fetch(self) -> bytes:
        self.under_way += 1
        self.at_once_max = max(self.at_once_max, self.under_way)
        self.begun.set()
        try:
            document = await super().fetch()
            await self.answering.wait()
            return document
        finally:
            self.under_way -= 1
            self.ended.set()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def lasting(key: SigningKey) -> str:
    """A token that outlives every jump of a test's clock, and that no verifier has seen."""
    return signed(key, exp=int(time.time()) + 90_000)


async def outcome(verification: Awaitable[Any]) -> str:
    try:
        return str((await verification).user_id)
    except Problem as problem:
        return problem.code


async def test_a_flood_at_a_hanging_identity_is_one_call_and_no_valid_token_waits(
    clock: SetClock,
) -> None:
    key = new_key()
    published = HangingKeySet(key)
    keys = PublicKeys(published.fetch, clock=clock, wait_s=0.01)
    verifier = Verifier(keys, clock=clock)
    await verifier.verify(lasting(key))
    published.answering.clear()
    clock.ahead_s = AGE_MAX_S + 1
    unknown = [verifier.verify(lasting(new_key())) for _ in range(200)]
    valid = [verifier.verify(lasting(key)) for _ in range(200)]
    outcomes = await asyncio.gather(*map(outcome, [*unknown, *valid]))
    assert outcomes == ["unavailable"] * 200 + [str(USER)] * 200
    one_by_one = [await outcome(verifier.verify(lasting(new_key()))) for _ in range(50)]
    assert one_by_one == ["unavailable"] * 50
    assert (published.asked, published.at_once_max) == (1 + 1, 1)
    published.answering.set()


async def test_a_valid_token_waits_as_long_as_it_is_given_and_not_for_a_hanging_identity(
    clock: SetClock,
) -> None:
    key = new_key()
    published = HangingKeySet(key)
    verifier = Verifier(PublicKeys(published.fetch, clock=clock, wait_s=0.0), clock=clock)
    await verifier.verify(lasting(key))
    published.answering.clear()
    published.begun.clear()
    clock.ahead_s = AGE_MAX_S + 1
    verifying = asyncio.ensure_future(verifier.verify(lasting(key)))
    await published.begun.wait()
    for _ in range(10):  # turns of the loop, in which no time passes
        await asyncio.sleep(0)
    assert verifying.done()
    assert (await verifying).user_id == USER
    assert published.under_way == 1
    published.answering.set()


async def test_a_failed_fetch_is_not_tried_again_before_its_pause_which_grows(
    clock: SetClock,
) -> None:
    key = new_key()
    published = KeySet(key)
    verifier = Verifier(published.fetch, clock=clock)
    await verifier.verify(lasting(key))
    published.away = True
    clock.ahead_s = AGE_MAX_S + 1
    asked = []
    for _ in range(60):  # a minute, second by second, with tokens of both kinds
        assert await outcome(verifier.verify(lasting(key))) == str(USER)
        assert await outcome(verifier.verify(lasting(new_key()))) == "unavailable"
        asked.append(published.asked)
        clock.ahead_s += 1
    assert 3 <= asked[-1] - 1 <= 12  # a pause of up to 1, 2, 4, 8, 16 and 30 s, less half at random
    published.away = False
    clock.ahead_s += RETRY.most_s
    assert await outcome(verifier.verify(lasting(new_key()))) == "invalid-token"


async def test_an_unknown_key_id_is_remembered_and_asks_nobody_again(clock: SetClock) -> None:
    key, stranger = new_key(), new_key()
    published = KeySet(key)
    verifier = Verifier(published.fetch, clock=clock)
    with pytest.raises(InvalidToken):
        await verifier.verify(lasting(stranger))
    assert published.asked == 1
    clock.ahead_s = UNKNOWN_KID_PAUSE_S + 1
    with pytest.raises(InvalidToken):
        await verifier.verify(lasting(stranger))
    assert published.asked == 1
    published.keys.append(stranger)
    clock.ahead_s = UNKNOWN_KID_TTL_S + 1
    assert (await verifier.verify(lasting(stranger))).user_id == USER


async def test_what_is_remembered_of_unknown_key_ids_is_bounded(clock: SetClock) -> None:
    published = KeySet(new_key())
    keys = PublicKeys(published.fetch, clock=clock, unknown_kids_max=2)
    verifier = Verifier(keys, clock=clock)
    strangers = [new_key() for _ in range(3)]
    for stranger in strangers:
        clock.ahead_s += UNKNOWN_KID_PAUSE_S + 1
        with pytest.raises(InvalidToken):
            await verifier.verify(lasting(stranger))
    asked = published.asked
    clock.ahead_s += UNKNOWN_KID_PAUSE_S + 1  # all three within UNKNOWN_KID_TTL_S
    for stranger, again in zip(reversed(strangers), (0, 0, 1), strict=True):
        with pytest.raises(InvalidToken):
            await verifier.verify(lasting(stranger))
        assert published.asked == asked + again  # of the eldest nothing is known any more
    asked = published.asked
    clock.ahead_s += UNKNOWN_KID_PAUSE_S + 1
    long = signed(new_key(), header={"kid": "k" * 129})
    with pytest.raises(InvalidToken):
        await verifier.verify(long)
    assert published.asked == asked


async def test_keys_are_renewed_behind_requests_before_they_are_too_old(clock: SetClock) -> None:
    """And one that identity has withdrawn is believed no longer than AGE_MAX_S."""
    old, new = new_key(), new_key()
    published = HangingKeySet(old, new)
    verifier = Verifier(published.fetch, clock=clock)
    await verifier.verify(lasting(old))
    published.keys = [new]
    published.answering.clear()
    published.ended.clear()
    clock.ahead_s = REFRESH_AFTER_S + 1
    assert (await verifier.verify(lasting(old))).user_id == USER  # nobody waited for the fetch
    published.answering.set()
    await published.ended.wait()
    clock.ahead_s = AGE_MAX_S + 1
    with pytest.raises(InvalidToken):
        await verifier.verify(lasting(old))
    assert (await verifier.verify(lasting(new))).user_id == USER
    assert published.asked == 3  # the last time for the id that was withdrawn


async def test_withdrawn_keys_are_not_believed_after_a_quiet_hour(clock: SetClock) -> None:
    old, new = new_key(), new_key()
    published = KeySet(old, new)
    verifier = Verifier(published.fetch, clock=clock)
    await verifier.verify(lasting(new))
    published.keys = [new]
    clock.ahead_s = 3600
    with pytest.raises(InvalidToken):
        await verifier.verify(lasting(old))


async def test_without_any_key_everybody_waits_for_the_one_fetch(clock: SetClock) -> None:
    key = new_key()
    published = HangingKeySet(key)
    published.answering.clear()
    verifier = Verifier(published.fetch, clock=clock)
    waiting = [asyncio.ensure_future(verifier.verify(lasting(key))) for _ in range(20)]
    await published.begun.wait()
    published.answering.set()
    assert {one.user_id for one in await asyncio.gather(*waiting)} == {USER}
    assert published.asked == 1


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": [{"kty": 1}]}']
)
async def test_what_is_no_key_set_takes_no_key_away(clock: SetClock, document: bytes) -> None:
    key = new_key()
    published = KeySet(key)
    answers = [await published.fetch(), document]

    async def fetch() -> bytes:
        return answers.pop(0)

    verifier = Verifier(fetch, clock=clock)
    await verifier.verify(lasting(key))
    clock.ahead_s = AGE_MAX_S + 1
    assert (await verifier.verify(lasting(key))).user_id == USER
    assert answers == []


async def test_a_rotation_under_load_refuses_nobody(clock: SetClock) -> None:
    """Tokens of both keys without a pause, from before the new key is published until the old one has
    gone; the new one signs as late after its publication as identity has it sign."""
    old, new = new_key(), new_key()
    published = KeySet(old)
    verifier = Verifier(published.fetch, clock=clock)
    signer = old
    for second in range(900):
        clock.ahead_s = second
        if second == 100:
            published.keys = [new, old]
        if second == 100 + 75:  # identity.keys.KEY_LEAD_S
            signer = new
        if second == 100 + 75 + 400:
            published.keys = [new]
        tokens = [lasting(signer) for _ in range(3)]
        assert await asyncio.gather(*map(outcome, map(verifier.verify, tokens))) == [str(USER)] * 3


async def test_nobody_can_say_is_said_when_identity_was_never_reached(clock: SetClock) -> None:
    published = KeySet(new_key())
    published.away = True
    verifier = Verifier(published.fetch, clock=clock)
    for _ in range(20):
        with pytest.raises(Unavailable):
            await verifier.verify(lasting(new_key()))
    assert published.asked == 1
