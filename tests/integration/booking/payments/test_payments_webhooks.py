"""Webhooks of a payment provider, as Standard Webhooks has them."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.audit.checks import audit_booking
from booking.providers.protocol import Charge, ChargeResult
from chassis.observability import logs
from chassis.problems import Unavailable
from tests.support.booking import (
    BookingApp,
    booking_tables,
    running_booking,
    until_one_waits,
)
from tests.support.outbox import events_waiting
from tests.support.payments import NEW, OLD, Disturbed, Waiting, send, signature

USER = uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url, webhook_secret=(OLD, NEW)) as running:
        yield running


@pytest.fixture
async def waiting(app: BookingApp) -> Waiting:
    async def silent(_: Any, charge: Charge) -> ChargeResult:
        raise Unavailable()

    Disturbed(app, silent)
    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    answer = await app.pay(USER, order_id)
    return Waiting(app, USER, order_id, answer.json["payment"]["payment_id"])


async def test_a_signed_message_settles_the_payment_once(
    app: BookingApp, waiting: Waiting, database_url: str
) -> None:
    for _ in range(3):
        assert (await send(app, waiting.event())).status == 200
    assert (await send(app, waiting.event(), id_="msg_2")).status == 200
    assert await waiting.status() == "paid"
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM provider_events") == 2
        assert await tables.fetchval("SELECT count(*) FROM tickets") == 2
    assert len(await events_waiting(database_url, "order.paid")) == 1
    findings = await audit_booking(app.services, looks_max=1)
    assert [finding for finding in findings if not finding.ok] == []


async def test_a_message_of_failure_leaves_the_order_payable(
    app: BookingApp, waiting: Waiting
) -> None:
    failed = waiting.event("payment.failed", reason="card_declined")
    assert (await send(app, failed)).status == 200
    assert await waiting.status() == "pending_payment"
    # It was taken after all, says the provider later: the provider's word counts.
    assert (await send(app, waiting.event(), id_="msg_2")).status == 200
    assert await waiting.status() == "paid"
    # And now an old message comes late.
    assert (await send(app, failed, id_="msg_3")).status == 200
    assert await waiting.status() == "paid"


async def test_a_failure_taken_back_while_another_payment_begins_is_owed_back(
    app: BookingApp, waiting: Waiting, database_url: str
) -> None:
    """The second payment is begun while the word about the first waits for the order."""
    failed = waiting.event("payment.failed", reason="card_declined")
    assert (await send(app, failed)).status == 200
    begin = (
        "INSERT INTO payments (payment_id, order_id, user_id, provider, method, amount, currency, state,"
        " request_id) SELECT $2, order_id, user_id, provider, method, amount, currency, 'processing',"
        " request_id FROM payments WHERE payment_id = $1"
    )
    async with booking_tables(database_url) as tables:
        async with tables.transaction():
            lock = "SELECT FROM orders WHERE order_id = $1 FOR UPDATE"
            await tables.execute(lock, UUID(waiting.order_id))
            taking_back = asyncio.create_task(send(app, waiting.event(), id_="msg_2"))
            await until_one_waits(database_url)
            await tables.execute(begin, UUID(waiting.payment_id), uuid4())
        assert (await taking_back).status == 200
        first = "SELECT state FROM payments WHERE payment_id = $1"
        assert await tables.fetchval(first, UUID(waiting.payment_id)) == "refund_due"
    assert await waiting.status() == "pending_payment"


async def test_any_of_the_secrets_may_have_signed(app: BookingApp, waiting: Waiting) -> None:
    assert (await send(app, waiting.event(), secret=NEW)).status == 200
    assert await waiting.status() == "paid"


async def test_one_good_signature_among_several_is_enough(
    app: BookingApp, waiting: Waiting
) -> None:
    body, at = waiting.event(), int(time.time())
    both = f"v1,AAAA v2,what {signature(OLD, 'msg_1', at, body)}"
    answer = await send(app, body, webhook_signature=both, webhook_timestamp=str(at))
    assert answer.status == 200


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"secret": "whsec_ZXZpbA=="}, 401, "bad-signature"),
        ({"webhook_signature": "v1,"}, 401, "bad-signature"),
        ({"webhook_signature": "ÿ"}, 401, "bad-signature"),
        ({"webhook_id": "msg_other"}, 401, "bad-signature"),
        ({"webhook_timestamp": "1"}, 401, "bad-signature"),
        ({"webhook_timestamp": "now"}, 401, "bad-signature"),
        ({"age_s": 301}, 400, "stale-timestamp"),
        ({"age_s": -305}, 400, "stale-timestamp"),
        ({"age_s": 295}, 200, ""),
        ({"path": "nobody"}, 404, "not-found"),
    ],
)
async def test_a_message_is_only_as_good_as_its_signature(
    app: BookingApp, waiting: Waiting, changes: Any, status: int, code: str
) -> None:
    answer = await send(app, waiting.event(), **changes)
    assert answer.status == status, answer
    if code:
        assert answer.code == code
    assert await waiting.status() == ("paid" if status == 200 else "pending_payment")


async def test_a_body_written_anew_is_not_the_body_that_was_signed(
    app: BookingApp, waiting: Waiting
) -> None:
    body, at = waiting.event(), int(time.time())
    signed = signature(OLD, "msg_1", at, body)
    anew = msgspec.json.format(body)
    answer = await send(app, anew, webhook_signature=signed, webhook_timestamp=str(at))
    assert (answer.status, answer.code) == (401, "bad-signature")


async def test_a_refused_message_leaves_one_log_line_and_nothing_else(
    app: BookingApp,
    waiting: Waiting,
    database_url: str,
    tmp_path: Path,
) -> None:
    body, at = waiting.event(), int(time.time())
    good = signature(OLD, "msg_1", at, body)
    logs.configure(tmp_path, log_format="text", console=False)
    for sent, changes in (
        (body, {"secret": "whsec_ZXZpbA=="}),  # forged
        (body[:-1], {"webhook_signature": good, "webhook_timestamp": str(at)}),  # truncated
        (body, {"age_s": 301}),
    ):
        assert (await send(app, sent, **changes)).status in {400, 401}
    logs.flush()
    logs.configure(None, log_format="text", console=False)
    lines = (tmp_path / "booking.log").read_text().splitlines()
    reasons = ["bad-signature", "bad-signature", "stale-timestamp"]
    assert [line.partition(" webhook_refused ")[2].split()[:2] for line in lines] == [
        ["provider=sandbox", f"reason={reason}"] for reason in reasons
    ]
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM provider_events") == 0
        assert await tables.fetchval("SELECT state FROM payments") == "processing"


async def test_without_its_headers_a_message_is_refused(app: BookingApp) -> None:
    answer = await app.post("/payments/webhooks/sandbox", {"type": "payment.succeeded"})
    assert (answer.status, answer.code) == (401, "bad-signature")


@pytest.mark.parametrize("changes", [{"amount": 1}, {"currency": "USD"}])
async def test_another_amount_or_currency_settles_nothing(
    app: BookingApp, waiting: Waiting, changes: Any, database_url: str
) -> None:
    answer = await send(app, waiting.event(**changes))
    assert (answer.status, answer.code) == (400, "payment-mismatch")
    assert await waiting.status() == "pending_payment"
    async with booking_tables(database_url) as tables:  # so that the right one may still come
        assert await tables.fetchval("SELECT count(*) FROM provider_events") == 0
    assert (await send(app, waiting.event())).status == 200


async def test_what_is_of_no_interest_is_taken_and_nonsense_is_refused(
    app: BookingApp, waiting: Waiting
) -> None:
    other = msgspec.json.encode({"type": "payout.created", "data": {}})
    assert (await send(app, other)).status == 200
    for nonsense in (b"{}", b'{"type": "payment.succeeded", "data": {}}', b"[1]"):
        answer = await send(app, nonsense, id_="msg_4")
        assert (answer.status, answer.code) == (400, "validation-failed")
    unknown = await send(app, waiting.event(key=str(uuid4())), id_="msg_5")
    assert (unknown.status, unknown.code) == (404, "not-found")
