"""The sandbox provider as an ASGI app.

POST /charges   GET /charges/{key}      charge; read the result
POST /refunds   GET /refunds/{key}      refund; read the result
GET /charges    GET /refunds            those of ?since=&until=, a page behind ?after_time=&after_key=
PUT /controls   GET /controls           change and read its behaviour at run time
GET /healthz    GET /readyz
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from booking.providers.sandbox import store
from booking.providers.sandbox.controls import Controls, Steering
from booking.providers.sandbox.store import ChargeRecord, NewCharge, RefundRecord
from chassis.concurrency.coalescer import Coalescer
from chassis.context import CURRENT, RequestContext, current
from chassis.http.bodies import decode, field_error, full_match
from chassis.postgres.pool import Pool
from chassis.problems import NotFound, PayloadTooLarge, Problem, Unavailable, ValidationFailed
from chassis.seam.upstream import Message, send_problem
from chassis.spans import SERVER

DECLINED = {"tok_declined": "card_declined", "tok_async_declined": "card_declined"}
LATE = frozenset({"tok_async", "tok_async_declined"})
SILENT = frozenset({"tok_timeout"})
# What `stampede rehearse` asks for with --fault: not of interest to people, so pages do not offer them.
SLOW, BROKEN = "tok_slow", "tok_broken"
SLOW_S = 1.5  # within the caller's deadline
# Every token with a meaning, for pages to offer; any other token succeeds.
TOKENS = ("tok_ok", "tok_declined", "tok_async", "tok_async_declined", "tok_timeout")
# How long an unanswered call keeps its connection, and how long its webhook waits. It is longer than the
# caller's deadline, so that the caller has given up before the webhook arrives.
SILENCE_S = 3.0
PENDING_AT_LEAST_S = 0.001  # a late result is late even without a delay
BODY_MAX_BYTES = 16_384
CHARGES_PER_BATCH_MAX = 200
CHARGES_WAITING_MAX = 10_000
CHARGE = ("POST", "/charges")
PAGE_MAX = 200  # charges or refunds in an answer that lists them

Word = Annotated[str, msgspec.Meta(max_length=40, pattern=full_match("[a-z_]+"))]
Text = Annotated[str, msgspec.Meta(max_length=500)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Currency = Annotated[str, msgspec.Meta(pattern=full_match("[A-Z]{3}"))]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
UntilGone = Callable[[], Awaitable[None]]  # returns when the caller has hung up


class ChargeRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    key: UUID
    reference: Annotated[str, msgspec.Meta(max_length=64, pattern=full_match("[ -~]*"))]
    amount: Amount
    currency: Currency
    method: Annotated[str, msgspec.Meta(max_length=64, pattern=full_match("[ -~]*"))]
    token: Annotated[str, msgspec.Meta(max_length=255)]
    metadata: Annotated[dict[Word, Text], msgspec.Meta(max_length=50)] | None = None


class RefundRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    key: UUID
    charge: UUID
    amount: Amount
    currency: Currency


class Charges(msgspec.Struct, frozen=True):
    """A page of the list. There is nothing behind an empty one."""

    charges: list[store.ListedCharge]


class Refunds(msgspec.Struct, frozen=True):
    refunds: list[store.ListedRefund]


class KeyReused(Problem):
    """This key was used for a different charge or refund."""

    code, status = "key-reused", 422


class SandboxApp:
    """Its whole state is in its database schema. Concurrent charges share one statement.

    As an ASGI app, and by `answer` for a caller in the same process: the same bytes, both ways.
    """

    def __init__(self, pool: Pool, steering: Steering, *, page_max: int = PAGE_MAX) -> None:
        self._pool = pool
        self._page_max = page_max
        self._steering = steering
        self._charges: Coalescer[NewCharge, ChargeRecord] = Coalescer(
            self._take_charges,
            name="sandbox_charges",
            batch_max=CHARGES_PER_BATCH_MAX,
            queue_max=CHARGES_WAITING_MAX,
        )

    async def drain(self) -> None:
        """Returns once no charge is in progress. Call it before the pool is closed."""
        await self._charges.drain()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        async def until_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        try:
            body = await _body(receive)
            query = scope["query_string"].decode("latin-1")
            answer = await self.answer(scope["method"], scope["path"], query, body, until_gone)
        except Problem as problem:
            await send_problem(scope, send, problem)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    async def answer(
        self, method: str, path: str, query: str, body: bytes, until_gone: UntilGone
    ) -> bytes:
        """The body of an answer with status 200. Raises what is answered otherwise."""
        calling = current()
        if calling.trace is None:
            return await self._serve(method, path, query, body, until_gone)
        began_s = time.perf_counter()
        context = RequestContext(calling.request_id, calling.span)
        context.trace = part = calling.trace.callee("sandbox")
        token = CURRENT.set(context)
        try:
            return await self._serve(method, path, query, body, until_gone)
        finally:
            CURRENT.reset(token)
            what = path.strip("/").partition("/")[0]
            part.end(f"{method} /{what}", SERVER, began_s)

    async def _serve(
        self, method: str, path: str, query: str, body: bytes, until_gone: UntilGone
    ) -> bytes:
        if len(body) > BODY_MAX_BYTES:
            raise PayloadTooLarge()
        answer: Any
        if (method, path) == CHARGE:  # in every purchase, so before all others
            answer = await self._charge(decode(ChargeRequest, body), until_gone)
        else:
            answer = await self._answer(method, path, query, body)
        return msgspec.json.encode(answer)

    async def _answer(self, method: str, path: str, query: str, body: bytes) -> Any:
        answer: Any
        match method, path.strip("/").split("/"):
            case "GET", ["charges"]:
                listed = await store.list_charges(self._pool, _span(query), limit=self._page_max)
                answer = Charges(listed)
            case "GET", ["refunds"]:
                answer = Refunds(
                    await store.list_refunds(self._pool, _span(query), limit=self._page_max)
                )
            case "GET", ["charges", key]:
                answer = await store.get_charge(self._pool, _uuid(key))
            case "POST", ["refunds"]:
                answer = await self._refund(decode(RefundRequest, body))
            case "GET", ["refunds", key]:
                answer = await store.get_refund(self._pool, _uuid(key))
            case "PUT", ["controls"]:
                answer = await self._steer(body)
            case "GET", ["controls"]:
                answer = await self._steering.current()
            case "GET", ["healthz" | "readyz" as probe]:
                if probe == "readyz":
                    await store.get_charge(self._pool, UUID(int=0))
                answer = {"status": "ok" if probe == "healthz" else "ready", "service": "sandbox"}
            case _:
                answer = None
        if answer is None:
            raise NotFound()
        return answer

    async def _charge(self, wanted: ChargeRequest, until_gone: UntilGone) -> ChargeRecord:
        if wanted.token == BROKEN:  # before any money is taken
            raise Unavailable("This token fails.")
        controls = await self._steering.current()
        silent = controls.never_answer or wanted.token in SILENT
        charge = await self._charges.call(_new_charge(wanted, controls, silent=silent))
        if (charge.amount, charge.currency) != (wanted.amount, wanted.currency):
            raise KeyReused()
        if silent:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SILENCE_S):
                    await until_gone()
            raise Unavailable("No answer.")
        if wanted.token == SLOW:
            await asyncio.sleep(SLOW_S)
        return charge

    async def _take_charges(self, wanted: Sequence[NewCharge]) -> list[ChargeRecord]:
        return await store.take_charges(self._pool, wanted)

    async def _refund(self, wanted: RefundRequest) -> RefundRecord:
        controls = await self._steering.current()
        later = controls.refunds == "pending"
        refund = await store.make_refund(
            self._pool,
            wanted.key,
            wanted.charge,
            amount=wanted.amount,
            currency=wanted.currency,
            refused_for="refused" if controls.refunds == "fail" else None,
            settle_after_s=max(controls.delay_s, PENDING_AT_LEAST_S) if later else 0.0,
            tell_after_s=controls.tell_after_s() if later or controls.repeat_answers else None,
        )
        if (refund.charge, refund.amount) != (wanted.charge, wanted.amount):
            raise KeyReused()
        return refund

    async def _steer(self, body: bytes) -> Controls:
        changes = decode(dict[str, Any], body)
        try:
            return await self._steering.put(changes)
        except msgspec.ValidationError as wrong:
            raise ValidationFailed(errors=[field_error(str(wrong))]) from None


def _new_charge(wanted: ChargeRequest, controls: Controls, *, silent: bool) -> NewCharge:
    late = wanted.token in LATE
    reason = DECLINED.get(wanted.token)
    tell_after_s: float | None = None
    if late or silent or controls.repeat_answers:
        tell_after_s = controls.tell_after_s() + (SILENCE_S if silent else 0.0)
    return NewCharge(
        key=wanted.key,
        reference=wanted.reference,
        amount=wanted.amount,
        currency=wanted.currency,
        method=wanted.method,
        state="declined" if reason else "succeeded",
        reason=reason,
        settle_after_s=max(controls.delay_s, PENDING_AT_LEAST_S) if late else 0.0,
        tell_after_s=tell_after_s,
        metadata=wanted.metadata,
    )


class _Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    since: Annotated[datetime, msgspec.Meta(tz=True)]
    until: Annotated[datetime, msgspec.Meta(tz=True)]
    after_time: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    after_key: UUID | None = None


def _span(query: str) -> store.Span:
    try:
        asked = msgspec.convert(dict(parse_qsl(query)), _Span)
    except msgspec.ValidationError as wrong:
        raise ValidationFailed(errors=[field_error(str(wrong))]) from None
    place = (asked.after_time, asked.after_key)
    after = place if place[0] is not None and place[1] is not None else None
    return store.Span(asked.since, asked.until, after)  # type: ignore[arg-type]


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound() from None


async def _body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_MAX_BYTES:
            raise PayloadTooLarge()
        if not message.get("more_body", False):
            return body
