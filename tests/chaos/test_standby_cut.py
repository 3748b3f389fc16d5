"""The standby is cut off in the middle of everything that booking acknowledges, and then becomes the primary.

    cut ─▶ order, pay, refund, transfer, check in ─▶ the waiting ends ─▶ all again with their keys ─▶ promoted

Whatever was answered with success is on the new primary. The waiting ends by time, by pg_cancel_backend,
which PostgreSQL answers with success and a warning, or by pg_terminate_backend: then the row is visible.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from runtime.services import migrate_all
from tests.support.api import Answer
from tests.support.booking import BookingApp, running_booking
from tests.support.door import DoorApp
from tests.support.refunds import ask_back, bought
from tests.support.standby import Pair, connected, running_pair

RETRIES_WITHIN_S = 2.0  # what answers from what is visible answers at once
STORED = {
    "order": "SELECT FROM orders WHERE order_id = $1",
    "pay": "SELECT FROM payments WHERE payment_id = $1 AND state = 'succeeded'",
    "settle": "SELECT FROM payments WHERE payment_id = $1 AND state = 'succeeded'",
    "refund": "SELECT FROM refunds WHERE refund_id = $1",
    "transfer": "SELECT FROM ticket_transfers WHERE transfer_id = $1",
    "check in": "SELECT FROM tickets WHERE ticket_id = $1 AND status = 'checked_in'",
}
NAMED_BY = {
    "order": "order_id",
    "pay": "payment.payment_id",
    "settle": "payment.payment_id",
    "refund": "refund_id",
    "transfer": "transfer_id",
    "check in": "ticket_id",
}
Acts = dict[str, Callable[[], Awaitable[Answer]]]


class SlowProvider:
    """The app's provider. It has taken the money of one order, and says so when `told` is set."""

    def __init__(self, app: BookingApp) -> None:
        self._inner: Any = app.provider.now
        self.slow_for = ""
        self.charged, self.told = asyncio.Event(), asyncio.Event()
        app.provider.now = self

    async def charge(self, charge: Any) -> Any:
        result = await self._inner.charge(charge)
        if str(charge.order_id) == self.slow_for:
            self.charged.set()
            await self.told.wait()
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture
async def app(pair: Pair, redis_url: str) -> AsyncIterator[BookingApp]:
    await migrate_all(pair.url, ["booking", "sandbox"])
    async with running_booking(pair.url, redis_url) as running:
        yield running


async def prepared(app: BookingApp, provider: SlowProvider) -> Acts:
    """One act of each kind, ready to be done, and to be done again with its key."""
    session, buyers = app.neighbours.publish(), [uuid4() for _ in range(3)]
    payable = (await app.order(buyers[1], session, seats=[2])).json["order_id"]
    provider.slow_for = (await app.order(buyers[2], session, seats=[3])).json["order_id"]
    owner, refundable = await bought(app, session, seats=[4])
    giver, given = await bought(app, session, seats=[5])
    app.neighbours.emails["friend@example.com"] = uuid4()
    door = DoorApp(app)
    await door.open()
    (ticket,) = await door.tickets(1)
    transfer = f"/tickets/{given['tickets'][0]['ticket_id']}/transfer"
    to, key = {"to_email": "friend@example.com"}, {"Idempotency-Key": "k"}
    return {
        "order": lambda: app.order(buyers[0], session, seats=[1], key="k"),
        "pay": lambda: app.pay(buyers[1], payable, key="k"),
        "settle": lambda: app.pay(buyers[2], provider.slow_for, key="k"),
        "refund": lambda: ask_back(app, owner, refundable["order_id"], key="k"),
        "transfer": lambda: app.post(transfer, to, user=giver, headers=key),
        "check in": lambda: door.scan(ticket["code"], session_id=str(door.session_id), key="k"),
    }


def acknowledged(act: str, answer: Answer) -> str | None:
    """The id of what the answer says is done."""
    found = answer.json
    if answer.status >= 300 or (act == "settle" and found["status"] == "pending_payment"):
        return None
    for name in NAMED_BY[act].split("."):
        found = found[name]
    return str(found)


async def end_all_waiting(pair: Pair, function: str, doing: list["asyncio.Task[Answer]"]) -> None:
    """As an administrator does who sees sessions that wait for a standby."""
    async with connected(pair.primary_url) as admin:
        while not all(task.done() for task in doing):
            await admin.execute(
                f"SELECT {function}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            )
            await asyncio.sleep(0)


async def is_stored(pair: Pair, act: str, named: str) -> bool:
    async with connected(pair.primary_url) as db:
        await db.execute("SET search_path TO booking")
        return bool(await db.fetchval(f"SELECT EXISTS ({STORED[act]})", named))


@pytest.mark.parametrize("ends", ["in time", "pg_cancel_backend", "pg_terminate_backend"])
async def test_what_is_acknowledged_while_the_standby_is_cut_off_is_on_it_when_it_is_promoted(
    pair: Pair, app: BookingApp, ends: str
) -> None:
    provider = SlowProvider(app)
    acts = await prepared(app, provider)
    settling = asyncio.ensure_future(acts["settle"]())
    await provider.charged.wait()
    with pair.standby_cut_off():
        doing = {act: asyncio.ensure_future(do()) for act, do in acts.items() if act != "settle"}
        doing["settle"] = settling
        provider.told.set()
        await pair.commits_waiting(len(acts))
        if ends != "in time":
            await end_all_waiting(pair, ends, list(doing.values()))
        said = [*zip(doing, await asyncio.gather(*doing.values()), strict=True)]
        del acts[
            "pay"
        ]  # its intent would keep the batch waiting that it shares with the other payment
        again = {act: asyncio.ensure_future(do()) for act, do in acts.items()}
        await asyncio.wait(again.values(), timeout=RETRIES_WITHIN_S)
        pair.kill_primary()
    repeated = [*zip(again, await asyncio.gather(*again.values()), strict=True)]
    pair.promote()
    named = [(act, acknowledged(act, answer)) for act, answer in said + repeated]
    lost = [act for act, id_ in named if id_ and not await is_stored(pair, act, id_)]
    assert lost == []
    refused = [answer for act, answer in said if act != "settle"]
    assert {(one.status, one.code) for one in refused} == {(503, "unavailable")}
    assert {one.headers["Retry-After"] for one in refused} == {"1"}
    assert {answer.status for _, answer in repeated} <= {409, 503}
    sold = await app.order(uuid4(), app.neighbours.publish(), seats=[1])
    assert sold.status == 201, sold
