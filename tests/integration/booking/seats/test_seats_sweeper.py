"""Sweeping what is due and healing what differs, with PostgreSQL's part kept in dicts."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from booking.seats.claims import Claim, HoldState, OrderState
from booking.seats.differences import Difference, look
from booking.seats.holds import SeatHolds
from booking.seats.keys import session_keys
from booking.seats.loaded import add_loaded, list_loaded
from booking.seats.reconciler import SETTLED_S, Reconciler
from booking.seats.sweeper import HEAL_INTERVAL_S, Sweeper, Swept
from chassis.ids import uuid7
from chassis.problems import Unavailable
from tests.support.seats import FOREVER_MS, DictTruth, exact, letters, seat_holds, tickets_of


class SetClock:
    """Seconds that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def truth() -> DictTruth:
    return DictTruth()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def holds(redis_url: str, truth: DictTruth) -> AsyncIterator[SeatHolds]:
    async with seat_holds(redis_url, truth) as made:
        yield made


async def hold(holds: SeatHolds, session_id: UUID, seats: list[int], user_id: UUID) -> UUID:
    order_id = uuid7()
    await exact(holds, session_id, seats, order_id=order_id, user_id=user_id)
    return order_id


async def make_due(holds: SeatHolds, session_id: UUID, *orders: UUID) -> None:
    """As if their time had come."""
    for order_id in orders:
        await holds.calls.command("ZADD", session_keys(session_id)[5], 1, str(order_id))


async def test_each_fate_has_its_end(holds: SeatHolds, truth: DictTruth) -> None:
    session_id, user_id = truth.publish("." * 10), uuid7()
    lost = await hold(holds, session_id, [1], user_id)
    cancelled = await hold(holds, session_id, [2], user_id)
    paid = await hold(holds, session_id, [3], user_id)
    alive = await hold(holds, session_id, [4], user_id)
    not_due = await hold(holds, session_id, [5], user_id)
    truth.order_states_of = {
        cancelled: HoldState(OrderState.CANCELLED),
        paid: HoldState(OrderState.PAID),
        alive: HoldState(OrderState.ALIVE, FOREVER_MS),
    }
    await make_due(holds, session_id, lost, cancelled, paid, alive)
    assert await Sweeper(holds).sweep_once() == Swept(released=2, kept=1, sold=1)
    assert await letters(holds, session_id) == "..shh....."
    assert await tickets_of(holds, session_id, user_id) == 3
    assert await holds.due(session_id, 10) == []
    key = session_keys(session_id)[5]
    entries = await holds.calls.command("ZCARD", key)
    assert entries == 3  # the sentinel, the one alive, the one not due
    assert await holds.calls.command("ZSCORE", key, str(not_due)) is not None


async def test_an_order_that_cannot_be_ended_stops_none_of_its_session(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, user_id = truth.publish("." * 60), uuid7()
    orders = [await hold(holds, session_id, [seat], user_id) for seat in range(1, 41)]
    broken, *lost = orders[:20]
    *alive, paid = orders[20:]
    truth.order_states_of = {
        **{one: HoldState(OrderState.ALIVE, FOREVER_MS) for one in alive},
        paid: HoldState(OrderState.PAID),
    }
    await holds.calls.command("HSET", session_keys(session_id)[3], str(broken), "broken")
    await make_due(holds, session_id, *orders)
    assert await Sweeper(holds).sweep_once() == Swept(failed=1)
    assert await holds.due(session_id, 50) == [broken]
    assert await letters(holds, session_id) == "h" + "." * len(lost) + "h" * 19 + "s" + "." * 20


async def test_a_session_lost_while_it_is_swept_is_loaded_again(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id, user_id = truth.publish("...."), uuid7()
    order_id = await hold(holds, session_id, [1], user_id)
    await holds.calls.command("DEL", *session_keys(session_id))
    await holds.release_many(session_id, [order_id])
    assert await letters(holds, session_id) == "...."


async def test_a_fate_not_told_is_asked_for_again(holds: SeatHolds, truth: DictTruth) -> None:
    session_id = truth.publish("...")
    order_id = await hold(holds, session_id, [1], uuid7())
    await make_due(holds, session_id, order_id)
    truth.order_states = lambda _session, _orders: _nothing()  # type: ignore[assignment,method-assign]
    assert await Sweeper(holds).sweep_once() == Swept()
    assert await holds.due(session_id, 10) == [order_id]


async def _nothing() -> dict[UUID, HoldState]:
    return {}


async def test_several_sweepers_at_once_do_it_once(
    holds: SeatHolds, truth: DictTruth, redis_url: str
) -> None:
    session_id, user_id = truth.publish("." * 100), uuid7()
    orders = [await hold(holds, session_id, [seat], user_id) for seat in range(1, 41)]
    truth.order_states_of = {order: HoldState(OrderState.PAID) for order in orders[::2]}
    await make_due(holds, session_id, *orders)
    async with seat_holds(redis_url, truth) as other:
        sweepers = [Sweeper(holds), Sweeper(other), Sweeper(holds)]
        await asyncio.gather(*(one.sweep_once() for one in sweepers))
    assert await letters(holds, session_id) == "s." * 20 + "." * 60
    assert await tickets_of(holds, session_id, user_id) == 20


async def test_a_quiet_session_asks_postgresql_nothing(holds: SeatHolds, truth: DictTruth) -> None:
    sessions = [truth.publish("...") for _ in range(20)]
    for session_id in sessions:
        await hold(holds, session_id, [1], uuid7())
    sweeper = Sweeper(holds)
    for _ in range(3):
        assert await sweeper.sweep_once() == Swept()
    assert truth.order_states_asked == 0


async def test_sessions_that_redis_forgot_are_swept_all_the_same(
    holds: SeatHolds, truth: DictTruth, clock: SetClock
) -> None:
    session_id, order_id = truth.publish("..."), uuid7()
    truth.claim(session_id, [2], "held", order_id, uuid7(), -1)
    truth.order_states_of[order_id] = HoldState(OrderState.CANCELLED)
    sweeper = Sweeper(holds, now=clock)
    assert await sweeper.sweep_once() == Swept(released=1)
    truth.claims[session_id].clear()
    await holds.calls.command_to_each_node("FLUSHDB")
    other = truth.publish("...")
    truth.claim(other, [1], "held", uuid7(), uuid7(), FOREVER_MS)
    await sweeper.sweep_once()
    assert await list_loaded(holds.calls) == ([], None)
    clock.seconds += HEAL_INTERVAL_S
    await sweeper.sweep_once()
    assert await list_loaded(holds.calls) == ([other], None)
    assert await letters(holds, other) == "h.."


async def test_one_session_that_fails_does_not_stop_the_others(
    holds: SeatHolds, truth: DictTruth
) -> None:
    bad, good = truth.publish("..."), truth.publish("...")
    orders = {one: await hold(holds, one, [1], uuid7()) for one in (bad, good)}
    for session_id, order_id in orders.items():
        await make_due(holds, session_id, order_id)
    answer = truth.order_states

    async def fail_for_one(session_id: UUID, orders: list[UUID]) -> dict[UUID, HoldState]:
        if session_id == bad:
            raise Unavailable("PostgreSQL does not answer.")
        return await answer(session_id, orders)

    truth.order_states = fail_for_one  # type: ignore[method-assign,assignment]
    assert await Sweeper(holds).sweep_once() == Swept(released=1, failed=1)
    assert await letters(holds, bad) == "h.."
    assert await letters(holds, good) == "..."


async def test_a_session_that_is_no_more_leaves_the_list(
    holds: SeatHolds, truth: DictTruth
) -> None:
    gone = uuid7()
    await add_loaded(holds.calls, [gone])
    assert await Sweeper(holds).sweep_once() == Swept()
    assert await list_loaded(holds.calls) == ([], None)


async def test_differences_are_named_on_both_sides(holds: SeatHolds, truth: DictTruth) -> None:
    session_id, buyer, order_id = truth.publish("...."), uuid7(), uuid7()
    mine = await hold(holds, session_id, [1], buyer)
    truth.claim(session_id, [2], "sold", order_id, buyer)
    truth.claim(session_id, [1], "held", order_id, buyer, FOREVER_MS)
    assert set((await look(holds, session_id)).differences) == {
        Difference("seat", "1", "h", "h", str(mine), str(order_id)),
        Difference("seat", "2", ".", "s"),
        Difference("tickets", str(buyer), "1", "2"),
    }
    truth.claims[session_id].clear()
    await holds.release(session_id, mine)
    assert (await look(holds, session_id)).differences == []


async def test_lost_writes_are_healed_both_ways_once_they_have_lasted(
    holds: SeatHolds, truth: DictTruth, clock: SetClock
) -> None:
    session_id, buyer = truth.publish("." * 8), uuid7()
    never_released = await hold(holds, session_id, [1, 2], buyer)
    sold_before = await hold(holds, session_id, [3], buyer)
    await holds.sell(session_id, sold_before)
    truth.claim(session_id, [5], "sold", uuid7(), buyer)  # Redis never heard of these two
    truth.claim(session_id, [6], "held", order_id := uuid7(), buyer, FOREVER_MS)
    reconciler = Reconciler(holds, now=clock)
    assert await reconciler.reconcile_once(session_id) == []
    clock.seconds += SETTLED_S - 0.1
    assert await reconciler.reconcile_once(session_id) == []
    assert await letters(holds, session_id) == "hhs....."
    clock.seconds += 0.1
    healed = await reconciler.reconcile_once(session_id)
    assert {one.what for one in healed} >= {"1", "2", "3", "5", "6"}
    assert await letters(holds, session_id) == "....sh.."
    clock.seconds += SETTLED_S
    await reconciler.reconcile_once(session_id)
    clock.seconds += SETTLED_S
    await reconciler.reconcile_once(session_id)
    assert (await look(holds, session_id)).differences == []
    assert await tickets_of(holds, session_id, buyer) == 2
    await holds.release(session_id, never_released)
    await holds.release(session_id, order_id)
    assert await letters(holds, session_id) == "....s..."


async def test_a_seat_held_anew_between_two_looks_is_not_freed(
    holds: SeatHolds, truth: DictTruth, clock: SetClock
) -> None:
    session_id = truth.publish("...")
    first = await hold(holds, session_id, [1], uuid7())
    reconciler = Reconciler(holds, now=clock)
    await reconciler.reconcile_once(session_id)
    await holds.release(session_id, first)
    await hold(holds, session_id, [1], uuid7())  # an intent: PostgreSQL has yet to hear of it
    clock.seconds += SETTLED_S
    assert await reconciler.reconcile_once(session_id) == []
    assert await letters(holds, session_id) == "h.."


async def test_a_seat_taken_between_the_look_and_the_healing_is_not_freed(
    holds: SeatHolds, truth: DictTruth
) -> None:
    session_id = truth.publish("...")
    looked_at = await hold(holds, session_id, [1], uuid7())
    await holds.release(session_id, looked_at)
    await hold(holds, session_id, [1], uuid7())
    await holds.free(session_id, [(1, "h", str(looked_at)), (2, "s", "")])
    assert await letters(holds, session_id) == "h.."


async def test_an_old_snapshot_restored_is_brought_up_to_date(
    holds: SeatHolds, truth: DictTruth, clock: SetClock
) -> None:
    session_id, user_id = truth.publish("." * 30), uuid7()
    early = await hold(holds, session_id, [1, 2], user_id)
    truth.claim(session_id, [1, 2], "held", early, user_id, FOREVER_MS)
    keys = session_keys(session_id)
    saved = [await holds.calls.command("DUMP", key) for key in keys]
    await holds.release(session_id, early)
    truth.claims[session_id].clear()
    for seat in range(10, 20):
        order_id = await hold(holds, session_id, [seat], user_id)
        await holds.sell(session_id, order_id)
        truth.claim(session_id, [seat], "sold", order_id, user_id)
    for key, dump in zip(keys, saved, strict=True):
        await holds.calls.command("RESTORE", key, 0, dump, "REPLACE")
    assert await letters(holds, session_id) == "hh" + "." * 28
    reconciler = Reconciler(holds, now=clock)
    for _ in range(5):
        await reconciler.reconcile_once(session_id)
        clock.seconds += SETTLED_S
    assert (await look(holds, session_id)).differences == []
    assert await letters(holds, session_id) == "." * 9 + "s" * 10 + "." * 11


async def test_a_layout_of_another_length_is_loaded_anew(
    holds: SeatHolds, truth: DictTruth, clock: SetClock
) -> None:
    session_id = truth.publish("...")
    await holds.calls.command("APPEND", session_keys(session_id)[0], b"")
    await holds.state(session_id)
    await holds.calls.command("APPEND", session_keys(session_id)[0], b"...")
    reconciler = Reconciler(holds, now=clock)
    await reconciler.reconcile_once(session_id)
    clock.seconds += SETTLED_S
    await reconciler.reconcile_once(session_id)
    assert await letters(holds, session_id) == "..."


async def test_a_corrected_hold_of_an_order_long_gone_is_released_by_the_sweeper(
    holds: SeatHolds, truth: DictTruth
) -> None:
    """The claims that PostgreSQL refused with may be over when Redis is told of them."""
    session_id, over = truth.publish("..."), uuid7()
    await holds.correct(session_id, [Claim(1, "held", over, uuid7(), FOREVER_MS)])
    due_ms = float(await holds.calls.command("ZSCORE", session_keys(session_id)[5], str(over)))
    seconds, _ = await holds.calls.command("TIME")
    assert due_ms / 1000 - int(seconds) <= 11
    await make_due(holds, session_id, over)
    await Sweeper(holds).sweep_once()
    assert await letters(holds, session_id) == "..."
