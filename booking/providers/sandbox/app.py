"""The sandbox provider as an ASGI app: `POST /charges`, `GET /charges/{key}`, `POST /refunds`."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec

from booking.providers.sandbox.store import ChargeRecord, get_charge, refund_charge, take_charge
from chassis.body import decode
from chassis.postgres import Pool
from chassis.problems import NotFound, Problem
from chassis.upstream import Message, send_problem

DECLINED = {"tok_declined": "card_declined"}
BODY_MAX_BYTES = 16_384


class ChargeRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    key: UUID
    reference: Annotated[str, msgspec.Meta(max_length=64)]
    amount: Annotated[int, msgspec.Meta(ge=0, le=10**12)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    method: Annotated[str, msgspec.Meta(max_length=64)]
    token: Annotated[str, msgspec.Meta(max_length=255)]


class RefundRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    key: UUID


class KeyReused(Problem):
    """This key was used for another charge."""

    code, status = "key-reused", 422


class SandboxApp:
    """Holds nothing but its pool: what it knows is in its schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __call__(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        try:
            answer = await self._answer(scope["method"], scope["path"], await _body(receive))
        except Problem as problem:
            await send_problem(scope, send, problem)
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})

    async def _answer(self, method: str, path: str, body: bytes) -> ChargeRecord:
        match method, path.strip("/").split("/"):
            case "POST", ["charges"]:
                return await self._charge(decode(ChargeRequest, body))
            case "GET", ["charges", key]:
                charge = await get_charge(self._pool, msgspec.convert(key, UUID))
            case "POST", ["refunds"]:
                charge = await refund_charge(self._pool, decode(RefundRequest, body).key)
            case _:
                raise NotFound()
        if charge is None:
            raise NotFound()
        return charge

    async def _charge(self, wanted: ChargeRequest) -> ChargeRecord:
        charge = await take_charge(
            self._pool,
            wanted.key,
            reference=wanted.reference,
            amount=wanted.amount,
            currency=wanted.currency,
            declined_for=DECLINED.get(wanted.token),
        )
        if (charge.amount, charge.currency) != (wanted.amount, wanted.currency):
            raise KeyReused()
        return charge


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes:
    body = b""
    while len(body) <= BODY_MAX_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body
