"""Payments begun and orders sold in batches: one statement, one commit, for as many as wait."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg

from booking.domain.payment import PaymentState
from booking.events.unfolding import ORDER_SOLD
from booking.orders.records import items_of
from booking.payments.records import EventTarget, Intent, KnownPayment, ReceivedEvent, Sale
from booking.payments.store import begun_payment
from chassis.postgres.pool import ROLLED_BACK, Pool, connection, load_queries
from chassis.postgres.rows import fields
from chassis.problems import Overloaded, Problem, Unavailable

queries = load_queries(Path(__file__).parent / "sql" / "batches.sql")

# Rolled back for certain, and no member's fault: trying each alone would only prolong it.
_NO_MEMBERS_FAULT = (Overloaded, TimeoutError, *ROLLED_BACK)


async def begin_payments(
    pool: Pool, provider: str, intents: Sequence[Intent]
) -> list[KnownPayment | BaseException | None]:
    """Commits the intents that nothing stands in the way of; None for each of the others."""
    try:
        async with connection(pool) as db:
            found = queries.begin_payments(db, provider=provider, **_intent_columns(intents))
            begun = {row["payment_id"]: begun_payment(row) async for row in found}
    except _NO_MEMBERS_FAULT as failure:
        return [_problem(failure) for _ in intents]
    return [begun.get(intent.payment.payment_id) for intent in intents]


async def sell_orders(pool: Pool, sales: Sequence[Sale]) -> list[bool | BaseException]:
    """Whether each was sold; one that was not is left as it was. An order once a batch: the first."""
    first = list({sale.order.order_id: sale for sale in reversed(sales)}.values())
    try:
        async with connection(pool) as db:
            found = queries.sell_orders(db, **_sale_columns(first))
            sold = {row["payment_id"] async for row in found}
    except _NO_MEMBERS_FAULT as failure:
        return [_problem(failure) for _ in sales]
    except asyncpg.UniqueViolationError:  # a seat that has a ticket: whoever decides alone says so
        if len(sales) > 1:
            raise
        return [False]
    kept = {id(sale) for sale in first if sale.order.payment_id in sold}
    return [id(sale) in kept for sale in sales]


async def look_up_events(
    pool: Pool, events: Sequence[ReceivedEvent]
) -> list[EventTarget | BaseException]:
    try:
        async with connection(pool) as db:
            found = queries.look_up_events(
                db,
                providers=[event.provider for event in events],
                event_ids=[event.event_id for event in events],
                payments=[event.payment_id for event in events],
            )
            return [_event_target(row) async for row in found]
    except _NO_MEMBERS_FAULT as failure:
        return [_problem(failure) for _ in events]


async def record_events(pool: Pool, events: Sequence[ReceivedEvent]) -> list[bool | BaseException]:
    """Remembers events without an effect; whether each was new."""
    try:
        async with connection(pool) as db:
            found = queries.record_events(
                db,
                providers=[event.provider for event in events],
                event_ids=[event.event_id for event in events],
                types=[event.type for event in events],
                payments=[event.payment_id for event in events],
            )
            new = {row["event_id"] async for row in found}
    except _NO_MEMBERS_FAULT as failure:
        return [_problem(failure) for _ in events]
    return [event.event_id in new for event in events]


def _problem(failure: BaseException) -> Problem:
    """For one of several callers: an exception is raised to one of them only."""
    if isinstance(failure, Overloaded):
        return type(failure)(failure.detail)
    if isinstance(failure, TimeoutError):  # the outcome is not known: the reconciler will find out
        return Unavailable("The database did not answer in time.")
    return Overloaded("The database is too busy.")


def _event_target(row: "asyncpg.Record") -> EventTarget:
    """`taken`, and the payment's columns, all NULL when there is no such payment."""
    if row["payment_id"] is None:
        return EventTarget(row["taken"], None)
    columns = fields(row, KnownPayment)
    columns["state"] = PaymentState(row["state"])
    columns["items"] = items_of(row)
    return EventTarget(row["taken"], KnownPayment(**columns))


def _intent_columns(intents: Sequence[Intent]) -> dict[str, Any]:
    payments = [intent.payment for intent in intents]
    return {
        "payments": [payment.payment_id for payment in payments],
        "orders": [payment.order_id for payment in payments],
        "users": [payment.user_id for payment in payments],
        "methods": [payment.method for payment in payments],
        "keys": [payment.idempotency_key for payment in payments],
        "hashes": [payment.body_hash for payment in payments],
        "requests": [payment.request_id for payment in payments],
        "history_ids": [intent.history.event_id for intent in intents],
        "histories": [intent.history.data.decode() for intent in intents],
    }


def _sale_columns(sales: Sequence[Sale]) -> dict[str, Any]:
    orders = [sale.order for sale in sales]
    tickets = [(sale.order, ticket) for sale in sales for ticket in sale.tickets]
    return {
        "payments": [order.payment_id for order in orders],
        "orders": [order.order_id for order in orders],
        "counts": [len(order.items) for order in orders],
        "providers": [sale.event.provider if sale.event else None for sale in sales],
        "taken_ids": [sale.event.event_id if sale.event else None for sale in sales],
        "taken_types": [sale.event.type if sale.event else None for sale in sales],
        "requests": [sale.history.request_id for sale in sales],
        "sold_type": ORDER_SOLD,
        "sold_ids": [sale.sold.id for sale in sales],
        "sold": [sale.sold.data.decode() for sale in sales],
        "histories": [sale.history.data.decode() for sale in sales],
        "traces": [sale.sold.traceparent for sale in sales],
        "item_orders": [order.order_id for order, _ in tickets],
        "item_seats": [ticket.seat_id for _, ticket in tickets],
        "ticket_ids": [ticket.ticket_id for _, ticket in tickets],
        "codes": [ticket.code for _, ticket in tickets],
    }
