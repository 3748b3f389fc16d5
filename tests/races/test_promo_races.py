"""Many promo codes tried at once: they get no further than one by one, over processes too."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from booking.promo_codes import store as promotions
from booking.promo_codes.guessing import USER_MISSES_MAX
from tests.support.booking import (
    BookingApp,
    booking_tables,
    running_booking,
    until_so_many_wait,
)
from tests.support.promo_codes import Stall

AT_ONCE = (
    12  # over two processes, below their pools' connections, so that all of them get to a lock
)
LEFT = 3
ADDRESS = {"x-forwarded-for": "203.0.113.7"}


@pytest.fixture
async def apps(database_url: str, redis_url: str) -> AsyncIterator[list[BookingApp]]:
    settings = {"promo_misses_per_address": USER_MISSES_MAX}
    async with (
        running_booking(database_url, redis_url, **settings) as one,
        running_booking(database_url, redis_url, one.neighbours, **settings) as two,
    ):
        yield [one, two]


async def guess_at_once(apps: list[BookingApp], users: list[UUID]) -> Counter[int]:
    """All but LEFT of the misses used up, then AT_ONCE guesses that meet in the database."""
    stall = Stall(apps[0])

    async def guess(number: int) -> int:
        body = {"session_id": stall.session_id, "promo_code": f"WRONG-{number}", "seats": [1]}
        app, user = apps[number % len(apps)], users[number % len(users)]
        headers = ADDRESS | {"authorization": f"Bearer {app.signer.token(user_id=user)}"}
        return (await app.post("/orders", body, headers=headers)).status

    for number in range(USER_MISSES_MAX - LEFT):
        assert await guess(number) == 422
    async with booking_tables(apps[0].wiring.database_url) as tables:
        async with tables.transaction(), asyncio.timeout(20):
            await tables.execute("LOCK promo_codes IN ACCESS EXCLUSIVE MODE")
            tasks = [asyncio.ensure_future(guess(number)) for number in range(AT_ONCE)]
            await until_so_many_wait(apps[0].wiring.database_url, AT_ONCE)
        return Counter(await asyncio.gather(*tasks))


async def test_guesses_of_a_person_at_once_get_no_further_than_one_by_one(
    apps: list[BookingApp],
) -> None:
    assert await guess_at_once(apps, [uuid4()]) == {422: LEFT, 429: AT_ONCE - LEFT}


async def test_guesses_from_an_address_at_once_get_no_further_than_one_by_one(
    apps: list[BookingApp],
) -> None:
    users = [uuid4() for _ in range(AT_ONCE)]
    assert await guess_at_once(apps, users) == {422: LEFT, 429: AT_ONCE - LEFT}


async def test_control_without_the_locks_all_of_them_are_looked_at(
    apps: list[BookingApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation control of the tests above: the race is real."""

    async def lock_nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(promotions, "lock_promo_misses", lock_nothing)
    assert await guess_at_once(apps, [uuid4()]) == {422: AT_ONCE}
