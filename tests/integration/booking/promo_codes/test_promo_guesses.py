"""Promo codes that are tried over real stores: ten misses a person, some more an address."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from booking.promo_codes.guessing import MISSES_WITHIN_S, USER_MISSES_MAX
from tests.support.api import Answer
from tests.support.booking import BookingApp, booking_tables, is_sound, running_booking
from tests.support.promo_codes import Stall

USER = uuid4()
ADDRESS_MAX = 25
TEN_MINUTES_ARE_OVER = "UPDATE promo_misses SET missed_at = missed_at - make_interval(secs => $1)"


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(
        database_url, redis_url, promo_misses_per_address=ADDRESS_MAX
    ) as running:
        yield running


@pytest.fixture
async def stall(app: BookingApp) -> Stall:
    made = Stall(app)
    assert (await made.make(code="GOOD")).status == 201
    return made


async def guess(stall: Stall, user: UUID, code: str, address: str = "", **more: Any) -> Answer:
    body = {"session_id": stall.session_id, "promo_code": code, "seats": [1]} | more
    headers = {"x-forwarded-for": address} if address else None
    return await stall.app.post("/orders", body, user=user, headers=headers)


async def miss(stall: Stall, user: UUID, times: int, address: str = "") -> None:
    for number in range(times):
        answer = await guess(stall, user, f"WRONG-{number}", address)
        assert (answer.status, answer.code) == (422, "promo-code-unknown"), (number, answer)


def same(refused: Answer) -> Any:
    """What an answer tells, but for its own time and name."""
    told = refused.json
    del told["request_id"]
    return told | {"detail": told["detail"].translate({ord(digit): "9" for digit in "0123456789"})}


async def test_the_eleventh_code_is_not_looked_at_be_it_good_or_bad(stall: Stall) -> None:
    await miss(stall, USER, USER_MISSES_MAX)
    bad, good = await guess(stall, USER, "WRONG-X"), await guess(stall, USER, "GOOD")
    for refused in (bad, good):
        assert (refused.status, refused.code) == (429, "rate-limited"), refused
        assert MISSES_WITHIN_S - 60 < int(refused.headers["retry-after"]) <= MISSES_WITHIN_S
    assert same(bad) == same(good)
    assert (await stall.buy(uuid4(), "GOOD", seats=[1])).status == 201, "others go on"
    assert (await stall.app.order(USER, stall.session_id, seats=[2])).status == 201, "without one"
    await is_sound(stall.app)


async def test_ten_minutes_later_codes_are_looked_at_again_and_old_misses_are_gone(
    stall: Stall,
) -> None:
    await miss(stall, USER, USER_MISSES_MAX)
    async with booking_tables(stall.app.wiring.database_url) as tables:
        await tables.execute(TEN_MINUTES_ARE_OVER, MISSES_WITHIN_S - 5)
        refused = await guess(stall, USER, "GOOD")
        assert (refused.status, int(refused.headers["retry-after"]) <= 5) == (429, True)
        await tables.execute(TEN_MINUTES_ARE_OVER, 5.0)
        await miss(stall, USER, 1)
        assert await tables.fetchval("SELECT count(*) FROM promo_misses") == 1
        assert (await guess(stall, USER, "GOOD")).status == 201
        await tables.execute(TEN_MINUTES_ARE_OVER, MISSES_WITHIN_S)
        await stall.app.services.guesses.prune()
        assert await tables.fetchval("SELECT count(*) FROM promo_misses") == 0


async def test_good_codes_are_no_misses_whatever_becomes_of_their_orders(stall: Stall) -> None:
    assert (await stall.make(code="ONCE", max_uses_per_user=1)).status == 201
    assert (await stall.buy(USER, "ONCE", seats=[1])).status == 201
    for _ in range(USER_MISSES_MAX + 2):
        assert (await stall.buy(USER, "once", seats=[2])).code == "promo-code-limit-reached"
        assert (await guess(stall, USER, "GOOD")).code == "seats-taken"
    async with booking_tables(stall.app.wiring.database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM promo_misses") == 0


async def test_a_guess_holds_no_seats_and_no_way_to_spell_a_code_is_free(stall: Stall) -> None:
    spellings = ("早鸟", "'; DROP TABLE orders", "\x00\x00\x00", "a", "WRONG" * 8, "WRONG")
    await miss(stall, USER, USER_MISSES_MAX - len(spellings))
    holds = stall.app.services.holds
    before = await holds.state(stall.session_id)
    for spelt in spellings:
        assert (await guess(stall, USER, spelt)).code == "promo-code-unknown", spelt
    assert await holds.state(stall.session_id) == before
    assert (await guess(stall, USER, "GOOD")).status == 429


async def test_an_address_has_more_than_a_person_and_an_end_too(stall: Stall) -> None:
    """Whoever makes an account for every ten guesses; a colleague who mistypes once is no such one."""
    address, elsewhere = "203.0.113.7", "198.51.100.9"
    left = ADDRESS_MAX
    while left:
        await miss(stall, uuid4(), min(left, USER_MISSES_MAX), address)
        left -= min(left, USER_MISSES_MAX)
    for code in ("WRONG", "GOOD"):
        refused = await guess(stall, uuid4(), code, address)
        assert (refused.status, refused.code) == (429, "rate-limited")
    assert (await guess(stall, USER, "GOOD", elsewhere)).status == 201


async def test_an_ipv6_household_is_one_address(stall: Stall) -> None:
    for number in range(ADDRESS_MAX):
        await miss(stall, uuid4(), 1, f"2001:db8:0:1::{number:x}")
    assert (await guess(stall, uuid4(), "GOOD", "2001:db8:0:1:ffff::1")).status == 429
    assert (await guess(stall, uuid4(), "GOOD", "2001:db8:0:2::1")).status == 201


async def test_an_order_sent_again_with_its_key_is_found_however_many_were_missed(
    stall: Stall,
) -> None:
    made = await stall.buy(USER, "GOOD", seats=[1], key="mine")
    await miss(stall, USER, USER_MISSES_MAX)
    again = await stall.buy(USER, "GOOD", seats=[1], key="mine")
    assert (again.status, again.json) == (201, made.json)
    assert again.headers["idempotency-replayed"] == "true"
    assert (await stall.buy(USER, "GOOD", seats=[2], key="new")).status == 429
