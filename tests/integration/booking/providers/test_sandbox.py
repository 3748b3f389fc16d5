"""The sandbox provider: its tokens, its refunds, and the webhooks that it sends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.providers.protocol import ChargeResult, RefundResult
from booking.providers.sandbox.adapter import SandboxProvider
from booking.providers.sandbox.app import SILENCE_S
from booking.providers.sandbox.deliverer import BATCH_MAX
from booking.providers.sandbox.near import NearClient
from chassis.problems import Unavailable
from chassis.seam.client import ServiceClient, UpstreamRefused
from runtime.services import SANDBOX, migrate_all
from tests.support.booking import at_once, running_booking
from tests.support.sandbox import NEW, OLD, Sandbox, new_charge, running_sandbox


@pytest.fixture(scope="module")
async def books(run_database: Callable[[str], Awaitable[str]]) -> str:
    """A database for the sandbox's own schema, emptied for each test."""
    url = await run_database("sandbox")
    await migrate_all(url, (SANDBOX,))
    return url


@pytest.fixture
async def sandbox(books: str) -> AsyncIterator[Sandbox]:
    async with running_sandbox(books) as running:
        await running.execute("TRUNCATE charges, refunds, webhooks")
        await running.put()
        yield running


def verdict(state: str, reason: str | None = None) -> ChargeResult:
    return msgspec.convert(
        {"state": state, "amount": 1_000, "currency": "CNY", "reason": reason}, ChargeResult
    )


async def test_each_token_does_what_it_says(sandbox: Sandbox) -> None:
    taken, declined = verdict("succeeded"), verdict("declined", "card_declined")
    pending = verdict("pending")
    outcomes = {
        "tok_ok": (taken, taken),
        "tok_whatever": (taken, taken),
        "tok_declined": (declined, declined),
        "tok_async": (pending, taken),
        "tok_async_declined": (pending, declined),
    }
    charges = {token: new_charge(token) for token in outcomes}
    for token, charge in charges.items():
        assert await sandbox.provider.look_up(charge.payment_id) is None
        assert await sandbox.provider.charge(charge) == outcomes[token][0]
        assert await sandbox.provider.look_up(charge.payment_id) == outcomes[token][0]
    await sandbox.let_time_pass()
    for token, charge in charges.items():
        assert await sandbox.provider.look_up(charge.payment_id) == outcomes[token][1]
        assert await sandbox.provider.charge(charge) == outcomes[token][1]
    await sandbox.deliverer.send_due()
    told = {event.payment_id: event.verdict for event in sandbox.customer.told}
    late = ("tok_async", "tok_async_declined")  # the others have been answered
    assert told == {charges[token].payment_id: outcomes[token][1] for token in late}


async def test_a_timeout_takes_the_money_and_is_told_after_the_caller_gave_up(
    sandbox: Sandbox,
) -> None:
    hasty = SandboxProvider(ServiceClient(sandbox.app, deadline_s=0.5), (OLD, NEW))
    charge = new_charge("tok_timeout")
    with pytest.raises(Unavailable):
        await hasty.charge(charge)
    assert await sandbox.provider.look_up(charge.payment_id) == verdict("succeeded")
    after = "SELECT extract(epoch FROM due_at - now())::float8 AS s FROM webhooks"
    assert (await sandbox.fetch(after))[0]["s"] > SILENCE_S
    await sandbox.let_time_pass()
    await sandbox.deliverer.send_due()
    assert sandbox.customer.told[0].verdict == verdict("succeeded")
    await sandbox.put(never_answer=True)
    with pytest.raises(Unavailable):
        await hasty.charge(new_charge("tok_ok"))


async def test_a_caller_in_its_process_gets_what_one_over_http_gets(sandbox: Sandbox) -> None:
    near = NearClient(sandbox.app, deadline_s=2.0, stage="provider")
    key = uuid4()
    body = {"key": key, "reference": "", "amount": 5, "currency": "CNY", "method": "", "token": ""}
    charge = msgspec.json.encode(body)
    calls = [
        ("POST", "/charges", charge),
        ("POST", "/charges", msgspec.json.encode(body | {"amount": 6})),  # another charge
        ("POST", "/charges", b"{}"),
        ("POST", "/charges", charge + b" " * 20_000),
        ("POST", "/charges", msgspec.json.encode(body | {"key": uuid4(), "token": "tok_broken"})),
        ("GET", f"/charges/{key}", b""),
        ("GET", f"/charges/{uuid4()}", b""),
        ("GET", "/charges?since=2026-01-01T00:00:00Z&until=2100-01-01T00:00:00%2B08:00", b""),
        ("GET", "/charges?since=never", b""),
        ("GET", "/controls", b""),
        ("GET", "/readyz", b""),
        ("GET", "/nothing", b""),
    ]
    for method, path, body_ in calls:
        across = await sandbox.client.exchange(method, path, body_)
        assert await near.exchange(method, path, body_) == across, (method, path)


async def test_a_caller_in_its_process_gives_up_in_time_and_hears_of_the_money_later(
    sandbox: Sandbox,
) -> None:
    hasty = SandboxProvider(NearClient(sandbox.app, deadline_s=0.1, stage="provider"), (OLD, NEW))
    charge = new_charge("tok_timeout")
    with pytest.raises(Unavailable):
        await hasty.charge(charge)
    assert await hasty.look_up(charge.payment_id) == verdict("succeeded")


async def test_one_key_is_one_charge_however_many_call(books: str, sandbox: Sandbox) -> None:
    charge = new_charge()
    others = [new_charge() for _ in range(20)]
    async with running_sandbox(books) as beside:  # as a second process over the same books
        calls = [one.provider.charge(charge) for one in (sandbox, beside) for _ in range(25)]
        calls += [sandbox.provider.charge(other) for other in others]
        assert await at_once(calls) == [verdict("succeeded")] * 70
    assert len(await sandbox.fetch("SELECT FROM charges")) == 21
    with pytest.raises(UpstreamRefused, match="key-reused"):
        await sandbox.provider.charge(msgspec.structs.replace(charge, amount=999))


async def refund(
    sandbox: Sandbox,
    payment_id: UUID,
    amount: int,
    *,
    refund_id: UUID | None = None,
    currency: str = "CNY",
) -> RefundResult:
    return await sandbox.provider.refund(
        refund_id=refund_id or uuid4(), payment_id=payment_id, amount=amount, currency=currency
    )


async def test_refunds_in_parts_add_up_to_the_charge_and_no_further(sandbox: Sandbox) -> None:
    charge = new_charge(amount=1_000)
    await sandbox.provider.charge(charge)
    verdicts = await at_once([refund(sandbox, charge.payment_id, 300) for _ in range(8)])
    assert sorted(one.state for one in verdicts) == ["failed"] * 5 + ["succeeded"] * 3
    assert {one.reason for one in verdicts} == {None, "exceeds_charge"}
    assert (await refund(sandbox, charge.payment_id, 100)).state == "succeeded"
    back = await sandbox.fetch("SELECT sum(amount) AS n FROM refunds WHERE state = 'succeeded'")
    assert back[0]["n"] == 1_000


async def test_one_refund_id_is_one_refund(sandbox: Sandbox) -> None:
    charge, refund_id = new_charge(), uuid4()
    await sandbox.provider.charge(charge)
    assert await sandbox.provider.look_up_refund(refund_id) is None
    calls = [refund(sandbox, charge.payment_id, 400, refund_id=refund_id) for _ in range(10)]
    assert {one.state for one in await at_once(calls)} == {"succeeded"}
    assert await sandbox.provider.look_up_refund(refund_id) == RefundResult(state="succeeded")
    assert len(await sandbox.fetch("SELECT FROM refunds")) == 1
    with pytest.raises(UpstreamRefused, match="key-reused"):
        await refund(sandbox, charge.payment_id, 401, refund_id=refund_id)


async def test_what_took_no_money_gives_none_back(sandbox: Sandbox) -> None:
    taken, declined, late = new_charge(), new_charge("tok_declined"), new_charge("tok_async")
    for charge in (taken, declined, late):
        await sandbox.provider.charge(charge)
    for payment_id in (declined.payment_id, late.payment_id, uuid4()):
        assert (await refund(sandbox, payment_id, 1)).reason == "no_such_charge"
    foreign = await refund(sandbox, taken.payment_id, 1, currency="EUR")
    assert (foreign.state, foreign.reason) == ("failed", "other_currency")


async def test_refunds_may_come_later_or_fail(sandbox: Sandbox) -> None:
    charge, later = new_charge(), uuid4()
    await sandbox.provider.charge(charge)
    await sandbox.put(refunds="fail")
    assert (await refund(sandbox, charge.payment_id, 1)).reason == "refused"
    await sandbox.put(refunds="pending")
    assert (await refund(sandbox, charge.payment_id, 900, refund_id=later)).state == "pending"
    assert (await refund(sandbox, charge.payment_id, 200)).state == "failed"  # its money is taken
    await sandbox.execute("DELETE FROM webhooks WHERE subject <> $1", later)
    await sandbox.let_time_pass()
    assert await sandbox.provider.look_up_refund(later) == RefundResult(state="succeeded")
    await sandbox.deliverer.send_due()
    (event,) = sandbox.customer.told
    assert (event.type, event.refund_id) == ("refund.succeeded", later)
    assert event.refund_verdict == RefundResult(state="succeeded")
    assert event.payment_id is event.verdict is None


async def test_webhooks_are_copied_lost_and_shuffled_as_told(sandbox: Sandbox) -> None:
    shown = await sandbox.put(copies=3, repeat_answers=True, spread_s=5)
    assert (shown["copies"], shown["loss"], shown["delay_s"]) == (3, 0.0, 1.0)
    charges = [new_charge() for _ in range(20)]
    await at_once([sandbox.provider.charge(charge) for charge in charges])
    due = await sandbox.fetch("SELECT extract(epoch FROM max(due_at) - min(due_at)) FROM webhooks")
    assert due[0][0] > 1
    await sandbox.let_time_pass()
    assert await sandbox.deliverer.send_due() == 20
    told = sandbox.customer.told
    assert len(told) == 60
    assert len({event.event_id for event in told}) == 20
    assert {event.payment_id for event in told} == {charge.payment_id for charge in charges}
    assert await sandbox.deliverer.send_due() == 0
    await sandbox.put(loss=1, repeat_answers=True)
    told.clear()
    await sandbox.provider.charge(new_charge())
    await sandbox.let_time_pass()
    assert await sandbox.deliverer.send_due() == 1
    assert told == []
    assert await sandbox.deliverer.send_due() == 0


async def test_what_is_not_taken_is_sent_again_later_and_a_dead_sender_forgets_nothing(
    books: str, sandbox: Sandbox
) -> None:
    await sandbox.provider.charge(new_charge("tok_async"))
    await sandbox.let_time_pass()
    sandbox.customer.status = 503
    assert await sandbox.deliverer.send_due() == 1
    state = "SELECT attempts, reason, delivered_at, due_at > now() AS later FROM webhooks"
    assert [tuple(row) for row in await sandbox.fetch(state)] == [(1, "status 503", None, True)]
    await sandbox.let_time_pass()
    sandbox.customer.status = 200
    sandbox.customer.stuck = asyncio.Event()
    dying = asyncio.create_task(sandbox.deliverer.send_due())
    await sandbox.customer.stuck.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    async with running_sandbox(books) as restarted:
        assert await restarted.deliverer.send_due() == 0  # the dead one's, for a while
        await restarted.let_time_pass()
        assert await restarted.deliverer.send_due() == 1
    ids = {event.event_id for event in [*sandbox.customer.told, *restarted.customer.told]}
    assert len(ids) == 1  # whoever sent it, the message has one name


async def test_two_senders_share_the_work(books: str, sandbox: Sandbox) -> None:
    await sandbox.put(repeat_answers=True)
    await at_once([sandbox.provider.charge(new_charge()) for _ in range(BATCH_MAX + 50)])
    await sandbox.let_time_pass()
    async with running_sandbox(books) as other:
        sent = await at_once([sandbox.deliverer.send_due(), other.deliverer.send_due()])
        assert sum(sent) == BATCH_MAX + 50
        told = [*sandbox.customer.told, *other.customer.told]
        assert len({event.event_id for event in told}) == len(told) == BATCH_MAX + 50


async def test_the_sandbox_refuses_what_it_cannot_read(sandbox: Sandbox) -> None:
    for method, path, body, status in (
        ("GET", "/charges/nonsense", b"", 404),
        ("GET", "/elsewhere", b"", 404),
        ("POST", "/charges", b"{}", 400),
        ("POST", "/charges", b'{"key"', 400),
        ("POST", "/refunds", b'{"key": "x"}', 400),
        ("PUT", "/controls", b'{"loss": 2}', 400),
        ("PUT", "/controls", b'{"wat": 1}', 400),
        ("PUT", "/controls", b"[]", 400),
        ("POST", "/charges", b" " * 20_000, 413),
        ("GET", "/healthz", b"", 200),
        ("GET", "/readyz", b"", 200),
        ("GET", "/controls", b"", 200),
    ):
        answered, _ = await sandbox.client.exchange(method, path, body)
        assert answered == status, (method, path, body)


async def test_orders_paid_late_are_paid_when_the_webhook_comes(
    database_url: str, redis_url: str
) -> None:
    user = uuid4()
    async with running_booking(database_url, redis_url, webhook_secret=(OLD, NEW)) as app:
        session_id = app.neighbours.publish()
        orders = {}
        for token in ("tok_async", "tok_async_declined"):
            order = (await app.order(user, session_id)).json
            waiting = await app.pay(user, order["order_id"], token)
            assert (waiting.status, waiting.json["status"]) == (202, "pending_payment")
            assert waiting.json["payment"]["status"] == "processing"
            orders[token] = order["order_id"]
        async with running_sandbox(database_url, customer=app.app, copies=3) as sandbox:
            await sandbox.let_time_pass()
            assert await sandbox.deliverer.send_due() == 2
            assert len(await sandbox.fetch("SELECT FROM webhooks WHERE reason IS NULL")) == 2
        for token, status in (("tok_async", "paid"), ("tok_async_declined", "pending_payment")):
            read = await app.get(f"/orders/{orders[token]}", user=user)
            assert read.json["status"] == status
            outcomes = {"paid": "succeeded", "pending_payment": "failed"}  # all that a poller hears
            assert read.json["payment"]["status"] == outcomes[status]
        assert (await app.pay(user, orders["tok_async_declined"])).status == 200
