"""A client: buys a seat, pays for it, thinks, and again. It repeats what was not answered, as a storefront
does: with the same Idempotency-Key, after the time that the answer names."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec

from loadtest.failover.record import Ordered, Paid, Record

CALL_TIMEOUT_S = 15.0  # longer than the platform's own deadline
REPEAT_FOR_S = 60.0  # then a buyer gives up
WAIT_MAX_S = 2.0  # a Retry-After may say more
PURCHASES_A_BUYER = 40  # the most tickets of a session that one account may have are 100
PAYMENT = {"payment_method": "alipay", "payment_token": "tok_ok"}
ACCEPTED = 202
# Not served, or not known: worth another try.
TRY_AGAIN = frozenset({0, 429, 500, 502, 503, 504})


class OnSale(msgspec.Struct, frozen=True):
    """A session as clients see it. `number` counts from 1."""

    number: int
    session_id: str
    area_id: str


class Buyer:
    """`number` chooses its address, `session` what it buys, `tokens` are its accounts, used in turn."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        record: Record,
        number: int,
        session: OnSale,
        tokens: Sequence[str],
    ) -> None:
        self._http, self._record, self._session, self._tokens = http, record, session, tokens
        self._address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        self._purchases = 0

    async def run(self, over: asyncio.Event, pace_s: float) -> None:
        """Until the sale is over. `pace_s`: the mean time between two purchases' beginnings."""
        await asyncio.sleep(random.uniform(0, pace_s))
        while not over.is_set():
            began = time.monotonic()
            await self._buy()
            rest = random.uniform(0.5, 1.5) * pace_s - (time.monotonic() - began)
            if rest > 0:
                await asyncio.sleep(rest)

    async def _buy(self) -> None:
        token = self._tokens[self._purchases // PURCHASES_A_BUYER % len(self._tokens)]
        self._purchases += 1
        session = self._session
        body = {
            "session_id": session.session_id,
            "seat_area_id": session.area_id,
            "quantity": 1,
        }
        made = await self._persist("orders", body, token, 201)
        if made is None:
            return
        seats = [item["seat_id"] for item in made["items"]]
        self._record.take(Ordered(made["order_id"], session.number, seats))
        paid = await self._persist(f"orders/{made['order_id']}/pay", PAYMENT, token, 200)
        if paid is not None:
            seats = [ticket["seat_id"] for ticket in paid["tickets"]]
            self._record.take(Paid(made["order_id"], session.number, seats))

    async def _persist(self, path: str, body: Any, token: str, wanted: int) -> Any:
        """The wanted answer's body. None: refused for good, or given up."""
        headers = {
            "Authorization": f"Bearer {token}",
            "Idempotency-Key": str(uuid4()),
            "X-Forwarded-For": self._address,
        }
        give_up = time.monotonic() + REPEAT_FOR_S
        while time.monotonic() < give_up:
            status, document, wait_s = await self._post(path, body, headers)
            if status == wanted:
                return document
            if status == ACCEPTED:  # the provider's answer comes later: nothing was promised
                return None
            code = document.get("code", "") if isinstance(document, dict) else ""
            self._record.failed(
                self._session.number, f"{status} {code}".strip() if status else "no answer"
            )
            if status not in TRY_AGAIN and code != "idempotency-in-flight":
                return None
            await asyncio.sleep(min(wait_s, WAIT_MAX_S) * random.uniform(0.5, 1.0))
        return None

    async def _post(self, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any, float]:
        self._record.requests += 1
        try:
            async with self._http.post(path, json=body, headers=headers) as answer:
                wait_s = float(answer.headers.get("Retry-After", "0.5"))
                return answer.status, await answer.json(content_type=None), wait_s
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0, None, 0.5
